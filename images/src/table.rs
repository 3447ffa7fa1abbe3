//! A table of places in an image, whose entries become known one after the other.

use std::io::{self, Seek, SeekFrom, Write};

/// How much of a table is in memory, in bytes.
const PIECE: usize = 4096;

/// A table of which one piece is in memory, however long it is. Its entries are
/// set in rising order; what is never set stays as it is in the file.
pub(crate) struct Table {
    place: u64,
    /// Where in the table the piece starts, in bytes.
    start: u64,
    piece: Vec<u8>,
}

impl Table {
    /// A table at a place in an image, in bytes.
    pub(crate) fn new(place: u64) -> Self {
        Self { place, start: 0, piece: Vec::with_capacity(PIECE) }
    }

    /// Sets an entry, which has `N` bytes, a power of two.
    pub(crate) fn set<const N: usize>(
        &mut self,
        image: &mut (impl Write + Seek),
        index: u64,
        entry: [u8; N],
    ) -> io::Result<()> {
        let offset = index * N as u64;
        if offset >= self.start + PIECE as u64 {
            self.flush(image)?;
            self.start = offset;
        }
        let within = usize::try_from(offset - self.start).map_err(io::Error::other)?;
        self.piece.resize(within, 0);
        self.piece.extend(entry);
        Ok(())
    }

    /// Writes what is in memory.
    pub(crate) fn flush(&mut self, image: &mut (impl Write + Seek)) -> io::Result<()> {
        if !self.piece.is_empty() {
            image.seek(SeekFrom::Start(self.place + self.start))?;
            image.write_all(&self.piece)?;
            self.piece.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn entries_are_where_they_belong() {
        let mut image = Cursor::new(Vec::new());
        let mut table = Table::new(100);
        let entries = [0u64, 1, 5, 500, 511, 512, 513, 1023, 1024, 5000];
        for index in entries {
            table.set(&mut image, index, (index + 1).to_le_bytes()).unwrap();
        }
        table.flush(&mut image).unwrap();
        let bytes = image.into_inner();
        let mut expected = vec![0; 100 + 5001 * 8];
        for index in entries {
            let at = 100 + usize::try_from(index).unwrap() * 8;
            expected[at..at + 8].copy_from_slice(&(index + 1).to_le_bytes());
        }
        assert!(bytes == expected);
    }
}
