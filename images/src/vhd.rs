//! Microsoft's virtual hard disk of fixed length: the disk as it is, in a file with
//! holes, and a footer behind it. Azure takes no other format.
//!
//! Scope: writing. Not supported: disks that grow, and such with a parent.
//!
//! Specification: Microsoft, "Virtual Hard Disk Image Format Specification", 1.0.

use std::io::{Seek, SeekFrom, Write};

use anyhow::Result;

use crate::content::{Content, ContentDigest};
use crate::lengths::Lengths;
use crate::raw;
use crate::set_field;
use crate::source::{Runs, Source};

/// What disks are counted in, in bytes.
const SECTOR: u64 = 512;
/// The disks that can be written. Hyper-V's longest is one of 2040 GiB.
pub const LENGTHS: Lengths = Lengths { format: "VHD", max: 2040 << 30, unit: SECTOR };

/// Where the fields of the footer are; numbers are big-endian.
mod footer {
    pub(super) const COOKIE: usize = 0;
    pub(super) const FEATURES: usize = 8;
    pub(super) const VERSION: usize = 12;
    pub(super) const DATA: usize = 16;
    pub(super) const CREATOR: usize = 28;
    pub(super) const CREATOR_VERSION: usize = 32;
    pub(super) const CREATOR_SYSTEM: usize = 36;
    pub(super) const ORIGINAL_SIZE: usize = 40;
    pub(super) const SIZE: usize = 48;
    pub(super) const GEOMETRY: usize = 56;
    pub(super) const KIND: usize = 60;
    pub(super) const CHECKSUM: usize = 64;
    pub(super) const ID: usize = 68;
    /// Bytes of the footer.
    pub(super) const BYTES: usize = 512;
}

/// No feature; the bit is always set.
const FEATURES: u32 = 2;
const VERSION: u32 = 0x0001_0000;
/// Nothing but the disk is in the file.
const NO_DATA: u64 = u64::MAX;
/// Windows: a reader that knows other creators takes the length from the geometry
/// for those, which rounds it down (QEMU, block/vpc.c).
const CREATOR: &[u8; 4] = b"win ";
const CREATOR_VERSION: u32 = 0x000a_0000;
const CREATOR_SYSTEM: &[u8; 4] = b"Wi2k";
/// A disk of fixed length.
const FIXED: u32 = 2;

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
    let mut content = Content::new(disk_len);
    let mut runs = Runs::new(source, disk_len, raw::BLOCK);
    while let Some(run) = runs.next()? {
        run.blocks().for_each(|(offset, block)| content.add(offset, block));
        image.seek(SeekFrom::Start(run.offset))?;
        image.write_all(run.within(disk_len))?;
    }
    image.seek(SeekFrom::Start(disk_len))?;
    image.write_all(&footer(disk_len, content.finish()))?;
    Ok(())
}

fn footer(disk_len: u64, content: ContentDigest) -> [u8; footer::BYTES] {
    let mut bytes = [0; footer::BYTES];
    let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
    set(footer::COOKIE, b"conectix");
    set(footer::FEATURES, &FEATURES.to_be_bytes());
    set(footer::VERSION, &VERSION.to_be_bytes());
    set(footer::DATA, &NO_DATA.to_be_bytes());
    set(footer::CREATOR, CREATOR);
    set(footer::CREATOR_VERSION, &CREATOR_VERSION.to_be_bytes());
    set(footer::CREATOR_SYSTEM, CREATOR_SYSTEM);
    set(footer::ORIGINAL_SIZE, &disk_len.to_be_bytes());
    set(footer::SIZE, &disk_len.to_be_bytes());
    set(footer::GEOMETRY, &geometry(disk_len / SECTOR));
    set(footer::KIND, &FIXED.to_be_bytes());
    set(footer::ID, &content.guid("disk").bytes());
    let sum: u32 = bytes.iter().copied().map(u32::from).sum();
    set_field(&mut bytes, footer::CHECKSUM, &(!sum).to_be_bytes());
    bytes
}

/// Cylinders, heads and sectors of a track, for who still asks a BIOS for them: the
/// calculation of the specification's appendix, which rounds down.
fn geometry(sectors: u64) -> [u8; 4] {
    const CYLINDERS: u64 = 65_535;
    let sectors = sectors.min(CYLINDERS * 16 * 255);
    let (track, heads) = if sectors >= CYLINDERS * 16 * 63 {
        (255, 16)
    } else {
        let heads = (sectors / 17).div_ceil(1024).max(4);
        let tracks = |track: u64| sectors / track;
        if heads <= 16 && tracks(17) < heads * 1024 {
            (17, heads)
        } else if tracks(31) < 16 * 1024 {
            (31, 16)
        } else {
            (63, 16)
        }
    };
    let cylinders = u16::try_from(sectors / track / heads).unwrap_or(u16::MAX).to_be_bytes();
    let byte = |number| u8::try_from(number).unwrap_or(u8::MAX);
    [cylinders[0], cylinders[1], byte(heads), byte(track)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What other tools compute for these lengths (QEMU, `calculate_geometry`).
    #[test]
    fn the_geometry_is_that_of_the_specification() {
        let chs = |sectors| {
            let [high, low, heads, track] = geometry(sectors);
            (u16::from_be_bytes([high, low]), heads, track)
        };
        assert_eq!(chs(2048), (30, 4, 17));
        assert_eq!(chs(130 * 2048), (978, 16, 17));
        assert_eq!(chs(400_000), (806, 16, 31));
        assert_eq!(chs(1 << 24), (16_644, 16, 63));
        assert_eq!(chs(1 << 32), (65_535, 16, 255));
    }
}
