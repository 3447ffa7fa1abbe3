//! The counts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use host::failed;
use serde::Deserialize;

/// What was executed between two moments.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Counts {
    /// How many laps this is the sum of; 1 for all that was counted.
    pub laps: u64,
    /// Instructions.
    pub total: u64,
    /// Those below the kernel's half of the addresses: programs, firmware, and the
    /// kernel's own beginning.
    pub user: u64,
    /// Those of the kernel.
    pub kernel: u64,
    /// Of the kernel's, those in interrupts other than the timer's.
    pub interrupts: u64,
    /// Of the kernel's, those in interrupts of the timer: how many there are depends
    /// on how fast the host is.
    pub timer: u64,
    /// Of the kernel's, those in exceptions such as page faults.
    pub exceptions: u64,
    /// Of the kernel's, those in softirqs that run outside of interrupts: inside a
    /// system call, or in their own thread. Those that an interrupt runs are its.
    pub softirqs: u64,
    /// Of the kernel's, those of the idle task.
    pub idle: u64,
    /// Bytes written under `rep`, each such instruction being counted once.
    pub rep_bytes: u64,
    /// Turns of instructions under `rep`, which are not in the other counts.
    pub turns: u64,
    /// Instructions that would leave a virtual machine, by kind: `port`, `hlt`,
    /// `wrmsr`, `cpuid`, `memory`. Without those of the timer (its interrupts, and
    /// setting it) and of the idle task, but with each halt that a device's interrupt ends.
    pub exits: BTreeMap<String, u64>,
    /// Instructions by function of the kernel.
    pub functions: BTreeMap<String, u64>,
    /// System calls that came back, by name.
    pub calls: BTreeMap<String, CallCounts>,
    /// What the guest's program marked, by the number of the mark.
    pub windows: BTreeMap<u16, Window>,
    /// Calls that allocate memory.
    pub allocations: Vec<Site>,
    /// Functions of the kernel that were executed since the start of QEMU.
    pub executed: BTreeSet<String>,
    /// Moments of the start: `decompression` (of a bzImage), `entry` (the kernel's first
    /// instruction), `kernel` (`start_kernel`), `program 1` to `program 4` (as they
    /// begin), `wait` (the first wait for events, which is the server's: PID 1 makes
    /// none).
    pub phases: BTreeMap<String, Moment>,
    /// Whether the symbols are those of the kernel that ran.
    pub(super) symbols_fit: bool,
}

/// A moment of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Moment {
    /// Instructions until then, other than those of the idle task and of the timer.
    pub instructions: u64,
    /// All instructions until then, and each turn of one under `rep`: what a clock
    /// of instructions (`-icount`) counts.
    pub turns_too: u64,
    /// Milliseconds that passed on the host since the guest began to run: while it was
    /// counted, which takes longer.
    pub milliseconds: f64,
}

/// What a system call cost, interrupts, softirqs and exceptions apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CallCounts {
    /// How often it was made.
    pub count: u64,
    /// Instructions in all.
    pub sum: u64,
    /// Instructions of the cheapest.
    pub min: u64,
    /// Instructions of the softirqs that ran inside, which are not in the others.
    pub softirqs: u64,
}

/// What was executed between two marks, interrupts, softirqs and exceptions apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Window {
    /// How often.
    pub count: u64,
    /// Instructions in all.
    pub sum: u64,
    /// The fewest.
    pub min: u64,
    /// Bytes written under `rep` in the one with the fewest.
    pub rep_bytes: u64,
    /// Instructions of softirqs in the one with the fewest, which are not in its count.
    pub softirqs: u64,
    /// How often which number was counted.
    pub histogram: BTreeMap<u64, u64>,
}

/// A place in the kernel that allocates memory: caller, callee, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Site(pub String, pub String, pub u64);

/// Sees whether the symbols are the kernel's.
pub(super) fn check(symbols_fit: bool) -> Result<()> {
    if symbols_fit {
        return Ok(());
    }
    Err(failed("the kernel that runs is not the one that the System.map was made with")
        .hint("put the System.map of that build there, or build again")
        .into())
}

impl Counts {
    /// Instructions of the kernel that belong to what it was asked for: all but the
    /// timer's and the idle task's. Packets that come while it idles are among them.
    pub fn of_requests(&self) -> u64 {
        self.kernel.saturating_sub(self.timer + self.idle)
    }

    /// Instructions that would leave a virtual machine, of every kind.
    pub fn exits(&self) -> u64 {
        self.exits.values().sum()
    }
}
