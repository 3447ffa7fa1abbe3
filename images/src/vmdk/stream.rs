//! streamOptimized: grains are compressed and follow each other without gaps. It
//! is what OVF packages hold, and what can be read while it arrives.
//!
//! Written is the layout of VMware's open-vmdk: directory and tables before the
//! grains, one of each, no footer. QEMU's has them behind, in two.

use std::io::{Seek, SeekFrom, Write};

use anyhow::{Context, Result};

use super::{
    COMPRESSED, DEFLATE, Directory, FIRST_DIRECTORY, GRAIN, GRAIN_LEN, HAS_MARKERS, HAS_NEWLINES,
    Header, SECTOR, SECTOR_LEN, description::Description, entry, finish,
};
use crate::content::Content;
use crate::deflate::Deflate;
use crate::lengths::Lengths;
use crate::source::{Run, Runs, Source};
use crate::table::Table;

/// The disks that can be written. VMware's longest is one of 62 TiB.
pub const LENGTHS: Lengths = Lengths { format: "VMDK", max: 62 << 40, unit: SECTOR };
/// The version of the header since grains have markers.
const VERSION: u32 = 3;
/// Grains that do not get smaller become a little larger.
const COMPRESSED_MAX: usize = GRAIN_LEN + 1024;
/// zlib's usual window.
const WINDOW_BITS: u8 = 15;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the image.
    pub image_len: u64,
    /// Bytes of the disk that the image holds, the rest of which is zeros: what OVF
    /// calls the populated size.
    pub populated: u64,
}

/// Writes the disk of `disk_len` bytes that `source` gives into `image`, which is
/// empty and whose file is called `name`.
///
/// # Errors
/// [`Unfit`](crate::Unfit) when the format has no room for the disk; otherwise when
/// the disk is shorter or longer than said, or something cannot be read or written.
pub fn write(
    source: &mut impl Source,
    disk_len: u64,
    name: &str,
    image: &mut (impl Write + Seek),
) -> Result<Written> {
    LENGTHS.check(disk_len)?;
    let directory = Directory::new(FIRST_DIRECTORY, disk_len);
    let mut writer = Writer {
        image,
        disk_len,
        position: directory.end(),
        grains: directory.grains(),
        populated: 0,
        content: Content::new(disk_len),
        deflate: Deflate::new(true, WINDOW_BITS),
    };
    let mut runs = Runs::new(source, disk_len, GRAIN_LEN);
    while let Some(run) = runs.next()? {
        writer.add(&run)?;
    }
    let Writer { image, position, mut grains, populated, content, .. } = writer;
    // The marker of the end is a sector of zeros.
    image.seek(SeekFrom::Start(position * SECTOR))?;
    image.write_all(&[0; SECTOR_LEN])?;
    grains.flush(image)?;
    directory.write(image)?;
    let capacity = disk_len / SECTOR;
    let header = Header {
        version: VERSION,
        flags: HAS_NEWLINES | COMPRESSED | HAS_MARKERS,
        compression: DEFLATE,
        capacity,
        second_directory: 0,
        directory: directory.place,
        overhead: directory.end(),
    };
    let content = content.finish();
    finish(image, &header, &Description { kind: "streamOptimized", name, capacity, content })?;
    Ok(Written { image_len: (position + 1) * SECTOR, populated })
}

struct Writer<'a, W> {
    image: &'a mut W,
    disk_len: u64,
    /// The sector of the next grain.
    position: u64,
    grains: Table,
    populated: u64,
    content: Content,
    deflate: Deflate,
}

impl<W: Write + Seek> Writer<'_, W> {
    /// Adds grains.
    fn add(&mut self, run: &Run<'_>) -> Result<()> {
        // A grain ends with the disk.
        let bytes = run.within(self.disk_len);
        let compressed = self.deflate.pieces(bytes, GRAIN_LEN, COMPRESSED_MAX)?;
        let offsets = (run.offset..).step_by(GRAIN_LEN);
        let mut data = Vec::new();
        for ((offset, grain), compressed) in offsets.zip(bytes.chunks(GRAIN_LEN)).zip(compressed) {
            self.content.add(offset, grain);
            self.populated += grain.len() as u64;
            let place = self.position + data.len() as u64 / SECTOR;
            self.grains.set(self.image, offset / GRAIN, entry(place)?)?;
            let compressed = compressed.context("a grain grew by more than deflate can")?;
            data.extend((offset / SECTOR).to_le_bytes());
            data.extend(u32::try_from(compressed.len())?.to_le_bytes());
            data.extend(compressed);
            data.resize(data.len().next_multiple_of(SECTOR_LEN), 0);
        }
        self.image.seek(SeekFrom::Start(self.position * SECTOR))?;
        self.image.write_all(&data)?;
        self.position += data.len() as u64 / SECTOR;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::field;

    /// The places of VMware's open-vmdk for a disk of 128 MiB.
    #[test]
    fn the_layout_is_that_of_open_vmdk() {
        let mut disk = vec![0; 128 << 20];
        disk[70_000] = 1;
        let mut image = Cursor::new(Vec::new());
        let written = write(&mut disk.as_slice(), 128 << 20, "d.vmdk", &mut image).unwrap();
        let image = image.into_inner();
        assert_eq!(written, Written { image_len: image.len() as u64, populated: 65_536 });
        let word = |at| u32::from_le_bytes(field(&image, at));
        let long = |at| u64::from_le_bytes(field(&image, at));
        assert_eq!((word(4), word(8), long(48), long(56), long(64)), (3, 0x30001, 0, 21, 38));
        // The tables are at 22, 26, 30 and 34; the disk's second grain is the first.
        let directory = [0, 1, 2, 3].map(|entry| word(21 * 512 + 4 * entry));
        assert_eq!(directory, [22, 26, 30, 34]);
        assert_eq!([0, 1, 2].map(|entry| word(22 * 512 + 4 * entry)), [0, 38, 0]);
        assert_eq!(long(38 * 512), 128);
        assert!(image[image.len() - 512..].iter().all(|byte| *byte == 0));
        let description = String::from_utf8(image[512..21 * 512].to_vec()).unwrap();
        for line in ["createType=\"streamOptimized\"", "RW 262144 SPARSE \"d.vmdk\""] {
            assert!(description.lines().any(|found| found == line), "{description}");
        }
    }
}
