//! A connection of RFC 9113, as much of it as one request at a time needs.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;

use super::super::Target;
use super::super::client::{DEADLINE, Failure, dial};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a receiver takes until it says more (section 6.5.2, SETTINGS_MAX_FRAME_SIZE).
const FRAME_MAX: usize = 16384;
/// The largest window of flow control (section 6.9.1), and that of a new connection.
const WINDOW_MAX: u32 = (1 << 31) - 1;
const WINDOW_FIRST: u32 = 65535;
/// The largest stream number.
const STREAM_MAX: u32 = (1 << 31) - 1;
/// Room for one answer of a small page in one read.
const BUFFER: usize = 64 * 1024;

/// Types of frames (section 6).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
}

/// Flags of frames; the acknowledgement of SETTINGS and PING is 1 too.
mod flag {
    pub(super) const ACK: u8 = 1;
    pub(super) const END_STREAM: u8 = 1;
    pub(super) const END_HEADERS: u8 = 4;
    pub(super) const PADDED: u8 = 8;
    pub(super) const PRIORITY: u8 = 0x20;
}

/// SETTINGS_ENABLE_PUSH = 0, SETTINGS_INITIAL_WINDOW_SIZE = [`WINDOW_MAX`].
const SETTINGS: [u8; 12] = [0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff];

pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    /// The fields of the request, the same each time.
    fields: Vec<u8>,
    /// The number of the next request's stream.
    next: u32,
    /// Bytes of bodies since the connection's window was last opened.
    taken: u32,
    going_away: bool,
    payload: Vec<u8>,
}

/// A frame whose payload is the connection's.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Connection {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        let stream = BufReader::with_capacity(BUFFER, dial(target.address, DEADLINE)?);
        let mut connection = Self {
            stream,
            fields: fields(target),
            next: 1,
            taken: 0,
            going_away: false,
            payload: Vec::new(),
        };
        let window = (WINDOW_MAX - WINDOW_FIRST).to_be_bytes();
        let mut hello = PREFACE.to_vec();
        hello.extend(frame(kind::SETTINGS, 0, 0, &SETTINGS));
        hello.extend(frame(kind::WINDOW_UPDATE, 0, 0, &window));
        connection.write(&hello)?;
        let first = connection.read_header()?;
        if first.0.kind != kind::SETTINGS || first.0.stream != 0 {
            let what = "the server speaks no HTTP/2 by prior knowledge";
            return Err(Failure::Malformed(what.into()));
        }
        connection.read_payload(first.1)?;
        connection.answer(&first.0)?;
        Ok(connection)
    }

    /// Whether another request can be made.
    pub(super) fn is_open(&self) -> bool {
        !self.going_away && self.next < STREAM_MAX
    }

    /// Makes the request and hands the answer's body on in pieces.
    pub(super) fn ask(
        &mut self,
        mut body: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let stream = self.next;
        self.next += 2;
        let flags = flag::END_STREAM | flag::END_HEADERS;
        self.write(&frame(kind::HEADERS, flags, stream, &self.fields))?;
        let mut status = None;
        loop {
            let (frame, length) = self.read_header()?;
            self.read_payload(length)?;
            if frame.stream != stream {
                self.answer(&frame)?;
                continue;
            }
            match frame.kind {
                kind::HEADERS if status.is_none() => status = Some(self.status(frame.flags)?),
                kind::DATA => {
                    self.take()?;
                    body(unpadded(&self.payload, frame.flags)?)?;
                }
                kind::RST_STREAM => return Err(Failure::Io(io::ErrorKind::ConnectionReset.into())),
                _ => {}
            }
            let is_message = matches!(frame.kind, kind::HEADERS | kind::DATA);
            if is_message && frame.flags & flag::END_STREAM != 0 {
                return match status {
                    Some(200) => Ok(()),
                    status => Err(Failure::Status(status.unwrap_or_default())),
                };
            }
        }
    }

    /// The status in the fields of an answer: its first field (section 8.3), which
    /// the static table has for the usual ones (RFC 7541, appendix A); 0 is another.
    fn status(&self, flags: u8) -> Result<u16, Failure> {
        let fields = unpadded(&self.payload, flags)?;
        let fields = fields.get(if flags & flag::PRIORITY == 0 { 0 } else { 5 }..);
        // Changes of the dynamic table's size stand before it.
        let first = fields.and_then(|fields| fields.iter().find(|byte| **byte & 0xe0 != 0x20));
        Ok(match first {
            Some(0x88) => 200,
            Some(0x89) => 204,
            Some(0x8a) => 206,
            Some(0x8b) => 304,
            Some(0x8c) => 400,
            Some(0x8d) => 404,
            Some(0x8e) => 500,
            _ => 0,
        })
    }

    /// Counts what came against the connection's window, and opens it in time.
    fn take(&mut self) -> Result<(), Failure> {
        self.taken += u32::try_from(self.payload.len()).unwrap_or(WINDOW_MAX / 2);
        if self.taken > WINDOW_MAX / 2 {
            let taken = std::mem::take(&mut self.taken).to_be_bytes();
            self.write(&frame(kind::WINDOW_UPDATE, 0, 0, &taken))?;
        }
        Ok(())
    }

    /// Does what a frame of the connection, or of a stream that is gone, asks for.
    fn answer(&mut self, frame_: &Frame) -> Result<(), Failure> {
        match frame_.kind {
            kind::SETTINGS if frame_.flags & flag::ACK == 0 => {
                self.write(&frame(kind::SETTINGS, flag::ACK, 0, &[]))
            }
            kind::PING if frame_.flags & flag::ACK == 0 => {
                self.write(&frame(kind::PING, flag::ACK, 0, &self.payload))
            }
            kind::GOAWAY => {
                self.going_away = true;
                match self.payload.get(4..8) {
                    Some([0, 0, 0, 0]) => Ok(()),
                    _ => Err(Failure::Closed),
                }
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    fn read_header(&mut self) -> Result<(Frame, usize), Failure> {
        let mut header = [0; 9];
        self.read(&mut header)?;
        let [a, b, c, kind, flags, s, t, u, v] = header;
        let length = u32::from_be_bytes([0, a, b, c]);
        let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
        Ok((Frame { kind, flags, stream }, usize::try_from(length).unwrap_or(usize::MAX)))
    }

    fn read_payload(&mut self, length: usize) -> Result<(), Failure> {
        if length > FRAME_MAX {
            return Err(Failure::Malformed(format!("a frame of {length} bytes came")));
        }
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(length, 0);
        let result = self.read(&mut payload);
        self.payload = payload;
        result
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        self.stream.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Closed,
            _ => error.into(),
        })
    }
}

