//! Hyper-V's virtual hard disk that grows.
//!
//! ```text
//! 0          identifier
//! 64 KiB     header, and at 128 KiB again
//! 192 KiB    table of the regions, and at 256 KiB again
//! 1 MiB      log, empty
//! 2 MiB      region: metadata
//! 3 MiB      region: block table, a whole number of MiB
//! then       blocks of 1 MiB
//! ```
//!
//! The block table has the place of each block, and behind those of each 4 GiB one
//! more entry, which disks with a parent use. Numbers are little-endian.
//!
//! Scope: writing. Not supported: disks of fixed length or with a parent, sectors of
//! 4 KiB, a log to be replayed.
//!
//! Specification: Microsoft, [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format".

use std::io::{Seek, SeekFrom, Write};

use anyhow::Result;
use crc::{CRC_32_ISCSI, Crc};

use crate::Guid;
use crate::content::{Content, ContentDigest};
use crate::lengths::Lengths;
use crate::set_field;
use crate::source::{Runs, Source};
use crate::table::Table;

/// Bytes of a sector of the disk.
const SECTOR: u32 = 512;
/// The disks that can be written; Hyper-V's longest is one of 64 TiB.
pub const LENGTHS: Lengths = Lengths { format: "VHDX", max: 64 << 40, unit: SECTOR as u64 };
/// What logs, regions and blocks are aligned to, in bytes.
const MIB: u64 = 1 << 20;
/// Bytes of a block: the smallest, which Microsoft advises for Linux, whose file
/// systems write in many places.
const BLOCK: u32 = 1 << 20;
/// The same as a length in memory.
const BLOCK_LEN: usize = 1 << 20;
/// Blocks of 4 GiB: 2^23 sectors.
const CHUNK: u64 = (1 << 23) * SECTOR as u64 / BLOCK as u64;
/// State of a block, in an entry's lowest bits: it is in the file.
const PRESENT: u64 = 6;

/// Where the parts of the file are, in bytes.
mod place {
    use super::MIB;

    pub(super) const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
    pub(super) const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
    pub(super) const LOG: u64 = MIB;
    pub(super) const METADATA: u64 = 2 * MIB;
    pub(super) const BLOCKS: u64 = 3 * MIB;
}

/// Bytes of the log.
const LOG_LEN: u32 = 1 << 20;
/// Bytes of the region of the metadata.
const METADATA_LEN: u32 = 1 << 20;
/// Bytes of a header, which its checksum covers.
const HEADER: usize = 4096;
/// Bytes of the table of the regions, which its checksum covers.
const REGION_TABLE: usize = 64 << 10;
/// Bytes of the table of the metadata, behind which the items are.
const METADATA_TABLE: usize = 64 << 10;
/// Where the checksum is in both.
const CHECKSUM: usize = 4;

/// Types of regions.
const BLOCK_TABLE_REGION: Guid = Guid::new(0x2dc27766_f623_4200_9d64_115e9bfd4a08);
const METADATA_REGION: Guid = Guid::new(0x8b7ca206_4790_4b9a_b8fe_575f050f886e);
/// Items of the metadata.
const FILE_PARAMETERS: Guid = Guid::new(0xcaa16737_fa36_4d43_b3b6_33f0aa44e76b);
const DISK_SIZE: Guid = Guid::new(0x2fa54224_cd1b_4876_b211_5dbed83bf4b8);
const DISK_ID: Guid = Guid::new(0xbeca12ab_b2e6_4523_93ef_c309e000c746);
const LOGICAL_SECTOR: Guid = Guid::new(0x8141bf1d_a96f_4709_ba47_f233a8faab5f);
const PHYSICAL_SECTOR: Guid = Guid::new(0xcda348c7_445d_4471_9cc9_e9885251c556);
/// Flags of an item: who does not know it must not open the disk; it is about the
/// disk and not the file.
const REQUIRED: u32 = 1 << 2;
const OF_THE_DISK: u32 = 1 << 1;

