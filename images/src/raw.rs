//! A disk as it is, byte for byte, in a file with holes.
//!
//! Scope: copying bytes so that runs of zeros become holes. The holes are those of
//! the file that is written; its length is set by whoever opens it.

use std::io::{Seek, SeekFrom, Write};

use anyhow::Result;

use crate::source::{Runs, Source};

/// The size of a hole: a block of the usual file systems.
pub(crate) const BLOCK: usize = 4096;

/// Copies the `len` bytes of `source` to `place` in `device`, which reads as zero
/// there, and leaves out blocks of zeros.
///
/// # Errors
/// When the source is shorter or longer than said or cannot be read, or the device
/// cannot be written.
pub fn copy(
    source: &mut impl Source,
    len: u64,
    device: &mut (impl Write + Seek),
    place: u64,
) -> Result<()> {
    let mut runs = Runs::new(source, len, BLOCK);
    while let Some(run) = runs.next()? {
        device.seek(SeekFrom::Start(place + run.offset))?;
        device.write_all(run.within(len))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

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
        let mut data = vec![0; (1 << 18) + 3 * BLOCK + 5];
        data[BLOCK] = 1;
        data[(1 << 18) + 3 * BLOCK + 4] = 2;
        let mut device = Counting(Cursor::new(vec![0; data.len() + 512]), 0);
        copy(&mut data.as_slice(), data.len() as u64, &mut device, 512).unwrap();
        assert_eq!(device.0.into_inner()[512..], data);
        assert_eq!(device.1, BLOCK + 5);
    }
}
