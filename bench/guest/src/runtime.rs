//! What a program without a standard library needs to start, to speak and to end.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::sys;

/// Makes a function the start of the program; it gets the place of argc, or takes
/// nothing.
///
/// The kernel starts a program with the stack pointer at argc; a function wants it
/// aligned to 16 bytes before the call (System V ABI, section 3.4.1).
#[macro_export]
macro_rules! start {
    ($main:path) => {
        core::arch::global_asm!(
            ".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16",
            "call {main}", "ud2",
            main = sym $main
        );
    };
}

/// What the kernel tells the program under a key of its auxiliary vector, which stands
/// behind the arguments and the environment, each closed by a zero (System V ABI, figure
/// 3.9); nothing if it says nothing.
///
/// # Safety
/// `argc` is what the program's start got.
pub unsafe fn auxiliary(argc: *const usize, key: usize) -> Option<usize> {
    // SAFETY: the vector ends with a key of zero, and all of it is there.
    unsafe {
        let mut place = argc.add(1 + *argc + 1);
        while *place != 0 {
            place = place.add(1);
        }
        place = place.add(1);
        while *place != 0 {
            if *place == key {
                return Some(*place.add(1));
            }
            place = place.add(2);
        }
    }
    None
}

/// The longest line in bytes: every repetition with another value of ten digits.
const LINE_MAX: usize = 4096;

/// Collects a line, so that it reaches the console in one piece.
pub struct Line {
    bytes: [u8; LINE_MAX],
    len: usize,
}

impl Line {
    /// A line that begins with this text.
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self { bytes: [0; LINE_MAX], len: 0 };
        line.push(text);
        line
    }

    /// Adds to the line; what does not fit is left out.
    pub fn push(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.write_fmt(text);
    }

    /// The text so far.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Writes the line on the console.
    pub fn print(mut self) {
        self.bytes[self.len] = b'\n';
        let mut rest = &self.bytes[..=self.len];
        while let Ok(count @ 1..) = sys::write(&sys::CONSOLE, rest) {
            rest = rest.get(count..).unwrap_or_default();
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_MAX - 1 - self.len;
        let count = text.len().min(room);
        self.bytes[self.len..self.len + count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        Ok(())
    }
}

/// Formats and writes one line.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => { $crate::runtime::Line::new(format_args!($($argument)*)).print() };
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say!("an error in the program: {}", info.message());
    sys::power_off()
}
