//! `System.map`: the functions of the kernel by address.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

/// The functions, sorted by address.
pub(crate) struct Symbols {
    functions: Vec<(u64, String)>,
    /// Every name, also those that are not shown since another is at their address.
    addresses: HashMap<String, u64>,
}

impl Symbols {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        // What the kernel executes below its first function is its own, too.
        let mut functions = BTreeMap::from([(KERNEL, ELSEWHERE.to_owned())]);
        let mut addresses = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if address < KERNEL || !matches!(kind, "t" | "T" | "w" | "W") {
                continue;
            }
            addresses.entry(name.to_owned()).or_insert(address);
            let place = functions.entry(address).or_default();
            if place.is_empty() || rank(name) < rank(place) {
                name.clone_into(place);
            }
        }
        Ok(Self { functions: functions.into_iter().collect(), addresses })
    }

    pub(crate) fn len(&self) -> usize {
        self.functions.len()
    }

    /// The index of the function that an address lies in; none in the lower half of
    /// the addresses.
    pub(crate) fn index(&self, address: u64) -> Option<usize> {
        self.functions.partition_point(|(start, _)| *start <= address).checked_sub(1)
    }

    pub(crate) fn start(&self, index: usize) -> u64 {
        self.functions[index].0
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        &self.functions[index].1
    }

    pub(crate) fn address(&self, name: &str) -> Option<u64> {
        self.addresses.get(name).copied()
    }

    /// Every name with its address, several of which may be the same.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.addresses.iter().map(|(name, address)| (name.as_str(), *address))
    }
}

/// Which of several names at one address is shown, the lowest: a system call's says
/// most, the mark of a section's beginning or end least.
fn rank(name: &str) -> u8 {
    match name {
        _ if name.starts_with("__x64_sys_") => 0,
        _ if name.ends_with("_text_start") || name.ends_with("_text_end") => 2,
        _ => 1,
    }
}

/// The name of what is no function.
const ELSEWHERE: &str = "(elsewhere)";

/// Where the kernel's half of the addresses begins.
pub(crate) const KERNEL: u64 = 0xffff_8000_0000_0000;
