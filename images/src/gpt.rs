//! The GUID partition table of a disk that starts by BIOS and by UEFI.
//!
//! ```text
//! LBA 0              protective MBR, with the boot code that a BIOS runs
//! LBA 1              header
//! LBA 2 to 33        128 entries
//! 1 MiB              first partition; each further one at a multiple of 1 MiB
//! last 33 sectors    the entries and the header again
//! ```
//!
//! Scope: sectors of 512 bytes, 128 entries. Not supported: other sector sizes,
//! recovery from the second header.
//!
//! Specification: UEFI 2.10, chapter 5 "GUID Partition Table (GPT) Disk Layout".

use std::io::{Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result, bail, ensure};

use crate::{ByteRange, Guid, field};

/// Bytes of a sector.
const SECTOR: u64 = SECTOR_LEN as u64;
/// Bytes of a sector, as a length in memory.
const SECTOR_LEN: usize = 512;
/// What partitions and the whole disk are aligned to.
const ALIGNMENT: u64 = 1 << 20;
/// Bytes of a partition entry.
const ENTRY: usize = 128;
/// How many entries there are.
const ENTRIES: usize = 128;
/// The same two numbers as the header holds them.
const ENTRY_FIELD: u32 = 128;
const ENTRIES_FIELD: u32 = 128;
/// Sectors of all entries.
const ENTRIES_SECTORS: u64 = 32;
/// Bytes of the header that count for its checksum.
const HEADER: usize = HEADER_FIELD as usize;
/// The same number as the header holds it.
const HEADER_FIELD: u32 = 92;
/// A header starts with it.
const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Revision 1.0 of the header.
const REVISION: u32 = 0x0001_0000;
/// Bytes of the MBR that can hold boot code.
const BOOT_CODE_MAX: usize = 440;
/// UTF-16 units of a partition's name.
const NAME_UNITS: usize = 36;
/// More entries than anybody uses: a limit for what is read.
const ENTRIES_READ_MAX: u32 = 1024;

/// Type of a partition that UEFI looks for boot programs on.
pub const EFI_SYSTEM: Guid = Guid::new(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
/// Type of a partition with any of Linux's file systems.
pub const LINUX_DATA: Guid = Guid::new(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
/// Attribute of the partition that a BIOS boots: syslinux's gptmbr.bin looks for
/// it.
pub const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Guid,
    /// Its own GUID.
    pub guid: Guid,
    /// Where it is.
    pub range: ByteRange,
    /// Attribute bits.
    pub attributes: u64,
    /// Its name.
    pub name: String,
}

/// A partition that has no place yet.
#[derive(Clone, Debug)]
pub struct NewPartition<'a> {
    /// What it is for.
    pub kind: Guid,
    /// Its own GUID.
    pub guid: Guid,
    /// Bytes that it has to hold; it becomes a whole number of MiB.
    pub len: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Its name, at most 36 UTF-16 units.
    pub name: &'a str,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// GUID of the disk.
    pub guid: Guid,
    /// Length of the disk in bytes.
    pub disk_len: u64,
    /// The partitions in use, in the order of the table.
    pub partitions: Vec<Partition>,
}

impl Table {
    /// The smallest disk that holds these partitions in this order.
    ///
    /// # Errors
    /// When a partition holds nothing, or a name or the disk is too long.
    pub fn lay_out(guid: Guid, new: &[NewPartition<'_>]) -> Result<Self> {
        ensure!(new.len() <= ENTRIES, "{} partitions are more than {ENTRIES}", new.len());
        let mut partitions = Vec::new();
        let mut end = ALIGNMENT;
        for &NewPartition { kind, guid, len, attributes, name } in new {
            ensure!(len > 0, "the partition `{name}` would be empty");
            ensure!(
                name.encode_utf16().count() <= NAME_UNITS,
                "the partition name `{name}` is too long"
            );
            let range = ByteRange { start: end, len: align(len)? };
            end = range.end().context("the disk is too long")?;
            partitions.push(Partition { kind, guid, range, attributes, name: name.to_owned() });
        }
        let disk_len = align(end + (ENTRIES_SECTORS + 1) * SECTOR)?;
        Ok(Self { guid, disk_len, partitions })
    }

    /// Writes the MBR with the boot code, and both copies of the table; what lies
    /// between is left as it is.
    ///
    /// # Errors
    /// When the boot code is too long or the device cannot be written.
    pub fn write(&self, boot_code: &[u8], device: &mut (impl Write + Seek)) -> Result<()> {
        let last = self.disk_len / SECTOR - 1;
        let entries = self.entries();
        let mut put = |sector: u64, bytes: &[u8]| -> std::io::Result<()> {
            device.seek(SeekFrom::Start(sector * SECTOR))?;
            device.write_all(bytes)
        };
        put(0, &protective_mbr(boot_code, last)?)?;
        put(1, &self.header(&entries, 1, last, 2))?;
        put(2, &entries)?;
        put(last - ENTRIES_SECTORS, &entries)?;
        put(last, &self.header(&entries, last, 1, last - ENTRIES_SECTORS))?;
        Ok(())
    }

    fn entries(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ENTRIES * ENTRY);
        for Partition { kind, guid, range, attributes, name } in &self.partitions {
            let start = bytes.len();
            let first = range.start / SECTOR;
            bytes.extend(kind.to_disk());
            bytes.extend(guid.to_disk());
            bytes.extend(first.to_le_bytes());
            bytes.extend((first + range.len / SECTOR - 1).to_le_bytes());
            bytes.extend(attributes.to_le_bytes());
            bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
            bytes.resize(start + ENTRY, 0);
        }
        bytes.resize(ENTRIES * ENTRY, 0);
        bytes
    }

