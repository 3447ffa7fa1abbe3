//! monolithicSparse: grains as they are, and directory and tables twice. VMware's
//! Workstation and Fusion make and run such disks, and QEMU too.

use std::io::{Seek, SeekFrom, Write};

use anyhow::Result;

use super::{
    Directory, FIRST_DIRECTORY, GRAIN, GRAIN_LEN, GRAIN_SECTORS, HAS_NEWLINES,
    HAS_SECOND_DIRECTORY, Header, SECTOR, description::Description, entry, finish,
};
use crate::content::Content;
use crate::lengths::Lengths;
use crate::source::{Runs, Source};

/// The disks that can be written: their sectors are counted in 32 bits.
pub const LENGTHS: Lengths =
    Lengths { format: "a sparse VMDK", max: u32::MAX as u64 * SECTOR, unit: SECTOR };
/// The first version of the header has all that is used.
const VERSION: u32 = 1;

/// Writes the disk of `disk_len` bytes that `source` gives into `image`, which is
/// empty and whose file is called `name`.
///
/// # Errors
/// As [`stream::write`](super::stream::write).
pub fn write(
    source: &mut impl Source,
    disk_len: u64,
    name: &str,
    image: &mut (impl Write + Seek),
) -> Result<()> {
    LENGTHS.check(disk_len)?;
    let second = Directory::new(FIRST_DIRECTORY, disk_len);
    let first = Directory::new(second.end(), disk_len);
    let overhead = first.end().next_multiple_of(GRAIN_SECTORS);
    let mut position = overhead;
    let mut tables = [first.grains(), second.grains()];
    let mut content = Content::new(disk_len);
    let mut runs = Runs::new(source, disk_len, GRAIN_LEN);
    while let Some(run) = runs.next()? {
        image.seek(SeekFrom::Start(position * SECTOR))?;
        image.write_all(run.bytes)?;
        for (offset, grain) in run.blocks() {
            content.add(offset, grain);
            for table in &mut tables {
                table.set(image, offset / GRAIN, entry(position)?)?;
            }
            position += GRAIN_SECTORS;
        }
    }
    for (directory, mut table) in [first, second].into_iter().zip(tables) {
        table.flush(image)?;
        directory.write(image)?;
    }
    crate::extend(image, position * SECTOR)?;
    let capacity = disk_len / SECTOR;
    let header = Header {
        version: VERSION,
        flags: HAS_NEWLINES | HAS_SECOND_DIRECTORY,
        compression: 0,
        capacity,
        second_directory: second.place,
        directory: first.place,
        overhead,
    };
    let content = content.finish();
    finish(image, &header, &Description { kind: "monolithicSparse", name, capacity, content })
}
