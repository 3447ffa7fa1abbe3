//! One measured system call: the processor's clock and the plugin's markers
//! around it.

use core::arch::asm;

use bench_guest::sys;
use bench_guest::wire::{REPETITIONS, WARM_UP};

/// The times of one call.
pub(crate) struct Samples {
    values: [u64; REPETITIONS],
    len: usize,
    /// Calls that are still to be made before the first one counts.
    warm_up: usize,
    /// Where calls jump to; nothing where they are made by SYSCALL.
    entry: Option<usize>,
}

impl Samples {
    pub(crate) fn new(entry: Option<usize>) -> Self {
        Self { values: [0; REPETITIONS], len: 0, warm_up: WARM_UP, entry }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.entry);
    }

    /// Whether another call is to be made.
    pub(crate) fn wants_more(&self) -> bool {
        self.len < REPETITIONS
    }

    fn add(&mut self, value: u64) {
        if self.warm_up > 0 {
            self.warm_up -= 1;
        } else if let Some(place) = self.values.get_mut(self.len) {
            *place = value;
            self.len += 1;
        }
    }

    /// Gives each value once with its count, sorted.
    pub(crate) fn histogram(&mut self, mut give: impl FnMut(u64, usize)) {
        let values = &mut self.values[..self.len];
        values.sort_unstable();
        for run in values.chunk_by(|a, b| a == b) {
            give(run[0], run.len());
        }
    }
}

/// The marker of window 0, which ends the one that is open.
const MARKER: u32 = 0x4150_0000;

/// Code between two readings of the clock. The fences keep the readings from
/// moving into what is measured (Intel SDM, RDTSC). A marker is a `nopl` with a
/// number in its displacement.
macro_rules! measured {
    ($instruction:literal) => {
        concat!(
            "lfence\n rdtsc\n lfence\n",
            "shl rdx, 32\n lea r12, [rdx + rax]\n",
            "mov rax, r14\n mov rdx, r13\n",
            "nop dword ptr [rax + {window}]\n",
            $instruction,
            "\n nop dword ptr [rax + {end}]\n",
            "mov r14, rax\n",
            "lfence\n rdtsc\n lfence\n",
            "shl rdx, 32\n lea rax, [rdx + rax]\n sub rax, r12\n",
        )
    };
}

/// Makes a system call with at most five arguments and takes its time.
///
/// # Safety
/// As [`sys::call`].
pub(crate) unsafe fn call<const WINDOW: u16, const N: usize>(
    samples: &mut Samples,
    number: usize,
    given: [usize; N],
) -> sys::Result<usize> {
    let mut args = [0; 5];
    args[..N].copy_from_slice(&given);
    let (time, result): (u64, isize);
    macro_rules! make {
        ($call:literal, $entry:expr) => {
            asm!(
                measured!($call),
                window = const MARKER | WINDOW as u32, end = const MARKER,
                out("rax") time, inlateout("r14") number => result,
                out("r12") _, in("r13") args[2], lateout("rdx") _,
                in("rdi") args[0], in("rsi") args[1],
                in("r10") args[3], in("r8") args[4],
                lateout("rcx") _, inlateout("r11") $entry => _,
                options(nostack),
            )
        };
    }
    // SAFETY: the registers of the call as in `sys::call`; r12 to r14, rax and rdx
    // are named as changed. Where the kernel names an entry, r11 is lost there too,
    // rcx is the return address, and in front of that stands the SYSCALL that a call
    // is restarted with (arch/x86/entry/entry_64_kml.S).
    unsafe {
        match samples.entry {
            None => make!("syscall", 0usize),
            Some(entry) => make!("lea rcx, [rip + 77f]\n jmp r11\n syscall\n 77:", entry),
        }
    }
    let result = sys::result(result)?;
    samples.add(time);
    Ok(result)
}

/// Measures no call: what the clock and the markers cost.
pub(crate) fn nothing<const WINDOW: u16>(samples: &mut Samples) {
    let time: u64;
    // SAFETY: only the registers that are named change.
    unsafe {
        asm!(
            measured!(""),
            window = const MARKER | WINDOW as u32, end = const MARKER,
            out("rax") time, inout("r14") 0usize => _,
            out("r12") _, in("r13") 0usize, lateout("rdx") _,
            options(nostack),
        );
    }
    samples.add(time);
}
