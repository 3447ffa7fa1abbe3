//! The disk that a format is written from, read once from its start to its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;

/// What a disk is read from.
pub trait Source: Read {
    /// Moves on over bytes that are known to be zero without reading them, and
    /// gives how many. Who cannot know gives 0.
    ///
    /// # Errors
    /// When the source cannot tell.
    fn skip_hole(&mut self) -> io::Result<u64> {
        Ok(0)
    }
}

impl Source for File {
    fn skip_hole(&mut self) -> io::Result<u64> {
        let from = self.stream_position()?;
        let to = match rustix::fs::seek(&*self, rustix::fs::SeekFrom::Data(from)) {
            Ok(to) => to,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => self.seek(SeekFrom::End(0))?,
            // No file system that knows holes.
            Err(Errno::INVAL) => from,
            Err(error) => return Err(error.into()),
        };
        Ok(to.saturating_sub(from))
    }
}

impl Source for &[u8] {}
impl<R: Read> Source for io::Take<R> {}

/// How much of a disk is in memory at once, in bytes.
const BUFFER: usize = 2 << 20;

/// What a disk holds beside zeros: runs of blocks, none of which is all zeros.
///
/// The last block of a disk may reach beyond it; it is zero there.
pub(crate) struct Runs<'a, S> {
    source: &'a mut S,
    disk_len: u64,
    block: usize,
    buffer: Vec<u8>,
    /// Where on the disk the buffer starts.
    start: u64,
    /// How much of the buffer is in use: a whole number of blocks.
    used: usize,
    /// How much of that was looked at.
    seen: usize,
    /// Where on the disk the source is.
    position: u64,
}

/// Consecutive blocks of a disk.
pub(crate) struct Run<'a> {
    block: usize,
    /// Where on the disk they are, in bytes.
    pub(crate) offset: u64,
    /// A whole number of blocks.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Run<'a> {
    /// Each block and where on the disk it is.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        (self.offset..).step_by(self.block).zip(self.bytes.chunks(self.block))
    }

    /// The bytes, without what is beyond a disk of this length.
    pub(crate) fn within(&self, disk_len: u64) -> &'a [u8] {
        let left = usize::try_from(disk_len - self.offset).unwrap_or(usize::MAX);
        &self.bytes[..self.bytes.len().min(left)]
    }
}

impl<'a, S: Source> Runs<'a, S> {
    /// The runs of a disk in blocks of so many bytes, a power of two that the
    /// buffer is a multiple of.
    pub(crate) fn new(source: &'a mut S, disk_len: u64, block: usize) -> Self {
        let buffer = vec![0; BUFFER];
        Self { source, disk_len, block, buffer, start: 0, used: 0, seen: 0, position: 0 }
    }