    /// The header at sector `here`, with its other copy at `other` and its entries
    /// at `entries_at`: one sector.
    fn header(&self, entries: &[u8], here: u64, other: u64, entries_at: u64) -> Vec<u8> {
        let first_usable = 2 + ENTRIES_SECTORS;
        let last_usable = self.disk_len / SECTOR - 1 - ENTRIES_SECTORS - 1;
        let mut bytes = Vec::new();
        bytes.extend(SIGNATURE);
        bytes.extend(REVISION.to_le_bytes());
        bytes.extend(HEADER_FIELD.to_le_bytes());
        let checksum = bytes.len();
        bytes.extend([0; 8]);
        for sector in [here, other, first_usable, last_usable] {
            bytes.extend(sector.to_le_bytes());
        }
        bytes.extend(self.guid.to_disk());
        bytes.extend(entries_at.to_le_bytes());
        bytes.extend(ENTRIES_FIELD.to_le_bytes());
        bytes.extend(ENTRY_FIELD.to_le_bytes());
        bytes.extend(crc32fast::hash(entries).to_le_bytes());
        let sum = crc32fast::hash(&bytes).to_le_bytes();
        bytes[checksum..checksum + 4].copy_from_slice(&sum);
        bytes.resize(SECTOR_LEN, 0);
        bytes
    }

