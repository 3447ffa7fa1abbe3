//! How fast each format is written here, beside `qemu-img convert`:
//!
//!     cargo run --release -p images --example speed
//!
//! The disks are a hole, zeros that have to be read, and this program itself again
//! and again. Files are in the page cache; the best of three runs counts.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use host::Command;
use images::{qcow2, raw, vhd, vhdx, vmdk};
use tempfile::TempDir;

/// Bytes of each disk.
const LEN: u64 = 512 << 20;
const RUNS: usize = 3;

/// A format: its name, ours, and the arguments of `qemu-img convert`.
type Format = (&'static str, fn(&mut File, &mut File) -> Result<()>, &'static [&'static str]);

const FORMATS: [Format; 7] = [
    ("raw", write_raw, &["-O", "raw"]),
    ("qcow2", |disk, image| qcow2::write(disk, LEN, image), &["-c", "-O", "qcow2"]),
    (
        "qcow2-uncompressed",
        |disk, image| qcow2::write_uncompressed(disk, LEN, image),
        &["-O", "qcow2"],
    ),
    (
        "vmdk",
        |disk, image| vmdk::stream::write(disk, LEN, "disk.vmdk", image).map(drop),
        &["-O", "vmdk", "-o", "subformat=streamOptimized"],
    ),
    (
        "vmdk-sparse",
        |disk, image| vmdk::sparse::write(disk, LEN, "disk.vmdk", image),
        &["-O", "vmdk", "-o", "subformat=monolithicSparse"],
    ),
    (
        "vhd",
        |disk, image| vhd::write(disk, LEN, image),
        &["-O", "vpc", "-o", "subformat=fixed,force_size"],
    ),
    ("vhdx", |disk, image| vhdx::write(disk, LEN, image), &["-O", "vhdx", "-o", "block_size=1M"]),
];

fn write_raw(disk: &mut File, image: &mut File) -> Result<()> {
    image.set_len(LEN)?;
    raw::copy(disk, LEN, image, 0)
}

fn main() -> Result<()> {
    let dir = TempDir::new()?;
    let disks: [fn(&Path) -> Result<()>; 3] = [hole, zeros, data];
    println!("MB/s, ours / qemu-img\n");
    println!("{:20}{:>16}{:>16}{:>16}", "", "hole", "zeros", "data");
    for (name, write, arguments) in FORMATS {
        print!("{name:20}");
        for make in disks {
            let disk = dir.path().join("disk");
            make(&disk)?;
            let image = dir.path().join("image");
            let ours = best(|| {
                let mut source = File::open(&disk)?;
                write(&mut source, &mut File::create(&image)?)
            })?;
            let theirs = best(|| {
                let convert = ["convert", "-f", "raw"];
                let command = Command::new("qemu-img").args(convert).args(arguments);
                command.args([&disk, &image]).run().map(drop)
            })?;
            print!("{:>16}", format!("{} / {}", speed(ours), speed(theirs)));
            std::io::stdout().flush()?;
        }
        println!();
    }
    Ok(())
}

fn hole(disk: &Path) -> Result<()> {
    Ok(File::create(disk)?.set_len(LEN)?)
}

fn zeros(disk: &Path) -> Result<()> {
    fill(disk, &vec![0; 1 << 20])
}

/// A program gets smaller by about as much as what an image holds.
fn data(disk: &Path) -> Result<()> {
    fill(disk, &std::fs::read(std::env::current_exe()?)?)
}

fn fill(disk: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(disk)?;
    let mut left = usize::try_from(LEN)?;
    while left > 0 {
        let count = left.min(bytes.len());
        file.write_all(&bytes[..count])?;
        left -= count;
    }
    file.sync_all().context("writing the disk")
}

fn best(mut run: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.into_iter().min().context("no run")
}

fn speed(time: Duration) -> u128 {
    u128::from(LEN) / time.as_micros().max(1)
}
