//! Every format, read back by programs that others wrote, gives the disk again.

#![allow(clippy::unwrap_used, reason = "a test")]

mod disk;
mod readers;

use std::fs::{self, File};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use images::{qcow2, raw, vhd, vhdx, vmdk};
use libtest_mimic::{Arguments, Failed, Trial};

use readers::Reader;

/// A format, its writer and its readers.
#[derive(Clone, Copy)]
struct Format {
    /// The name of an image, whose ending some readers go by.
    file: &'static str,
    write: fn(&mut File, u64, &mut File) -> Result<()>,
    readers: &'static [Reader],
}

const FORMATS: [Format; 7] = [
    Format { file: "disk.raw", write: write_raw, readers: &[Reader::Qemu("raw")] },
    Format {
        file: "disk.qcow2",
        write: qcow2::write,
        readers: &[Reader::Qemu("qcow2"), Reader::Dissect("qcow2", "QCow2(file).open()")],
    },
    Format {
        file: "uncompressed.qcow2",
        write: qcow2::write_uncompressed,
        readers: &[Reader::Qemu("qcow2"), Reader::Dissect("qcow2", "QCow2(file).open()")],
    },
    Format {
        file: "disk.vmdk",
        write: |disk, len, image| vmdk::stream::write(disk, len, "disk.vmdk", image).map(drop),
        readers: &[Reader::Qemu("vmdk"), Reader::Libvmdk, Reader::Dissect("vmdk", "VMDK(file)")],
    },
    Format {
        file: "sparse.vmdk",
        write: |disk, len, image| vmdk::sparse::write(disk, len, "sparse.vmdk", image),
        readers: &[Reader::Qemu("vmdk"), Reader::Libvmdk, Reader::Dissect("vmdk", "VMDK(file)")],
    },
    Format {
        file: "disk.vhd",
        write: vhd::write,
        readers: &[Reader::Qemu("vpc"), Reader::Libvhdi, Reader::Dissect("vhd", "VHD(file)")],
    },
    Format {
        file: "disk.vhdx",
        write: vhdx::write,
        readers: &[Reader::Qemu("vhdx"), Reader::Libvhdi, Reader::Dissect("vhdx", "VHDX(file)")],
    },
];

fn write_raw(disk: &mut File, len: u64, image: &mut File) -> Result<()> {
    image.set_len(len)?;
    raw::copy(disk, len, image, 0)
}

impl Format {
    /// Writes a disk into a directory.
    fn image(self, disk: &Path, dir: &Path) -> PathBuf {
        let mut disk = File::open(disk).unwrap();
        let len = disk.metadata().unwrap().len();
        let place = dir.join(self.file);
        let mut image = File::create(&place).unwrap();
        (self.write)(&mut disk, len, &mut image).unwrap();
        place
    }

    /// What is read from the image of each disk is the disk, and not another one.
    fn is_read(self, reader: Reader) {
        let disks = disk::all().into_iter().filter(|disk| reader.takes(disk::len(disk)));
        for disk in disks {
            let dir = tempfile::tempdir().unwrap();
            let image = self.image(disk.path(), dir.path());
            let back = dir.path().join("back");
            reader.read(&image, &back).unwrap();
            assert!(same(disk.path(), &back), "a disk of {} bytes", disk::len(&disk));
            disk.reopen().unwrap().write_all(b"other").unwrap();
            assert!(!same(disk.path(), &back), "the comparison cannot fail");
        }
    }

    /// The image is a function of the disk, with holes or without.
    fn repeats(self) {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let disk = disk::mixed(9 << 20);
        let first = self.image(disk.path(), dirs[0].path());
        let full = disk::without_holes(disk.path());
        let second = self.image(full.path(), dirs[1].path());
        assert!(same(&first, &second));
        full.reopen().unwrap().write_all(b"x").unwrap();
        let third = self.image(full.path(), dirs[2].path());
        assert!(!same(&first, &third), "the comparison cannot fail");
    }
}

fn same(one: &Path, other: &Path) -> bool {
    fs::read(one).unwrap() == fs::read(other).unwrap()
}

fn main() {
    let arguments = Arguments::from_args();
    if !arguments.list {
        readers::prepare();
    }
    let mut trials = Vec::new();
    for format in FORMATS {
        let name = |what: &str| format!("{}::{what}", format.file);
        trials.push(trial(name("repeats"), move || format.repeats()));
        for &reader in format.readers {
            let test = trial(name(reader.name()), move || format.is_read(reader));
            trials.push(test.with_ignored_flag(!reader.is_there()));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: String, test: impl FnOnce() + Send + 'static) -> Trial {
    let run = || catch_unwind(AssertUnwindSafe(test)).map_err(|_| Failed::without_message());
    Trial::test(name, run)
}
