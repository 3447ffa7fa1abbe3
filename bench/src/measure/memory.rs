//! The smallest memory that serves.

use std::time::Duration;

use anyhow::Result;
use host::{Interrupted, check_interrupt};

use crate::Subject;
use crate::loads::{self, Link};

/// Where the search begins, in MiB: QEMU starts no machine with less that SeaBIOS
/// gets through.
const LOWEST: u32 = 4;

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
