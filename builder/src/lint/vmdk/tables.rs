//! Grain directory and grain tables (Virtual Disk Format 5.0, "Hosted Sparse
//! Extents"): where the file holds which part of the disk.
//!
//! Tables are read only when no two of them share a byte of the file, so that
//! reading them takes no longer than reading the file.

use anyhow::Result;
use images::field;

use super::SECTOR;
use super::header::{Header, TABLE_ENTRIES, flag};
use crate::lint::finding::{ALL, Findings, Place, Source, VMWARE, rules};
use crate::lint::input::{Input, read_at};

const SPARSE: Source = Source::Specification("Virtual Disk Format 5.0, Hosted Sparse Extents");

rules! {
    DIRECTORY = "vmdk-directory": Error, ALL, SPARSE,
        "the grain directory lies within the file, behind the header",
        "copy the file again; it was cut, or its header is damaged";
    TABLE = "vmdk-table": Error, ALL, SPARSE,
        "every grain table lies within the file, behind the header",
        "copy the file again, or convert the disk from its source";
    TABLE_OVERLAP = "vmdk-table-overlap": Error, ALL, SPARSE,
        "no two grain tables share a sector",
        "convert the disk again from its source; its directory is damaged";
    GRAIN = "vmdk-grain": Error, ALL, SPARSE,
        "every grain lies within the file, behind the metadata",
        "copy the file again, or convert the disk from its source";
    GRAIN_OVERLAP = "vmdk-grain-overlap": Error, ALL, SPARSE,
        "no two grains share a sector",
        "convert the disk again from its source; its tables are damaged";
    REDUNDANT = "vmdk-redundant": Warning, VMWARE, SPARSE,
        "the redundant grain tables repeat the first",
        "convert the disk; one of the copies is damaged";
    LARGE = "vmdk-large": Note, ALL, Source::Limit("8,388,608 grains of a disk are compared, and 4,194,304 tables read"),
        "what the tables say about each grain is compared",
        "nothing; for a disk of this size use `qemu-img check`";
}

/// How many grains are remembered: 512 GiB of data in grains of 64 KiB.
pub(super) const REMEMBERED: usize = 8 << 20;
/// How many tables are read: those of 128 TiB in grains of 64 KiB.
const MOST_TABLES: u64 = 4 << 20;
/// The size of a grain table in bytes.
const TABLE_BYTES: u64 = TABLE_ENTRIES * 4;
const TABLE_SECTORS: u64 = TABLE_BYTES / SECTOR;

/// The entries of the directory at a sector; none if it cannot be followed.
pub(super) fn directory(
    file: &mut dyn Input,
    sectors: u64,
    header: &Header,
    at: u64,
    findings: &mut Findings,
) -> Result<Option<Vec<u32>>> {
    let tables = header.grains().div_ceil(TABLE_ENTRIES);
    if tables > MOST_TABLES {
        findings.add(&LARGE, Place::field("gdOffset"), format!("{tables} tables"));
        return Ok(None);
    }
    let bytes = tables * 4;
    let end = at.checked_add(bytes.div_ceil(SECTOR));
    if at == 0 || end.is_none_or(|end| end > sectors) {
        let found = format!("{tables} entries at sector {at} of {sectors}");
        findings.add(&DIRECTORY, Place::field("gdOffset"), found);
        return Ok(None);
    }
    let mut directory = Vec::with_capacity(usize::try_from(tables)?);
    for start in (0..bytes).step_by(PIECE) {
        host::check_interrupt()?;
        let len = PIECE.min(usize::try_from(bytes - start)?);
        let piece = read_at(file, at * SECTOR + start, len)?;
        directory.extend(piece.chunks_exact(4).map(|entry| u32::from_le_bytes(field(entry, 0))));
    }
    Ok(are_apart(&directory, sectors, at, findings).then_some(directory))
}

/// How much is read at once, in bytes.
const PIECE: usize = 1 << 16;

