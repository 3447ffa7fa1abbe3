//! What a guest writes on its serial port.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::plain::Plain;

/// How much of a talkative guest's output is kept, in bytes: the end of it.
const KEPT: usize = 1 << 20;

/// The text of a console, shared with the thread that reads it.
#[derive(Clone, Default)]
pub(crate) struct Console {
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// What [`Console::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line, without its end.
    Line(String),
    /// Nothing yet.
    Nothing,
    /// Nothing, and nothing more can come.
    End,
}

#[derive(Default)]
struct State {
    /// The end of what came.
    bytes: Vec<u8>,
    /// How many bytes came before those.
    dropped: usize,
    closed: bool,
}

impl Console {
    /// Takes what comes from `stream` until its end, and copies it to `copy`.
    pub(crate) fn follow(&self, mut stream: impl Read, mut copy: impl Write) {
        let mut plain = Plain::default();
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    let text = plain.filter(&buffer[..count]);
                    // Whoever watches may have gone; the guest goes on.
                    let _ = copy.write_all(&text).and_then(|()| copy.flush());
                    self.append(&text);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        self.lock().closed = true;
        self.shared.1.notify_all();
    }

    fn append(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.bytes.extend_from_slice(bytes);
        if state.bytes.len() > 2 * KEPT {
            let surplus = state.bytes.len() - KEPT;
            state.bytes.drain(..surplus);
            state.dropped += surplus;
        }
        drop(state);
        self.shared.1.notify_all();
    }

    /// What came so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// The line at position `seen`, which moves behind it; waits for its end at
    /// most `patience`.
    pub(crate) fn next_line(&self, seen: &mut usize, patience: Duration) -> Next {
        let unfinished = |state: &mut State| !state.closed && state.line_at(*seen).is_none();
        let (state, _) = self
            .shared
            .1
            .wait_timeout_while(self.lock(), patience, unfinished)
            .unwrap_or_else(PoisonError::into_inner);
        let Some((line, end)) = state.line_at(*seen) else {
            return if state.closed { Next::End } else { Next::Nothing };
        };
        *seen = end;
        Next::Line(line)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The line that begins at a position, and the position behind it. The last
    /// line of a machine that has ended need not be complete.
    fn line_at(&self, position: usize) -> Option<(String, usize)> {
        let rest = &self.bytes[position.saturating_sub(self.dropped)..];
        let (line, length) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&rest[..at], at + 1),
            None if self.closed && !rest.is_empty() => (rest, rest.len()),
            None => return None,
        };
        let text = String::from_utf8_lossy(line).into_owned();
        Some((text, position.max(self.dropped) + length))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn lines_come_once_and_whole() {
        let console = Console::default();
        let (mut guest, ours) = UnixStream::pair().unwrap();
        let reader = console.clone();
        let thread = std::thread::spawn(move || reader.follow(ours, std::io::sink()));
        let mut seen = 0;
        let mut next = |millis| console.next_line(&mut seen, Duration::from_millis(millis));
        guest.write_all(b"one\r\nt").unwrap();
        assert_eq!(next(5000), Next::Line("one".into()));
        assert_eq!(next(10), Next::Nothing);
        guest.write_all(b"wo\nlast").unwrap();
        assert_eq!(next(5000), Next::Line("two".into()));
        drop(guest);
        thread.join().unwrap();
        assert_eq!(next(5000), Next::Line("last".into()));
        assert_eq!(next(5000), Next::End);
    }

    #[test]
    fn a_talkative_guest_is_kept_in_bounds() {
        let console = Console::default();
        for number in 0..40_000 {
            console.append(format!("{number:0>99}\n").as_bytes());
        }
        assert!(console.text().len() <= 2 * KEPT);
        let (mut seen, mut last) = (0, String::new());
        while let Next::Line(line) = console.next_line(&mut seen, Duration::ZERO) {
            last = line;
        }
        assert!(last.ends_with("039999"), "{last}");
        assert_eq!(seen, 4_000_000);
    }
}
