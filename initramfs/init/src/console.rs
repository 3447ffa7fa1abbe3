//! Lines on the console.

use core::fmt::{self, Write};

use crate::sys;

/// The longest line in bytes; the rest of a longer one is left out.
const LINE_MAX: usize = 512;

/// Collects a line, so that it reaches the console in one piece.
struct Line {
    bytes: [u8; LINE_MAX],
    len: usize,
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

/// Writes one line that begins with `appliance: `.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; LINE_MAX], len: 0 };
    // A line never fails: it leaves out what does not fit.
    let _ = write!(line, "appliance: {text}");
    line.bytes[line.len] = b'\n';
    sys::write_console(&line.bytes[..=line.len]);
}

/// Formats and writes one line.
macro_rules! say {
    ($($argument:tt)*) => { $crate::console::print(format_args!($($argument)*)) };
}
pub(crate) use say;
