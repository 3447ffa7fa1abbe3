//! Disks to be written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::NamedTempFile;

const MIB: u64 = 1 << 20;

/// Disks of every kind: usual and odd lengths, nothing but zeros, nothing but noise.
pub(crate) fn all() -> Vec<NamedTempFile> {
    vec![
        mixed(MIB),
        mixed(130 * MIB),
        // Tails within a block of any format, and within a page.
        mixed(3 * MIB + (64 << 10) + 512),
        mixed(40 * MIB - 512),
        zeros(512),
        zeros(40 * MIB),
        noise(5 * MIB + 1024),
    ]
}

pub(crate) fn len(disk: &NamedTempFile) -> u64 {
    disk.as_file().metadata().unwrap().len()
}

/// Nothing but a hole.
fn zeros(len: u64) -> NamedTempFile {
    let disk = NamedTempFile::new().unwrap();
    disk.as_file().set_len(len).unwrap();
    disk
}

/// Bytes that do not get smaller.
fn noise(len: u64) -> NamedTempFile {
    let mut disk = NamedTempFile::new().unwrap();
    disk.write_all(&random(len)).unwrap();
    disk
}

fn random(len: u64) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

/// Text, noise, zeros and holes; the last byte of the disk counts.
pub(crate) fn mixed(len: u64) -> NamedTempFile {
    let mut disk = zeros(len);
    let text: String = (0..30_000).map(|line| format!("line {line}\n")).collect();
    let places = [(0, text.as_bytes().to_vec()), (len / 2 + 700, random(MIB / 8))];
    for (place, bytes) in places {
        disk.seek(SeekFrom::Start(place)).unwrap();
        disk.write_all(&bytes).unwrap();
    }
    disk.seek(SeekFrom::Start(len - 1)).unwrap();
    disk.write_all(b"!").unwrap();
    disk.flush().unwrap();
    disk
}

/// The same disk with zeros written out.
pub(crate) fn without_holes(disk: &Path) -> NamedTempFile {
    let mut bytes = Vec::new();
    File::open(disk).unwrap().read_to_end(&mut bytes).unwrap();
    let mut full = NamedTempFile::new().unwrap();
    full.write_all(&bytes).unwrap();
    full
}