/// Writes the disk of `disk_len` bytes that `source` gives into `image`, which is
/// empty.
///
/// # Errors
/// [`Unfit`](crate::Unfit) when the format has no room for the disk; otherwise when
/// the disk is shorter or longer than said, or something cannot be read or written.
pub fn write(
    source: &mut impl Source,
    disk_len: u64,
    image: &mut (impl Write + Seek),
) -> Result<()> {
    LENGTHS.check(disk_len)?;
    let table_len = table_len(disk_len);
    let mut table = Table::new(place::BLOCKS);
    let mut position = place::BLOCKS + table_len;
    let mut content = Content::new(disk_len);
    let mut runs = Runs::new(source, disk_len, BLOCK_LEN);
    while let Some(run) = runs.next()? {
        image.seek(SeekFrom::Start(position))?;
        image.write_all(run.bytes)?;
        for (offset, block) in run.blocks() {
            content.add(offset, block);
            let number = offset / u64::from(BLOCK);
            // A place is a multiple of 1 MiB, so its lower bits are free.
            table.set(image, number + number / CHUNK, (position | PRESENT).to_le_bytes())?;
            position += u64::from(BLOCK);
        }
    }
    table.flush(image)?;
    crate::extend(image, position)?;
    let content = content.finish();
    let mut put = |place: u64, bytes: &[u8]| -> std::io::Result<()> {
        image.seek(SeekFrom::Start(place))?;
        image.write_all(bytes)
    };
    put(place::METADATA, &metadata(disk_len, content)?)?;
    let regions = regions(u32::try_from(table_len)?);
    place::REGIONS.iter().try_for_each(|place| put(*place, &regions))?;
    for (number, place) in (0u64..).zip(place::HEADERS) {
        put(place, &header(number, content))?;
    }
    put(0, b"vhdxfile")?;
    Ok(())
}

/// Bytes of the region of the block table.
fn table_len(disk_len: u64) -> u64 {
    let blocks = disk_len.div_ceil(u64::from(BLOCK));
    let entries = blocks + (blocks - 1) / CHUNK;
    (entries * 8).next_multiple_of(MIB)
}

/// The header with the higher number counts.
fn header(number: u64, content: ContentDigest) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
    set(0, b"head");
    set(8, &number.to_le_bytes());
    set(16, &content.guid("file").to_disk());
    set(32, &content.guid("data").to_disk());
    // No GUID of the log at 48: it is empty. Version 0 of the log at 64.
    set(66, &1u16.to_le_bytes());
    set(68, &LOG_LEN.to_le_bytes());
    set(72, &place::LOG.to_le_bytes());
    seal(bytes)
}

fn regions(table_len: u32) -> Vec<u8> {
    let entries = [
        (BLOCK_TABLE_REGION, place::BLOCKS, table_len),
        (METADATA_REGION, place::METADATA, METADATA_LEN),
    ];
    let mut bytes = vec![0; REGION_TABLE];
    let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
    set(0, b"regi");
    set(8, &2u32.to_le_bytes());
    for ((kind, place, len), at) in entries.into_iter().zip((16..).step_by(32)) {
        set(at, &kind.to_disk());
        set(at + 16, &place.to_le_bytes());
        set(at + 24, &len.to_le_bytes());
        set(at + 28, &1u32.to_le_bytes());
    }
    seal(bytes)
}

/// The table of the metadata and the items.
fn metadata(disk_len: u64, content: ContentDigest) -> Result<Vec<u8>> {
    let of_the_disk = REQUIRED | OF_THE_DISK;
    let parameters = [BLOCK.to_le_bytes(), [0; 4]].concat();
    let items: [(Guid, u32, &[u8]); 5] = [
        (FILE_PARAMETERS, REQUIRED, &parameters),
        (DISK_SIZE, of_the_disk, &disk_len.to_le_bytes()),
        (DISK_ID, of_the_disk, &content.guid("disk").to_disk()),
        (LOGICAL_SECTOR, of_the_disk, &SECTOR.to_le_bytes()),
        (PHYSICAL_SECTOR, of_the_disk, &SECTOR.to_le_bytes()),
    ];
    let mut bytes = vec![0; METADATA_TABLE];
    for ((kind, flags, item), at) in items.into_iter().zip((32..).step_by(32)) {
        let place = u32::try_from(bytes.len())?;
        bytes.extend(item);
        let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
        set(at, &kind.to_disk());
        set(at + 16, &place.to_le_bytes());
        set(at + 20, &u32::try_from(item.len())?.to_le_bytes());
        set(at + 24, &flags.to_le_bytes());
    }
    let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
    set(0, b"metadata");
    set(10, &u16::try_from(items.len())?.to_le_bytes());
    Ok(bytes)
}

/// Sets the checksum over all bytes, itself taken as zero.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Crc::<u32>::new(&CRC_32_ISCSI).checksum(&bytes);
    set_field(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
    bytes
}
