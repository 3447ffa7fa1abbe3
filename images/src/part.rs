//! A part of a device that is itself a device.

use std::io::{self, Read, Seek, SeekFrom};

/// A place on a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// How many bytes.
    pub len: u64,
}

impl ByteRange {
    /// The first byte after it; `None` where no device reaches.
    pub const fn end(self) -> Option<u64> {
        self.start.checked_add(self.len)
    }
}

/// A device that reads one part of another. Reading beyond the part's end gives
/// no bytes, as at the end of a file.
///
/// It gives each byte a limited number of times and then fails: a structure that
/// leads a reader in circles ends with an error instead of never.
#[derive(Debug)]
pub struct Part<D> {
    device: D,
    range: ByteRange,
    position: u64,
    budget: u64,
}

/// How often each byte of a part can be read on average.
const READS_PER_BYTE: u64 = 64;
/// What a reader of even the smallest part can read, in bytes.
const SMALLEST_BUDGET: u64 = 64 << 20;

impl<D: Read + Seek> Part<D> {
    /// The part of `device` at `range`.
    pub fn new(device: D, range: ByteRange) -> Self {
        let budget = range.len.saturating_mul(READS_PER_BYTE).max(SMALLEST_BUDGET);
        Self { device, range, position: 0, budget }
    }

    /// The length of the part in bytes.
    pub const fn len(&self) -> u64 {
        self.range.len
    }

    /// Whether the part holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.range.len == 0
    }
}

impl<D: Read + Seek> Read for Part<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.len.saturating_sub(self.position);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let start = self.range.start.checked_add(self.position).ok_or_else(beyond)?;
        self.device.seek(SeekFrom::Start(start))?;
        let count = self.device.read(&mut buffer[..want])?;
        let bytes = count as u64;
        self.budget = self.budget.checked_sub(bytes).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "its structures lead in circles")
        })?;
        self.position += bytes;
        Ok(count)
    }
}

impl<D: Read + Seek> Seek for Part<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(self.position, self.range.len, to)?;
        Ok(self.position)
    }
}

/// The position after a seek on a device of so many bytes.
pub(crate) fn moved(position: u64, len: u64, to: SeekFrom) -> io::Result<u64> {
    let position = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::Current(by) => position.checked_add_signed(by),
        SeekFrom::End(by) => len.checked_add_signed(by),
    };
    position.ok_or_else(beyond)
}

/// Copies what a read at a position of a device gives: from the block that is there,
/// at most so many bytes as are left of the device.
pub(crate) fn read_block(block: &[u8], position: u64, left: u64, buffer: &mut [u8]) -> usize {
    let within = usize::try_from(position % block.len() as u64).unwrap_or(0);
    let rest = &block[within..];
    let count = rest.len().min(buffer.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
    buffer[..count].copy_from_slice(&rest[..count]);
    count
}

fn beyond() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a position outside of the device")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_part_ends_where_it_ends() {
        let mut part = Part::new(Cursor::new(b"0123456789"), ByteRange { start: 3, len: 4 });
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        assert_eq!(text, "3456");
        part.seek(SeekFrom::End(-1)).unwrap();
        text.clear();
        part.read_to_string(&mut text).unwrap();
        assert_eq!(text, "6");
        assert!(part.seek(SeekFrom::Current(-9)).is_err());
        part.seek(SeekFrom::Start(u64::MAX)).unwrap();
        assert_eq!(part.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_reader_in_circles_is_stopped() {
        let data = vec![0; 1 << 20];
        let mut part = Part::new(Cursor::new(&data), ByteRange { start: 0, len: 1 << 20 });
        let mut buffer = vec![0; 1 << 20];
        let stopped = (0..100).any(|_| {
            part.seek(SeekFrom::Start(0)).unwrap();
            part.read(&mut buffer).is_err()
        });
        assert!(stopped);
    }
}