/// A frame (section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    // No payload of ours is longer than the request's fields.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A payload without its padding (section 6.1).
fn unpadded(payload: &[u8], flags: u8) -> Result<&[u8], Failure> {
    if flags & flag::PADDED == 0 {
        return Ok(payload);
    }
    let content = payload.split_first().and_then(|(padding, rest)| {
        rest.len().checked_sub(usize::from(*padding)).map(|length| &rest[..length])
    });
    content.ok_or_else(|| Failure::Malformed("a frame is all padding".into()))
}

/// The fields of a request, none of them for the dynamic table (RFC 7541, section
/// 6.2.2), so that each request has the same bytes.
fn fields(target: &Target) -> Vec<u8> {
    // `:method: GET` and `:scheme: http` of the static table.
    let mut fields = vec![0x82, 0x86];
    // `:authority` is its entry 1, `:path` 4.
    for (name, value) in [(1, &target.host), (4, &target.page)] {
        fields.push(name);
        let mut length = value.len();
        // An integer with a prefix of seven bits (section 5.1).
        if length < 127 {
            fields.push(length.to_le_bytes()[0]);
        } else {
            fields.push(127);
            length -= 127;
            while length >= 128 {
                fields.push(length.to_le_bytes()[0] | 0x80);
                length >>= 7;
            }
            fields.push(length.to_le_bytes()[0]);
        }
        fields.extend(value.bytes());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_has_a_long_length() {
        let mut target = Target::at("http://127.0.0.1:8080/").unwrap();
        let expected = b"\x82\x86\x01\x0e127.0.0.1:8080\x04\x01/";
        assert_eq!(fields(&target), expected);
        // 1337 - 127 = 0b1001_0111010 (RFC 7541, C.1.2, with a prefix of seven bits).
        target.page = "x".repeat(1337);
        let fields = fields(&target);
        assert_eq!(fields[18..22], [4, 127, 0b1011_1010, 0b1001]);
    }

    #[test]
    fn padding_is_taken_off() {
        assert_eq!(unpadded(b"abc", 0).unwrap(), b"abc");
        assert_eq!(unpadded(b"\x02abc", flag::PADDED).unwrap(), b"a");
        assert!(unpadded(b"\x04abc", flag::PADDED).is_err());
        assert!(unpadded(b"", flag::PADDED).is_err());
    }
}
