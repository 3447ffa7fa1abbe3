//! `System.map`: the functions of the kernel by address.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The functions, sorted by address.
pub(crate) struct Symbols {
    functions: Vec<(u64, String)>,
}

impl Symbols {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        // What the kernel executes below its first function is its own, too.
        let mut functions = BTreeMap::from([(KERNEL, ELSEWHERE.to_owned())]);
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
            // Of several names the one of a system call says most.
            let place = functions.entry(address).or_default();
            if place.is_empty() || name.starts_with("__x64_sys_") {
                name.clone_into(place);
            }
        }
        Ok(Self { functions: functions.into_iter().collect() })
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
        self.functions.iter().find(|(_, other)| other == name).map(|(address, _)| *address)
    }
}

/// The name of what is no function.
const ELSEWHERE: &str = "(elsewhere)";

/// Where the kernel's half of the addresses begins.
pub(crate) const KERNEL: u64 = 0xffff_8000_0000_0000;