    /// The next run, or none at the end of the disk. Where a long run is cut
    /// depends on the source.
    ///
    /// # Errors
    /// When the disk cannot be read, or is shorter or longer than said.
    pub(crate) fn next(&mut self) -> Result<Option<Run<'_>>> {
        let run = loop {
            if let Some(run) = self.find() {
                break run;
            }
            if !self.load().context("reading the disk")? {
                return Ok(None);
            }
        };
        self.seen = run.end;
        let offset = self.start + run.start as u64;
        Ok(Some(Run { block: self.block, offset, bytes: &self.buffer[run] }))
    }

    /// The next run in the buffer.
    fn find(&self) -> Option<Range<usize>> {
        let blocks = |from: usize| self.buffer[from..self.used].chunks(self.block);
        let zeros = blocks(self.seen).take_while(|block| is_zero(block)).count();
        let start = self.seen + zeros * self.block;
        let count = blocks(start).take_while(|block| !is_zero(block)).count();
        (count > 0).then_some(start..start + count * self.block)
    }

    /// Fills the buffer with what follows a hole; gives whether there is anything.
    fn load(&mut self) -> Result<bool> {
        self.position += self.source.skip_hole()?;
        ensure!(self.position <= self.disk_len, "the disk is longer than {}", self.disk_len);
        // The hole may end within a block.
        let within = self.position % self.block as u64;
        self.start = self.position - within;
        self.seen = 0;
        let zeros = usize::try_from(within)?;
        let end = usize::try_from((self.disk_len - self.start).min(BUFFER as u64))?;
        if zeros == end {
            self.used = 0;
            let more = fill(self.source, &mut [0])?;
            ensure!(more == 0, "the disk is longer than {} bytes", self.disk_len);
            return Ok(false);
        }
        self.buffer[..zeros].fill(0);
        let count = fill(self.source, &mut self.buffer[zeros..end])?;
        self.position += count as u64;
        let missing = end - zeros - count;
        ensure!(missing == 0, "the disk ends {missing} bytes or more before its end");
        self.used = end.next_multiple_of(self.block);
        self.buffer[end..self.used].fill(0);
        Ok(true)
    }
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
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
fn is_zero(bytes: &[u8]) -> bool {
    // Without a way out of the inner loop it takes many bytes at once.
    bytes.chunks(512).all(|bytes| bytes.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const BLOCK: usize = 64 << 10;

    fn runs(source: &mut impl Source, disk_len: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut runs = Runs::new(source, disk_len, BLOCK);
        let mut found = Vec::new();
        while let Some(run) = runs.next()? {
            found.push((run.offset, run.bytes.to_vec()));
        }
        Ok(found)
    }

    /// What is put together from the runs.
    fn disk(source: &mut impl Source, disk_len: usize) -> Vec<u8> {
        let mut disk = vec![0; disk_len.next_multiple_of(BLOCK)];
        for (offset, bytes) in runs(source, disk_len as u64).unwrap() {
            assert!(bytes.chunks(BLOCK).all(|block| block.iter().any(|byte| *byte != 0)));
            disk[usize::try_from(offset).unwrap()..][..bytes.len()].copy_from_slice(&bytes);
        }
        disk.truncate(disk_len);
        disk
    }

    #[test]
    fn a_disk_is_its_runs() {
        let mut data = vec![0; 3 * BUFFER + BLOCK + 700];
        for place in [0, BLOCK - 1, 5 * BLOCK, BUFFER - 1, BUFFER, 2 * BUFFER + 7 * BLOCK + 9] {
            data[place] = 1;
        }
        for end in [0, 1, 512, BLOCK, BLOCK + 512, BUFFER, BUFFER + 1, data.len()] {
            assert!(disk(&mut &data[..end], end) == data[..end], "{end}");
        }
    }

    #[test]
    fn holes_of_a_file_are_skipped() {
        let mut file = tempfile::tempfile().unwrap();
        let len = 40 * BLOCK + 4096;
        file.set_len(len as u64).unwrap();
        let mut data = vec![0; len];
        // The data starts within a block, behind a hole.
        for place in [5 * BLOCK + 4096, 20 * BLOCK + 8192, len - 1] {
            data[place] = 7;
            file.seek(SeekFrom::Start(place as u64)).unwrap();
            file.write_all(&[7]).unwrap();
        }
        file.rewind().unwrap();
        assert!(file.skip_hole().unwrap() >= 5 * BLOCK as u64, "this file system has no holes");
        file.rewind().unwrap();
        assert!(disk(&mut file, len) == data);
        file.rewind().unwrap();
        assert!(runs(&mut file, len as u64 - 512).is_err());
        file.rewind().unwrap();
        assert!(runs(&mut file, len as u64 + 512).is_err());
    }

    #[test]
    fn a_disk_of_another_length_is_an_error() {
        let data = vec![1; BUFFER + 512];
        for wrong in [0, 512, BUFFER, BUFFER + 1024, 3 * BUFFER] {
            assert!(runs(&mut data.as_slice(), wrong as u64).is_err(), "{wrong}");
        }
    }
}