    /// Reads the table of a disk; `None` when the disk has none.
    ///
    /// # Errors
    /// When the device cannot be read or its table is damaged.
    pub fn read(device: &mut (impl Read + Seek)) -> Result<Option<Self>> {
        let disk_len = device.seek(SeekFrom::End(0))?;
        if disk_len < 2 * SECTOR {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        device.seek(SeekFrom::Start(SECTOR))?;
        device.read_exact(&mut header).context("reading the GPT header")?;
        if field(&header, 0) != *SIGNATURE {
            return Ok(None);
        }
        let word = |offset| u32::from_le_bytes(field(&header, offset));
        let sum = word(16);
        let mut summed = header;
        summed[16..20].fill(0);
        ensure!(word(12) == HEADER_FIELD, "the GPT header is {} bytes long", word(12));
        ensure!(crc32fast::hash(&summed) == sum, "the checksum of the GPT header is wrong");

        let second = u64::from_le_bytes(field(&header, 32));
        ensure!(second < disk_len / SECTOR, "the disk is cut: it ends before its second table");

        let (count, size) = (word(80), word(84));
        if count > ENTRIES_READ_MAX || size != ENTRY_FIELD {
            bail!("a GPT of {count} entries of {size} bytes is unusual, and not read");
        }
        let at = u64::from_le_bytes(field(&header, 72)).saturating_mul(SECTOR);
        let mut entries = vec![0; count as usize * ENTRY];
        device.seek(SeekFrom::Start(at))?;
        device.read_exact(&mut entries).context("reading the GPT entries")?;
        ensure!(crc32fast::hash(&entries) == word(88), "the checksum of the GPT entries is wrong");

        let partitions = entries
            .chunks_exact(ENTRY)
            .filter(|entry| Guid::from_disk(field(entry, 0)) != Guid::NIL)
            .map(|entry| read_entry(entry, disk_len))
            .collect::<Result<_>>()?;
        Ok(Some(Self { guid: Guid::from_disk(field(&header, 56)), disk_len, partitions }))
    }
}

fn read_entry(entry: &[u8], disk_len: u64) -> Result<Partition> {
    let [first, last] = [32, 40].map(|offset| u64::from_le_bytes(field(entry, offset)));
    let inside = first <= last && last < disk_len / SECTOR;
    ensure!(inside, "a partition from sector {first} to {last} is not on the disk");
    let units = entry[56..].chunks_exact(2).map(|unit| u16::from_le_bytes(field(unit, 0)));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    Ok(Partition {
        kind: Guid::from_disk(field(entry, 0)),
        guid: Guid::from_disk(field(entry, 16)),
        range: ByteRange { start: first * SECTOR, len: (last - first + 1) * SECTOR },
        attributes: u64::from_le_bytes(field(entry, 48)),
        name: String::from_utf16_lossy(&units),
    })
}

/// The MBR that tells tools without GPT that the whole disk is in use (UEFI 2.10,
/// section 5.2.3), and that a BIOS loads and runs.
fn protective_mbr(boot_code: &[u8], last: u64) -> Result<[u8; SECTOR_LEN]> {
    ensure!(
        boot_code.len() <= BOOT_CODE_MAX,
        "boot code of {} bytes is longer than {BOOT_CODE_MAX}",
        boot_code.len()
    );
    let mut mbr = [0; SECTOR_LEN];
    mbr[..boot_code.len()].copy_from_slice(boot_code);
    let record = &mut mbr[446..462];
    record[1..4].copy_from_slice(&[0x00, 0x02, 0x00]); // first sector in CHS terms
    record[4] = 0xee; // type: GPT protective
    record[5..8].fill(0xff); // last sector in CHS terms: beyond them
    record[8..12].copy_from_slice(&1u32.to_le_bytes());
    record[12..].copy_from_slice(&u32::try_from(last).unwrap_or(u32::MAX).to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    Ok(mbr)
}

fn align(bytes: u64) -> Result<u64> {
    bytes.checked_next_multiple_of(ALIGNMENT).context("the disk is too long")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn table() -> Table {
        let boot = NewPartition {
            kind: EFI_SYSTEM,
            guid: Guid::new(1),
            len: 5_000_192,
            attributes: LEGACY_BIOS_BOOTABLE,
            name: "boot",
        };
        let site = NewPartition {
            kind: LINUX_DATA,
            guid: Guid::new(2),
            len: 1 << 23,
            attributes: 0,
            name: "ßite",
        };
        Table::lay_out(Guid::new(3), &[boot, site]).unwrap()
    }

    fn disk(table: &Table) -> Vec<u8> {
        let mut disk = Cursor::new(vec![0; usize::try_from(table.disk_len).unwrap()]);
        table.write(b"boot code", &mut disk).unwrap();
        disk.into_inner()
    }

    #[test]
    fn partitions_are_aligned_and_the_disk_holds_them() {
        let table = table();
        let starts: Vec<u64> = table.partitions.iter().map(|p| p.range.start >> 20).collect();
        assert_eq!(starts, [1, 6]);
        assert_eq!(table.disk_len, 15 << 20);
    }

    #[test]
    fn what_was_written_is_read() {
        let table = table();
        let read = Table::read(&mut Cursor::new(disk(&table))).unwrap();
        assert_eq!(read, Some(table));
    }

    #[test]
    fn a_disk_without_table_has_none() {
        for len in [0, 100, 1 << 20] {
            assert_eq!(Table::read(&mut Cursor::new(vec![0; len])).unwrap(), None);
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let mut disk = disk(&table());
        let header = 512..512 + HEADER;
        let entries = 1024..1024 + ENTRIES * ENTRY;
        for at in header.chain(entries) {
            disk[at] ^= 0x10;
            let read = Table::read(&mut Cursor::new(&disk));
            assert!(!matches!(read, Ok(Some(_))), "byte {at}");
            disk[at] ^= 0x10;
        }
        assert!(Table::read(&mut Cursor::new(&disk)).is_ok());
    }

    #[test]
    fn a_cut_disk_is_an_error() {
        let whole = disk(&table());
        for len in [1024, 1200, 4 << 20] {
            assert!(Table::read(&mut Cursor::new(&whole[..len])).is_err(), "{len}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut device = Cursor::new(vec![0; 15 << 20]);
        assert!(table().write(&[0; 441], &mut device).is_err());
        let empty =
            NewPartition { kind: LINUX_DATA, guid: Guid::new(1), len: 0, attributes: 0, name: "" };
        assert!(Table::lay_out(Guid::new(1), &[empty]).is_err());
    }
}
