//! Text without the control sequences with which firmware paints its screen:
//! shown as they are they would clear the user's terminal.

/// How far into a control sequence the bytes have come (ECMA-48, sections 5.3
/// and 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind an escape.
    Escape,
    /// Behind `ESC [`, up to a final byte.
    Control,
}

/// A filter that remembers where it is between two pieces of a stream.
#[derive(Debug, Default)]
pub(crate) struct Plain(State);

impl Plain {
    /// Leaves out what is no text: control sequences and carriage returns.
    pub(crate) fn filter(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().copied().filter(|byte| self.keeps(*byte)).collect()
    }

    fn keeps(&mut self, byte: u8) -> bool {
        let state = self.0;
        self.0 = match (state, byte) {
            (_, 0x1b) => State::Escape,
            (State::Escape, b'[') => State::Control,
            // Parameters and intermediate bytes.
            (State::Control, 0x20..=0x3f) => State::Control,
            // A line end is none of a sequence: one that was cut off hides no more.
            _ => State::Text,
        };
        byte == b'\n' || (state == State::Text && self.0 == State::Text && byte != b'\r')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_vanish_even_in_pieces() {
        let mut plain = Plain::default();
        let pieces: [&[u8]; 3] =
            [b"\x1bc\x1b[?7l\x1b[2", b"J\x1b[0mSeaBIOS\r", b"\n\x1b[01;00Hend"];
        let text: Vec<u8> = pieces.iter().flat_map(|piece| plain.filter(piece)).collect();
        assert_eq!(String::from_utf8_lossy(&text), "SeaBIOS\nend");
    }

    #[test]
    fn a_line_end_is_never_lost() {
        assert_eq!(Plain::default().filter(b"\x1b[12\nnext\x1b\nlast"), b"\nnext\nlast");
    }
}