/// Whether each table has a place of its own in the file.
fn are_apart(directory: &[u32], sectors: u64, at: u64, findings: &mut Findings) -> bool {
    let mut fine = true;
    for (entry, table) in (0..).zip(directory) {
        let table = u64::from(*table);
        if table != 0 && (table == 1 || table + TABLE_SECTORS > sectors) {
            let place = Place::offset(at * SECTOR + entry * 4);
            findings.add(&TABLE, place, format!("a table at sector {table} of {sectors}"));
            fine = false;
        }
    }
    let mut order: Vec<u32> = directory.iter().copied().filter(|table| *table != 0).collect();
    order.sort_unstable();
    for pair in order.windows(2) {
        if u64::from(pair[1] - pair[0]) < TABLE_SECTORS {
            let found = format!("tables at sectors {} and {}", pair[0], pair[1]);
            findings.add(&TABLE_OVERLAP, Place::offset(at * SECTOR), found);
            fine = false;
        }
    }
    fine
}

/// Reads every table; tells `each` the grain's number, the sector in its entry and
/// the entry's offset, for those that are not empty.
pub(super) fn entries(
    file: &mut dyn Input,
    directory: &[u32],
    mut each: impl FnMut(u64, u32, u64),
) -> Result<()> {
    for (table, sector) in (0_u64..).zip(directory) {
        host::check_interrupt()?;
        if *sector == 0 {
            continue;
        }
        let at = u64::from(*sector) * SECTOR;
        let bytes = read_at(file, at, usize::try_from(TABLE_BYTES)?)?;
        for (entry, bytes) in (0_u64..).zip(bytes.chunks_exact(4)) {
            let sector = u32::from_le_bytes(field(bytes, 0));
            if sector != 0 {
                each(table * TABLE_ENTRIES + entry, sector, at + entry * 4);
            }
        }
    }
    Ok(())
}

/// Checks the tables of a disk whose grains are not compressed.
pub(super) fn check(
    file: &mut dyn Input,
    sectors: u64,
    header: &Header,
    findings: &mut Findings,
) -> Result<()> {
    let Some(first) = directory(file, sectors, header, header.directory, findings)? else {
        return Ok(());
    };
    let zeroed = header.flags & flag::ZEROED != 0;
    let (grains, grain) = (header.grains(), header.grain);
    let mut used = Vec::new();
    let mut count = 0_u64;
    entries(file, &first, |number, sector, offset| {
        if sector == 1 && zeroed {
            return;
        }
        let at = u64::from(sector);
        if at < header.overhead.max(1) || at + grain > sectors || number >= grains {
            let found = format!("grain {number} of {grains} at sector {at} of {sectors}");
            findings.add(&GRAIN, Place::offset(offset), found);
        }
        count += 1;
        if used.len() < REMEMBERED {
            used.push(sector);
        }
    })?;
    if count > used.len() as u64 {
        findings.add(&LARGE, Place::file(), format!("{count} grains"));
    }
    overlaps(used, grain, findings);
    if header.flags & flag::REDUNDANT != 0 {
        redundant(file, sectors, header, &first, findings)?;
    }
    Ok(())
}

fn overlaps(mut used: Vec<u32>, grain: u64, findings: &mut Findings) {
    used.sort_unstable();
    for pair in used.windows(2) {
        if u64::from(pair[1] - pair[0]) < grain {
            let found = format!("grains at sectors {} and {}", pair[0], pair[1]);
            findings.add(&GRAIN_OVERLAP, Place::offset(u64::from(pair[0]) * SECTOR), found);
        }
    }
}

/// Compares the tables with the redundant ones.
fn redundant(
    file: &mut dyn Input,
    sectors: u64,
    header: &Header,
    first: &[u32],
    findings: &mut Findings,
) -> Result<()> {
    let Some(second) = directory(file, sectors, header, header.redundant, findings)? else {
        return Ok(());
    };
    for (table, pair) in first.iter().zip(&second).enumerate() {
        host::check_interrupt()?;
        let mut read = |sector: u32| -> Result<Vec<u8>> {
            match sector {
                0 => Ok(vec![0; usize::try_from(TABLE_BYTES)?]),
                sector => {
                    Ok(read_at(file, u64::from(sector) * SECTOR, usize::try_from(TABLE_BYTES)?)?)
                }
            }
        };
        if read(*pair.0)? != read(*pair.1)? {
            let found = format!("table {table} differs from its copy");
            findings.add(&REDUNDANT, Place::offset(u64::from(*pair.1) * SECTOR), found);
        }
    }
    Ok(())
}
