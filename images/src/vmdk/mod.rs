//! VMware's virtual disk in one file that grows, with its description inside.
//!
//! ```text
//! sector 0        header
//! 1 to 20         description: text, zeros behind it
//! from 21         [second directory and tables;] directory; tables
//! then            grains of 64 KiB, each where its table says
//! ```
//!
//! A directory has the sector of each table, a table that of 512 grains; 0 stands
//! for a grain of zeros. Numbers are little-endian.
//!
//! Scope: disks of one extent. Not supported: parents, several extents, ESXi's own
//! formats.
//!
//! Specification: VMware, "Virtual Disk Format 5.0", and what VMware's open-vmdk
//! writes where that is silent (header version 3).

mod description;
mod reader;
pub mod sparse;
pub mod stream;

use std::io::{Seek, SeekFrom, Write};

use anyhow::{Result, ensure};

use crate::set_field;
use crate::table::Table;
use description::Description;
pub use reader::Reader;

/// An image starts with it.
pub const MAGIC: [u8; 4] = *b"KDMV";
/// What everything is counted in, in bytes.
const SECTOR: u64 = SECTOR_LEN as u64;
/// The same as a length in memory.
const SECTOR_LEN: usize = 512;
/// Sectors of a grain.
const GRAIN_SECTORS: u64 = 128;
/// Bytes of a grain.
const GRAIN: u64 = GRAIN_LEN as u64;
/// Bytes of a grain, as a length in memory.
const GRAIN_LEN: usize = 64 << 10;
/// Entries of a table, of four bytes each.
const TABLE_ENTRIES: u64 = 512;
/// Sectors of a table.
const TABLE_SECTORS: u64 = 4;
/// Entries of a directory in one sector.
const DIRECTORY_ENTRIES: u64 = 128;
/// The first sector of the description.
const DESCRIPTION: u64 = 1;
/// Sectors of the description.
const DESCRIPTION_SECTORS: u64 = 20;
/// The first sector behind the description.
const FIRST_DIRECTORY: u64 = DESCRIPTION + DESCRIPTION_SECTORS;

/// Where the fields of the header are, in bytes.
pub mod header {
    /// The version, of four bytes.
    pub const VERSION: usize = 4;
    /// The flags, of four bytes.
    pub const FLAGS: usize = 8;
    /// The length of the disk in sectors, of eight bytes.
    pub const CAPACITY: usize = 12;
    /// The size of a grain in sectors, of eight bytes.
    pub const GRAIN: usize = 20;
    /// The first sector of the description, of eight bytes.
    pub const DESCRIPTION: usize = 28;
    /// The sectors of the description, of eight bytes.
    pub const DESCRIPTION_SECTORS: usize = 36;
    /// The entries of a table, of four bytes.
    pub const TABLE_ENTRIES: usize = 44;
    /// The first sector of the second directory, of eight bytes.
    pub const SECOND_DIRECTORY: usize = 48;
    /// The first sector of the directory, of eight bytes.
    pub const DIRECTORY: usize = 56;
    /// The first sector that can hold a grain, of eight bytes.
    pub const OVERHEAD: usize = 64;
    /// Whether the image was not closed in order, of one byte.
    pub const UNCLEAN: usize = 72;
    /// What a transfer that takes the image for text would change, of four bytes.
    pub const NEWLINES: usize = 73;
    /// How grains are compressed, of two bytes.
    pub const COMPRESSION: usize = 77;
    /// Bytes of the header.
    pub const BYTES: usize = super::SECTOR_LEN;
}

/// Flag: the header holds [`NEWLINES`].
const HAS_NEWLINES: u32 = 1;
/// Flag: there is a second directory.
const HAS_SECOND_DIRECTORY: u32 = 1 << 1;
/// Flag: grains are compressed.
const COMPRESSED: u32 = 1 << 16;
/// Flag: grains and other blocks have markers.
const HAS_MARKERS: u32 = 1 << 17;
/// What a transfer that takes the image for text would change.
const NEWLINES: &[u8; 4] = b"\n \r\n";
/// Grains are compressed by deflate, with zlib's header.
const DEFLATE: u16 = 1;

