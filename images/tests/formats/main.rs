//! Every format, read back by programs that others wrote, gives the disk again.

#![allow(clippy::unwrap_used, reason = "a test")]

mod disk;
mod readers;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use images::{qcow2, raw, vmdk};

use readers::{Reader, qemu_img};

/// A format, its writer and its readers.
struct Format {
    /// The name of an image, whose ending some readers go by.
    file: &'static str,
    write: fn(&mut File, u64, &mut File) -> Result<()>,
    /// What `qemu-img` calls it.
    qemu: &'static str,
    readers: &'static [Reader],
}

const FORMATS: [Format; 3] = [
    Format { file: "disk.raw", write: write_raw, qemu: "raw", readers: &[] },
    Format { file: "disk.qcow2", write: qcow2::write, qemu: "qcow2", readers: &[] },
    Format {
        file: "disk.vmdk",
        write: |disk, len, image| vmdk::stream::write(disk, len, "disk.vmdk", image).map(drop),
        qemu: "vmdk",
        readers: &[Reader::Libvmdk],
    },
];

fn write_raw(disk: &mut File, len: u64, image: &mut File) -> Result<()> {
    image.set_len(len)?;
    raw::copy(disk, image, 0)?;
    Ok(())
}

impl Format {
    /// Writes a disk into a directory.
    fn image(&self, disk: &Path, dir: &Path) -> PathBuf {
        let mut disk = File::open(disk).unwrap();
        let len = disk.metadata().unwrap().len();
        let place = dir.join(self.file);
        let mut image = File::create(&place).unwrap();
        (self.write)(&mut disk, len, &mut image).unwrap();
        place
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let bytes = |path| {
        let mut bytes = Vec::new();
        File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    bytes(one) == bytes(other)
}

/// Calls `check` with each disk in each format.
fn each(check: impl Fn(&Format, &Path, &Path)) {
    for disk in disk::all() {
        for format in FORMATS {
            let dir = tempfile::tempdir().unwrap();
            let image = format.image(disk.path(), dir.path());
            check(&format, disk.path(), &image);
        }
    }
}

#[test]
fn qemu_reads_every_format() {
    each(|format, disk, image| {
        let back = image.with_extension("back");
        qemu_img(&["convert", "-f", format.qemu, "-O", "raw"], &[image, &back]).unwrap();
        assert!(same(disk, &back), "{} of {}", format.file, disk.display());
        if format.qemu != "raw" {
            qemu_img(&["check", "-f", format.qemu], &[image]).unwrap();
        }
    });
}

#[test]
fn other_readers_read_every_format() {
    each(|format, disk, image| {
        for reader in format.readers {
            let back = image.with_extension("back");
            reader.read(image, &back).unwrap();
            assert!(same(disk, &back), "{reader:?}: {} of {}", format.file, disk.display());
        }
    });
}

#[test]
fn each_reader_sees_another_disk() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let disk = disk::mixed(3 << 20);
        let image = format.image(disk.path(), dir.path());
        let mut other = disk.reopen().unwrap();
        other.seek(std::io::SeekFrom::Start(5)).unwrap();
        other.write_all(b"other").unwrap();
        let back = image.with_extension("back");
        qemu_img(&["convert", "-f", format.qemu, "-O", "raw"], &[&image, &back]).unwrap();
        assert!(!same(disk.path(), &back), "{}", format.file);
        for reader in format.readers {
            reader.read(&image, &back).unwrap();
            assert!(!same(disk.path(), &back), "{reader:?}: {}", format.file);
        }
    }
}

#[test]
fn the_same_disk_gives_the_same_image_with_holes_or_without() {
    for format in FORMATS {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let disk = disk::mixed(9 << 20);
        let first = format.image(disk.path(), dirs[0].path());
        let full = disk::without_holes(disk.path());
        let second = format.image(full.path(), dirs[1].path());
        assert!(same(&first, &second), "{}", format.file);
        full.reopen().unwrap().write_all(b"x").unwrap();
        let third = format.image(full.path(), dirs[2].path());
        assert!(!same(&first, &third), "{}: the comparison cannot fail", format.file);
    }
}
