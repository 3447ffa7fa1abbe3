//! Reads an image as the disk that it holds.

use std::io::{self, Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};
use flate2::{Decompress, FlushDecompress};

use super::{COMPRESSED, DEFLATE, HAS_MARKERS, MAGIC, SECTOR, header};
use crate::field;
use crate::part::{moved, read_block};

/// The versions of the header that are read.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=3;
/// The longest disk that VMware's products have, in bytes.
const DISK_MAX: u64 = 62 << 40;
/// Sectors of the largest grain that is read; images have 128.
const GRAIN_MAX: u64 = 2048;
/// Entries of the longest table that is read; images have 512.
const TABLE_MAX: u32 = 1 << 16;
/// Stands for a directory that a footer tells of, at the end of the image.
const AT_END: u64 = u64::MAX;
/// Flag: the entry 1 stands for a grain of zeros too.
const HAS_ZERO_GRAINS: u32 = 1 << 2;
/// Bytes of the marker in front of a compressed grain: its first sector on the disk,
/// and its length.
const MARKER: usize = 12;

/// The disk in an image of one file. It keeps the grain that was read last.
#[derive(Debug)]
pub struct Reader<R> {
    image: R,
    compressed: bool,
    zero_grains: bool,
    disk_len: u64,
    /// First sector of the directory.
    directory: u64,
    table_entries: u64,
    position: u64,
    /// Number of the grain in `grain`.
    loaded: Option<u64>,
    grain: Vec<u8>,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens an image.
    ///
    /// # Errors
    /// When it is none, is damaged, or uses what we do not support.
    pub fn new(mut image: R) -> Result<Self> {
        let mut head = Vec::new();
        image.seek(SeekFrom::Start(0))?;
        image.by_ref().take(header::BYTES as u64).read_to_end(&mut head)?;
        ensure!(head.starts_with(&MAGIC), "it is no VMDK image");
        ensure!(head.len() == header::BYTES, "the image ends within its header");
        let word = |offset| u32::from_le_bytes(field(&head, offset));
        let long = |offset| u64::from_le_bytes(field(&head, offset));
        let (version, flags) = (word(header::VERSION), word(header::FLAGS));
        ensure!(VERSIONS.contains(&version), "version {version} of VMDK is unknown");
        let compressed = flags & COMPRESSED != 0;
        let method = u16::from_le_bytes(field(&head, header::COMPRESSION));
        ensure!(!compressed || method == DEFLATE, "compression {method} is unknown");
        ensure!(!compressed || flags & HAS_MARKERS != 0, "its grains have no markers");
        let grain = long(header::GRAIN);
        ensure!(grain.is_power_of_two() && grain <= GRAIN_MAX, "grains of {grain} sectors");
        let table_entries = word(header::TABLE_ENTRIES);
        ensure!((1..=TABLE_MAX).contains(&table_entries), "tables of {table_entries} entries");
        let directory = long(header::DIRECTORY);
        if directory == AT_END {
            bail!(
                "its directory is named at its end, which is not read: convert it to another format"
            );
        }
        let disk_len = long(header::CAPACITY).checked_mul(SECTOR).filter(|len| *len <= DISK_MAX);
        Ok(Self {
            image,
            compressed,
            zero_grains: flags & HAS_ZERO_GRAINS != 0,
            disk_len: disk_len.context("its disk is longer than 62 TiB")?,
            directory,
            table_entries: table_entries.into(),
            position: 0,
            loaded: None,
            grain: vec![0; usize::try_from(grain * SECTOR)?],
        })
    }

    /// Puts a grain of the disk into `self.grain`.
    fn load(&mut self, number: u64) -> Result<()> {
        if self.loaded == Some(number) {
            return Ok(());
        }
        self.loaded = None;
        let table = self.entry(self.directory, number / self.table_entries)?;
        let place = match table {
            0 => 0,
            table => self.entry(table, number % self.table_entries)?,
        };
        match place {
            0 => self.grain.fill(0),
            1 if self.zero_grains => self.grain.fill(0),
            place if self.compressed => self.inflate(place)?,
            place => {
                self.image.seek(SeekFrom::Start(place * SECTOR))?;
                self.image.read_exact(&mut self.grain).context("reading a grain")?;
            }
        }
        self.loaded = Some(number);
        Ok(())
    }

