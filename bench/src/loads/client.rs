//! Our own HTTP/1.1 client: one write for a request, reads until the length that
//! the answer announces, nothing in between that would cost more than a small
//! answer does.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long connecting, and each read and write, may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// The longest head of an answer; also how much is read at once.
const BUFFER: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The system's word.
    Io(io::Error),
    /// The connection ended before the answer did.
    Closed,
    /// An answer with another status than 200.
    Status(u16),
    /// What came is no answer that this client understands.
    Malformed(String),
}

impl Failure {
    /// The name under which an outcome counts it.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Io(error) => match error.kind() {
                ErrorKind::TimedOut | ErrorKind::WouldBlock => "timeout",
                ErrorKind::ConnectionRefused => "refused",
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset",
                ErrorKind::AddrNotAvailable => "no-address",
                _ => "other",
            }
            .to_owned(),
            Self::Closed => "closed".to_owned(),
            Self::Status(status) => format!("status-{status}"),
            Self::Malformed(_) => "malformed".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if self.kind() == "timeout" => {
                write!(f, "nothing came within {} s", DEADLINE.as_secs())
            }
            Self::Io(error) => error.fmt(f),
            Self::Closed => f.write_str("the connection ended before the answer did"),
            Self::Status(status) => write!(f, "the answer's status is {status}"),
            Self::Malformed(why) => f.write_str(why),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What an answer's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes of its body.
    pub(super) length: u64,
    /// Whether the server ends the connection behind it.
    pub(super) closes: bool,
    pub(super) is_html: bool,
}

/// A connection to a server.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// What of the buffer was received and not yet used.
    start: usize,
    end: usize,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self, Failure> {
        Self::open_within(address, DEADLINE)
    }

    /// Opens a connection of which each step may take so long.
    pub(super) fn open_within(address: SocketAddr, deadline: Duration) -> Result<Self, Failure> {
        let stream = dial(address, deadline)?;
        Ok(Self { stream, buffer: vec![0; BUFFER].into(), start: 0, end: 0 })
    }

    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads an answer and hands its body on in pieces, as they come.
    pub(super) fn receive(
        &mut self,
        mut body: impl FnMut(&Head, &[u8]) -> io::Result<()>,
    ) -> Result<Head, Failure> {
        let head = self.head()?;
        let mut left = head.length;
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let here = self.end - self.start;
            let piece = usize::try_from(left).map_or(here, |left| left.min(here));
            body(&head, &self.buffer[self.start..self.start + piece])?;
            self.start += piece;
            left -= piece as u64;
        }
        if head.status == 200 { Ok(head) } else { Err(Failure::Status(head.status)) }
    }

    fn head(&mut self) -> Result<Head, Failure> {
        // Nothing is left of the answer before, as no request is sent ahead of it.
        (self.start, self.end) = (0, 0);
        loop {
            self.fill()?;
            let end = self.buffer[..self.end].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                self.start = end + 4;
                return parse(&self.buffer[..end]);
            }
        }
    }

    /// Reads what there is behind what the buffer holds.
    fn fill(&mut self) -> Result<(), Failure> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let room = &mut self.buffer[self.end..];
        if room.is_empty() {
            return Err(Failure::Malformed(format!("an answer's head is over {BUFFER} bytes")));
        }
        match self.stream.read(room)? {
            0 => Err(Failure::Closed),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}

pub(super) fn dial(address: SocketAddr, deadline: Duration) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect_timeout(&address, deadline)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    Ok(stream)
}

fn parse(head: &[u8]) -> Result<Head, Failure> {
    let malformed =
        |what: &str| Failure::Malformed(format!("{what}:\n{}", String::from_utf8_lossy(head)));
    let text = str::from_utf8(head).map_err(|_| malformed("an answer's head is no text"))?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = status.and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed("this is no answer in HTTP/1"))?;
    let (mut length, mut closes, mut is_html) = (None, line.starts_with("HTTP/1.0"), false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok(),
            "connection" => closes = value.eq_ignore_ascii_case("close"),
            "content-type" => is_html = value.starts_with("text/html"),
            _ => {}
        }
    }
    let length = length.ok_or_else(|| malformed("an answer does not tell its length"))?;
    Ok(Head { status, length, closes, is_html })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_understood() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\nContent-Type: text/html; a=b";
        let expected = Head { status: 200, length: 12, closes: false, is_html: true };
        assert_eq!(parse(head).unwrap(), expected);
        let head = b"HTTP/1.0 404 Not Found\r\nContent-Length: 0";
        let expected = Head { status: 404, length: 0, closes: true, is_html: false };
        assert_eq!(parse(head).unwrap(), expected);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for head in ["SSH-2.0-OpenSSH", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: x", ""] {
            assert_eq!(parse(head.as_bytes()).unwrap_err().kind(), "malformed", "{head}");
        }
    }
}
