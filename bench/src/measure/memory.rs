//! The smallest memory that serves, and what is in use of the memory that there is.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Interrupted, check_interrupt, explain_io};

use super::requests::complete;
use crate::Subject;
use crate::loads::{self, Link, in_guest};

/// Where the search begins, in MiB: QEMU starts no machine with less that SeaBIOS
/// gets through.
const LOWEST: u32 = 4;

/// The symbol at which a kernel has the number of its free pages: it counts those of all
/// zones by what they are, and the free ones come first (`enum zone_stat_item` in
/// include/linux/mmzone.h).
pub const FREE_PAGES: &str = "vm_zone_stat";
/// KiB of a page.
const PAGE: u64 = 4;
/// Requests before memory in use is looked at.
const REQUESTS: u64 = 1000;

/// The KiB in use after 1000 requests: all that the subject is given, without the pages
/// that its kernel counts as free at that moment.
///
/// # Errors
/// When it does not come up, a request fails, its `System.map` is not that of its kernel,
/// or the user interrupts.
pub fn used(subject: &Subject, link: &Link) -> Result<u64> {
    let map = &subject.symbols;
    let symbols = fs::read_to_string(map).map_err(|error| explain_io(error, map))?;
    let address = address(&symbols, FREE_PAGES)
        .with_context(|| format!("{} has no symbol {FREE_PAGES}", map.display()))?;
    let mut subject = subject.clone();
    super::fix_addresses(&mut subject.machine);
    let (mut guest, target) = loads::boot_at_rest(&subject, link)?;
    in_guest(&mut guest, &subject.name, |guest| {
        let load = || loads::keepalive(&target, REQUESTS, 1, &mut loads::unwatched);
        complete(guest.in_its_network(load)??)?;
        let bytes = guest.read_memory(address, size_of::<u64>())?;
        let free = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        let all = u64::from(subject.machine.memory) * 1024;
        let used = free.checked_mul(PAGE).and_then(|free| all.checked_sub(free));
        used.filter(|used| *used < all).with_context(|| {
            format!("{free} pages are free, so that {} is of another kernel", map.display())
        })
    })
}

fn address(symbols: &str, name: &str) -> Option<u64> {
    let mut words = symbols.lines().map(str::split_whitespace);
    let line = words.find(|line| line.clone().nth(2) == Some(name))?;
    u64::from_str_radix(line.clone().next()?, 16).ok()
}

/// Finds the smallest memory in MiB with which the subject comes up and gives a right
/// answer, by bisection between what fails and what it is given otherwise.
///
/// # Errors
/// When it does not come up with what it is given otherwise, or the user interrupts.
pub fn smallest(subject: &Subject, link: &Link, deadline: Duration) -> Result<u32> {
    let (mut fails, mut serves) = (LOWEST, subject.machine.memory);
    loads::boot(subject, link)?;
    while serves - fails > 1 {
        check_interrupt()?;
        let middle = fails + (serves - fails) / 2;
        let mut subject = subject.clone();
        subject.machine.memory = middle;
        match loads::boot_within(&subject, link, deadline) {
            Ok(_) => serves = middle,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(_) => fails = middle,
        }
    }
    Ok(serves)
}
