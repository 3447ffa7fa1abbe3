//! QEMU's disk image, version 3.
//!
//! Scope: written are images of their own with clusters of 64 KiB, compressed by
//! deflate or as they are; clusters of zeros are not in the file at all. Read are versions 2 and 3.
//! Not supported: backing files, snapshots, encryption, external data files,
//! compression by zstd, extended L2 entries.
//!
//! Specification: QEMU, docs/interop/qcow2.txt.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{LENGTHS, write, write_uncompressed};

/// An image starts with it.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Bit of an L1 or L2 entry: the cluster has one user.
const COPIED: u64 = 1 << 63;
/// Bit of an L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Bit of an L2 entry in version 3: the cluster reads as zeros.
const ZERO: u64 = 1;
/// Bits 9 to 55 of an L1 or L2 entry: where the table or cluster is.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// What the length of compressed data is counted in, in bytes.
const SECTOR: u64 = 512;

/// Where the fields of the header are, and how long the header is.
mod header {
    pub(super) const VERSION: usize = 4;
    pub(super) const BACKING_FILE: usize = 8;
    pub(super) const CLUSTER_BITS: usize = 20;
    pub(super) const SIZE: usize = 24;
    pub(super) const ENCRYPTION: usize = 32;
    pub(super) const L1_ENTRIES: usize = 36;
    pub(super) const L1: usize = 40;
    pub(super) const REFCOUNTS: usize = 48;
    pub(super) const REFCOUNTS_CLUSTERS: usize = 56;
    pub(super) const INCOMPATIBLE: usize = 72;
    pub(super) const REFCOUNT_ORDER: usize = 96;
    pub(super) const LENGTH: usize = 100;
    /// Bytes of the header of version 3.
    pub(super) const BYTES: usize = 104;
}

/// The bits of a compressed cluster's L2 entry that say where its data begins; the
/// ones above count the further sectors that it reaches into.
const fn compressed_offset_bits(cluster_bits: u32) -> u32 {
    62 - (cluster_bits - 8)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Seek, SeekFrom};

    use super::*;

    /// Text, zeros, noise and a short end.
    fn disk() -> Vec<u8> {
        let mut disk: Vec<u8> =
            (0..40_000).flat_map(|n: u32| format!("line {n}\n").into_bytes()).collect();
        disk.resize(1 << 20, 0);
        let mut state = 1u64;
        disk.extend((0..200_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        }));
        disk.resize(3 << 20, 0);
        disk.extend(b"the end");
        disk.resize((3 << 20) + 512, 0);
        disk
    }

    fn image(disk: &[u8]) -> Vec<u8> {
        let mut image = Cursor::new(Vec::new());
        write(&mut &*disk, disk.len() as u64, &mut image).unwrap();
        image.into_inner()
    }

    #[test]
    fn what_was_written_is_read() {
        let disk = disk();
        let image = image(&disk);
        assert!(image.len() < disk.len() / 4, "{} bytes", image.len());
        let mut reader = Reader::new(Cursor::new(&image)).unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == disk);
        let mut end = [0; 7];
        reader.seek(SeekFrom::Start(3 << 20)).unwrap();
        reader.read_exact(&mut end).unwrap();
        assert_eq!(&end, b"the end");
    }

    #[test]
    fn the_same_disk_gives_the_same_image() {
        let disk = disk();
        let first = image(&disk);
        assert!(first == image(&disk));
        let mut other = disk;
        other[1] ^= 1;
        assert!(first != image(&other), "the comparison cannot fail");
    }

    #[test]
    fn a_disk_of_another_length_is_an_error() {
        let disk = disk();
        let len = disk.len() as u64;
        for wrong in [len - 512, len + 512, len + (1 << 20)] {
            assert!(write(&mut disk.as_slice(), wrong, &mut Cursor::new(Vec::new())).is_err());
        }
    }

    #[test]
    fn an_empty_disk_is_an_image() {
        for len in [512, 1 << 30] {
            let mut image = Cursor::new(Vec::new());
            write(&mut std::io::repeat(0).take(len), len, &mut image).unwrap();
            let mut reader = Reader::new(image).unwrap();
            assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), len);
        }
    }

    #[test]
    fn a_damaged_image_gives_an_error_or_other_bytes() {
        let disk = disk();
        let whole = image(&disk);
        let read = |image: &[u8]| -> std::io::Result<()> {
            let reader = Reader::new(Cursor::new(image)).map_err(std::io::Error::other);
            reader?.read_exact(&mut [0; 512])
        };
        for len in [0, 3, 50, 103, 70_000] {
            assert!(read(&whole[..len]).is_err() || len == 70_000, "{len}");
        }
        let mut damaged = whole;
        for at in 0..header::BYTES {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                let _ = read(&damaged);
                damaged[at] ^= 1 << bit;
            }
        }
    }
}
