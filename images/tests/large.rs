//! Each format takes a disk of 1 TiB that holds 10 MB, in little memory.
//!
//! A process of its own, since the limit of its memory holds for all of it.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use images::{qcow2, raw, vhd, vhdx, vmdk};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const TIB: u64 = 1 << 40;
/// What the process may address: its program, its threads, and what a format needs
/// for a disk of any length.
const ADDRESSES: u64 = 512 << 20;
/// How long all formats may take on a busy host.
const DEADLINE: Duration = Duration::from_secs(60);

type Write1 = fn(&mut File, &mut File) -> Result<()>;

const FORMATS: [(&str, Write1); 7] = [
    ("raw", |disk, image| {
        image.set_len(TIB)?;
        raw::copy(disk, TIB, image, 0)
    }),
    ("qcow2", |disk, image| qcow2::write(disk, TIB, image)),
    ("uncompressed qcow2", |disk, image| qcow2::write_uncompressed(disk, TIB, image)),
    ("VMDK", |disk, image| vmdk::stream::write(disk, TIB, "disk.vmdk", image).map(drop)),
    ("sparse VMDK", |disk, image| vmdk::sparse::write(disk, TIB, "disk.vmdk", image)),
    ("VHD", |disk, image| vhd::write(disk, TIB, image)),
    ("VHDX", |disk, image| vhdx::write(disk, TIB, image)),
];

/// Ten pieces of 1 MB all over the disk.
fn disk() -> File {
    let mut disk = tempfile::tempfile().unwrap();
    disk.set_len(TIB).unwrap();
    for piece in 0..10u8 {
        disk.seek(SeekFrom::Start(TIB / 10 * u64::from(piece) + 12_345)).unwrap();
        disk.write_all(&vec![piece + 1; 1_000_000]).unwrap();
    }
    disk
}

#[test]
fn a_disk_of_1_tib_takes_little_time_and_memory() {
    let limits = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(ADDRESSES), ..limits }).unwrap();
    let too_much = usize::try_from(ADDRESSES).unwrap();
    assert!(Vec::<u8>::new().try_reserve_exact(too_much).is_err(), "there is no limit");
    let mut disk = disk();
    let start = Instant::now();
    for (name, write) in FORMATS {
        disk.rewind().unwrap();
        let mut image = tempfile::tempfile().unwrap();
        let begin = Instant::now();
        write(&mut disk, &mut image).unwrap();
        println!("{name}: {:?}", begin.elapsed());
        assert!(start.elapsed() < DEADLINE, "{name}");
    }
    setrlimit(Resource::As, limits).unwrap();
}
