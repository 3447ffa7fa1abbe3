//! Counters that translated code adds to directly.

use std::cell::UnsafeCell;

/// A counter. Only the one virtual processor adds; others look at it.
pub(crate) struct Cell(UnsafeCell<u64>);

// SAFETY: reads and writes are volatile and of an aligned word, which x86-64 does
// in one piece; no sum is made of what several threads write.
unsafe impl Sync for Cell {}

impl Cell {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    pub(crate) fn get(&self) -> u64 {
        // SAFETY: see above.
        unsafe { self.0.get().read_volatile() }
    }

    pub(crate) fn add(&self, count: u64) {
        // SAFETY: see above.
        unsafe { self.0.get().write_volatile(self.get() + count) }
    }

    pub(crate) fn set(&self, value: u64) {
        // SAFETY: see above.
        unsafe { self.0.get().write_volatile(value) }
    }

    pub(crate) fn place(&self) -> *mut u64 {
        self.0.get()
    }
}

/// The kinds of exits, in the order of their cells.
pub(crate) const EXITS: [&str; 5] = ["port", "hlt", "wrmsr", "cpuid", "memory"];
/// Of them, a halt.
pub(crate) const HALT: usize = 1;
/// The last of them: an access to a device's memory.
pub(crate) const MEMORY: usize = 4;

/// All counters.
pub(crate) struct Cells {
    pub total: Cell,
    pub user: Cell,
    pub rep_bytes: Cell,
    /// Turns of instructions under `rep`. QEMU looks once more to find none left, so
    /// that the instruction itself can count apart from them.
    pub turns: Cell,
    /// `syscall` in the lower half of the addresses.
    pub syscalls: Cell,
    /// Calls in the kernel's code from one function to the beginning of another.
    pub fitting: Cell,
    /// Those that lead into the middle of another.
    pub strays: Cell,
    /// Where on the stack lies the address that the softirqs which run now return to;
    /// 0 while none run.
    pub softirq: Cell,
    pub exits: [Cell; EXITS.len()],
    /// By index of the symbol.
    pub functions: Vec<Cell>,
    /// How often each was entered.
    pub entries: Vec<Cell>,
}

impl Cells {
    pub(crate) fn new(functions: usize) -> Self {
        let cells = || (0..functions).map(|_| Cell::new()).collect();
        Self {
            total: Cell::new(),
            user: Cell::new(),
            rep_bytes: Cell::new(),
            turns: Cell::new(),
            syscalls: Cell::new(),
            fitting: Cell::new(),
            strays: Cell::new(),
            softirq: Cell::new(),
            exits: [const { Cell::new() }; EXITS.len()],
            functions: cells(),
            entries: cells(),
        }
    }
}