/// The part of a header in which the kinds of images differ.
struct Header {
    version: u32,
    flags: u32,
    compression: u16,
    /// Length of the disk in sectors.
    capacity: u64,
    /// First sector of the second directory, or 0.
    second_directory: u64,
    /// First sector of the directory.
    directory: u64,
    /// First sector that can hold a grain.
    overhead: u64,
}

impl Header {
    fn bytes(&self) -> Result<[u8; header::BYTES]> {
        let mut bytes = [0; header::BYTES];
        let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
        set(0, &MAGIC);
        set(header::VERSION, &self.version.to_le_bytes());
        set(header::FLAGS, &self.flags.to_le_bytes());
        set(header::CAPACITY, &self.capacity.to_le_bytes());
        set(header::GRAIN, &GRAIN_SECTORS.to_le_bytes());
        set(header::DESCRIPTION, &DESCRIPTION.to_le_bytes());
        set(header::DESCRIPTION_SECTORS, &DESCRIPTION_SECTORS.to_le_bytes());
        set(header::TABLE_ENTRIES, &u32::try_from(TABLE_ENTRIES)?.to_le_bytes());
        set(header::SECOND_DIRECTORY, &self.second_directory.to_le_bytes());
        set(header::DIRECTORY, &self.directory.to_le_bytes());
        set(header::OVERHEAD, &self.overhead.to_le_bytes());
        set(header::NEWLINES, NEWLINES);
        set(header::COMPRESSION, &self.compression.to_le_bytes());
        Ok(bytes)
    }
}

/// A directory and its tables, one behind the other.
#[derive(Clone, Copy)]
struct Directory {
    /// Its first sector.
    place: u64,
    /// How many tables there are.
    tables: u64,
}

impl Directory {
    /// For a disk of so many bytes.
    fn new(place: u64, disk_len: u64) -> Self {
        Self { place, tables: disk_len.div_ceil(GRAIN * TABLE_ENTRIES) }
    }

    /// The first sector of the tables.
    fn tables_place(self) -> u64 {
        self.place + self.tables.div_ceil(DIRECTORY_ENTRIES)
    }

    /// The first sector behind the tables.
    fn end(self) -> u64 {
        self.tables_place() + self.tables * TABLE_SECTORS
    }

    /// The tables as one, with an entry for each grain of the disk.
    fn grains(self) -> Table {
        Table::new(self.tables_place() * SECTOR)
    }

    /// Writes the directory; the tables are where they are even if empty.
    fn write(self, image: &mut (impl Write + Seek)) -> Result<()> {
        let mut entries = Table::new(self.place * SECTOR);
        for table in 0..self.tables {
            let place = self.tables_place() + table * TABLE_SECTORS;
            entries.set(image, table, entry(place)?)?;
        }
        Ok(entries.flush(image)?)
    }
}

/// A sector as directories and tables hold it.
fn entry(sector: u64) -> Result<[u8; 4]> {
    let sector = u32::try_from(sector);
    ensure!(sector.is_ok(), "the image becomes longer than 2 TiB, beyond what its tables can name");
    Ok(sector?.to_le_bytes())
}

/// Writes header and description, the last things to be known.
fn finish(
    image: &mut (impl Write + Seek),
    header: &Header,
    description: &Description<'_>,
) -> Result<()> {
    let text = description.text()?;
    let limit = DESCRIPTION_SECTORS * SECTOR;
    ensure!(text.len() as u64 <= limit, "the description is longer than {limit} bytes");
    image.seek(SeekFrom::Start(DESCRIPTION * SECTOR))?;
    image.write_all(text.as_bytes())?;
    image.seek(SeekFrom::Start(0))?;
    image.write_all(&header.bytes()?)?;
    Ok(())
}
