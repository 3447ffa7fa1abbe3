//! A disk as it is, byte for byte, in a file with holes.
//!
//! Scope: copying bytes so that runs of zeros become holes. The holes are those of
//! the file that is written; its length is set by whoever opens it.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// The size of a hole: a block of the usual file systems.
const BLOCK: usize = 4096;
/// How much is read at once, in bytes.
const BUFFER: usize = 1 << 18;

/// Copies all of `source` to `place` in `device`, which reads as zero there, and
/// leaves out blocks of zeros. Gives the number of bytes.
///
/// # Errors
/// When one cannot be read or the other not be written.
pub fn copy(
    source: &mut impl Read,
    device: &mut (impl Write + Seek),
    place: u64,
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        let count = fill(source, &mut buffer)?;
        for block in buffer[..count].chunks(BLOCK) {
            if !is_zero(block) {
                device.seek(SeekFrom::Start(place + copied))?;
                device.write_all(block)?;
            }
            copied += block.len() as u64;
        }
        if count < buffer.len() {
            return Ok(copied);
        }
    }
}

/// Reads until the buffer is full or the source ends.
pub(crate) fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match source.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Whether there are only zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Without a way out of the inner loop it takes many bytes at once.
    bytes.chunks(512).all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A device that counts the bytes written to it.
    struct Counting(Cursor<Vec<u8>>, usize);

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += bytes.len();
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Counting {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn zeros_become_holes_and_the_rest_stays() {
        let mut data = vec![0; BUFFER + 3 * BLOCK + 5];
        data[BLOCK] = 1;
        data[BUFFER + 3 * BLOCK + 4] = 2;
        let mut device = Counting(Cursor::new(vec![0; data.len() + 512]), 0);
        let copied = copy(&mut data.as_slice(), &mut device, 512).unwrap();
        assert_eq!(copied, data.len() as u64);
        assert_eq!(device.0.into_inner()[512..], data);
        assert_eq!(device.1, BLOCK + 5);
    }
}