    /// An entry of a directory or a table that begins at a sector: again a sector.
    fn entry(&mut self, first: u64, index: u64) -> Result<u64> {
        let place = first.checked_mul(SECTOR).and_then(|start| start.checked_add(index * 4));
        let mut entry = [0; 4];
        self.image.seek(SeekFrom::Start(place.context("a table outside of the image")?))?;
        self.image.read_exact(&mut entry).context("reading a table")?;
        Ok(u32::from_le_bytes(entry).into())
    }

    fn inflate(&mut self, place: u64) -> Result<()> {
        let mut marker = [0; MARKER];
        self.image.seek(SeekFrom::Start(place * SECTOR))?;
        self.image.read_exact(&mut marker).context("reading a grain's marker")?;
        let len = u32::from_le_bytes(field(&marker, 8));
        let longest = self.grain.len() * 2;
        ensure!(len as usize <= longest, "a compressed grain of {len} bytes");
        let mut data = Vec::new();
        self.image.by_ref().take(len.into()).read_to_end(&mut data).context("reading a grain")?;
        let mut inflate = Decompress::new(true);
        inflate
            .decompress(&data, &mut self.grain, FlushDecompress::Finish)
            .context("decompressing a grain")?;
        // The last grain ends with the disk.
        let whole = usize::try_from(inflate.total_out())?;
        self.grain[whole..].fill(0);
        Ok(())
    }
}

impl<R: Read + Seek> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.disk_len.saturating_sub(self.position);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        self.load(self.position / self.grain.len() as u64)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let count = read_block(&self.grain, self.position, left, buffer);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Reader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(self.position, self.disk_len, to)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::vmdk::stream;

    /// A disk with zeros, what packs well and what does not, that ends in a grain.
    fn disk() -> Vec<u8> {
        let mut disk = vec![0; (3 << 20) + 512];
        disk[70_000..90_000].fill(7);
        let mut state: u32 = 1;
        for byte in &mut disk[(1 << 20)..(1 << 20) + 100_000] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = state.to_be_bytes()[0];
        }
        disk[3 << 20..].fill(9);
        disk
    }

    fn image() -> Vec<u8> {
        let (disk, mut image) = (disk(), Cursor::new(Vec::new()));
        let len = disk.len() as u64;
        stream::write(&mut disk.as_slice(), len, "a.vmdk", &mut image).unwrap();
        image.into_inner()
    }

    fn read(image: Vec<u8>) -> Result<Vec<u8>> {
        let mut read = Vec::new();
        Reader::new(Cursor::new(image))?.read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn a_written_disk_is_read_back() {
        assert!(read(image()).unwrap() == disk());
        let mut reader = Reader::new(Cursor::new(image())).unwrap();
        reader.seek(SeekFrom::End(-3)).unwrap();
        let mut end = Vec::new();
        reader.read_to_end(&mut end).unwrap();
        assert_eq!(end, [9; 3]);
    }

    #[test]
    fn what_is_not_supported_is_an_error() {
        for (at, value) in [
            (0, 0),
            (header::VERSION, 4),
            (header::GRAIN, 0),
            (header::GRAIN, 3),
            (header::GRAIN + 7, 1),
            (header::TABLE_ENTRIES + 3, 1),
            (header::CAPACITY + 7, 1),
            (header::COMPRESSION, 2),
            (header::DIRECTORY + 7, 0xff),
        ] {
            let mut image = image();
            image[at] = value;
            assert!(read(image).is_err(), "{value} at {at}");
        }
    }

    #[test]
    fn damage_gives_an_error_or_another_disk() {
        let good = image();
        for at in (0..good.len()).step_by(61) {
            let mut image = good.clone();
            image[at] ^= 0x55;
            // What counts is that it comes back, and the disk not longer than said.
            let mut reader = match Reader::new(Cursor::new(image)) {
                Ok(reader) => reader.take(16 << 20),
                Err(_) => continue,
            };
            let _ = io::copy(&mut reader, &mut io::sink());
        }
        for len in (0..good.len()).step_by(997) {
            let _ = read(good[..len].to_vec());
        }
    }
}
