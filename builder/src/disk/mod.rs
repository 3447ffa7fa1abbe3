//! The disk: GPT, a boot partition that starts by BIOS and by UEFI, and the file
//! system with the site.
//!
//! Here the host's tools are put to work; the layouts that we write ourselves are
//! in the crate `images`. A disk is a function of what it is made of: the same
//! inputs give the same bytes anywhere, for anybody, at any time.

mod ext3;
pub(crate) mod fat;
pub mod site;
#[cfg(test)]
pub(crate) mod tests;
mod usage;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Command, Digest, Job, Staged, digest_bytes, explain_io, failed, refused};
use images::gpt::{EFI_SYSTEM, LEGACY_BIOS_BOOTABLE, LINUX_DATA, NewPartition, Table};
use images::{Guid, qcow2, raw, vhd, vhdx, vmdk};
use qemu::DiskFormat;

pub use ext3::Volume;
pub use fat::Boot;

/// The time of everything on a disk, in seconds since 1970: the start of 2026.
pub(crate) const TIME: u32 = 1_767_225_600;
/// Where the first partition is, in bytes.
const FIRST_PARTITION: u64 = 1 << 20;

/// A format of disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// QEMU's own, compressed
    Qcow2,
    /// QEMU's own, as it is
    Qcow2Uncompressed,
    /// VMware's, compressed (streamOptimized), as packages hold it
    Vmdk,
    /// VMware's, as it is (monolithicSparse), for Workstation and Fusion
    VmdkSparse,
    /// Of fixed length, for Azure and Hyper-V
    Vhd,
    /// Hyper-V's own
    Vhdx,
    /// The disk byte for byte, with holes
    Raw,
}

impl Format {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Qcow2Uncompressed => "qcow2-uncompressed",
            Self::Vmdk => "vmdk",
            Self::VmdkSparse => "vmdk-sparse",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Raw => "raw",
        }
    }

    /// The name of the image in an output directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Qcow2 => "disk.qcow2",
            Self::Qcow2Uncompressed => "disk-uncompressed.qcow2",
            Self::Vmdk => "disk.vmdk",
            Self::VmdkSparse => "disk-sparse.vmdk",
            Self::Vhd => "disk.vhd",
            Self::Vhdx => "disk.vhdx",
            Self::Raw => "disk.raw",
        }
    }

    /// What QEMU reads it as.
    pub fn in_qemu(self) -> DiskFormat {
        match self {
            Self::Qcow2 | Self::Qcow2Uncompressed => DiskFormat::Qcow2,
            Self::Vmdk | Self::VmdkSparse => DiskFormat::Vmdk,
            Self::Vhd => DiskFormat::Vhd,
            Self::Vhdx => DiskFormat::Vhdx,
            Self::Raw => DiskFormat::Raw,
        }
    }

    /// Whether a disk of so many bytes can be written.
    ///
    /// # Errors
    /// Refused when the format has no room for it.
    pub fn check(self, disk_len: u64) -> Result<()> {
        let lengths = match self {
            Self::Qcow2 | Self::Qcow2Uncompressed => qcow2::LENGTHS,
            Self::Vmdk => vmdk::stream::LENGTHS,
            Self::VmdkSparse => vmdk::sparse::LENGTHS,
            Self::Vhd => vhd::LENGTHS,
            Self::Vhdx => vhdx::LENGTHS,
            Self::Raw => return Ok(()),
        };
        lengths.check(disk_len).map_err(|unfit| {
            refused(unfit.to_string())
                .hint("choose another --format, or a smaller `disk.size` in appliance.toml")
                .into()
        })
    }
}

/// The names of a disk and its parts, all derived from one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guids {
    /// Of the disk.
    pub disk: Guid,
    /// Of the boot partition.
    pub boot: Guid,
    /// Of the site's partition.
    pub site: Guid,
    /// Of the site's file system: its UUID.
    pub filesystem: Guid,
}

impl Guids {
    /// The names for a seed.
    pub fn derive(seed: Digest) -> Self {
        let derive = |role: &str| {
            let Digest(bytes) = digest_bytes(format!("{seed} {role}").as_bytes());
            Guid::from_digest(std::array::from_fn(|at| bytes[at]))
        };
        Self {
            disk: derive("disk"),
            boot: derive("boot partition"),
            site: derive("site partition"),
            filesystem: derive("site file system"),
        }
    }
}

/// What a disk is made of.
#[derive(Clone, Copy, Debug)]
pub struct Disk<'a> {
    /// What the boot partition holds.
    pub boot: Boot<'a>,
    /// The file system of the site; none if the initramfs holds it.
    pub volume: Option<Volume<'a>>,
    /// The names of disk, partitions and file system.
    pub guids: Guids,
}

impl Disk<'_> {
    /// Makes the disk as the sparse file `disk.raw` in the job's output directory;
    /// gives its path.
    ///
    /// # Errors
    /// Refused when something does not fit; otherwise when a tool fails, or finds
    /// something wrong with what was made.
    pub fn make(&self, job: &Job<'_>) -> Result<PathBuf> {
        let boot = fat::make(self.boot, self.guids.boot, FIRST_PARTITION, job)
            .context("making the boot partition")?;
        let mut parts = vec![(boot, EFI_SYSTEM, self.guids.boot, LEGACY_BIOS_BOOTABLE, "boot")];
        if let Some(volume) = self.volume {
            let site = ext3::make(volume, self.guids.filesystem, job)
                .context("making the file system of the site")?;
            parts.push((site, LINUX_DATA, self.guids.site, 0, "site"));
        }
        let mut partitions = Vec::new();
        for &(ref image, kind, guid, attributes, name) in &parts {
            let len = image.metadata().context("reading a partition")?.len();
            partitions.push(NewPartition { kind, guid, len, attributes, name });
        }
        let table = Table::lay_out(self.guids.disk, &partitions)?;
        let place = job.out.join(Format::Raw.file_name());
        let images = parts.iter().map(|(image, ..)| image.as_path());
        join(&table, images, &place)?;
        check(&place, job)?;
        Ok(place)
    }
}

/// Writes the table and the partitions' images to the places that it gives them.
fn join<'a>(table: &Table, images: impl Iterator<Item = &'a Path>, place: &Path) -> Result<()> {
    let boot_code =
        fs::read(fat::BOOT_CODE).with_context(|| format!("reading {}", fat::BOOT_CODE))?;
    let mut disk = File::create(place).map_err(|error| explain_io(error, place))?;
    disk.set_len(table.disk_len).map_err(|error| explain_io(error, place))?;
    for (image, partition) in images.zip(&table.partitions) {
        let mut source =
            File::open(image).with_context(|| format!("reading {}", image.display()))?;
        let len = source.metadata().context("reading a partition")?.len();
        raw::copy(&mut source, len, &mut disk, partition.range.start)
            .map_err(|error| explain(error, place))?;
    }
    table.write(&boot_code, &mut disk).map_err(|error| explain(error, place))
}

/// sgdisk ends with 0 whatever it finds, so what it says counts.
fn check(disk: &Path, job: &Job<'_>) -> Result<()> {
    let said = Command::new("sgdisk").arg("-v").arg(disk).log(&job.log).run()?;
    let said = String::from_utf8_lossy(&said);
    if said.contains("No problems found") {
        return Ok(());
    }
    Err(failed(format!("sgdisk finds in the partition table: {}", said.trim())).into())
}

/// Writes a raw disk in a format to its place.
///
/// # Errors
/// Refused when the format has no room for the disk; otherwise when the disk cannot
/// be read or the image not be written.
pub fn write(disk: &Path, format: Format, place: &Path) -> Result<()> {
    let reading = || format!("reading {}", disk.display());
    let mut source = File::open(disk).with_context(reading)?;
    let len = source.metadata().with_context(reading)?.len();
    format.check(len)?;
    let mut staged = Staged::new(place)?;
    let image = staged.file();
    let name = place.file_name().and_then(OsStr::to_str).unwrap_or(format.file_name());
    match format {
        Format::Qcow2 => qcow2::write(&mut source, len, image),
        Format::Qcow2Uncompressed => qcow2::write_uncompressed(&mut source, len, image),
        Format::Vmdk => vmdk::stream::write(&mut source, len, name, image).map(drop),
        Format::VmdkSparse => vmdk::sparse::write(&mut source, len, name, image),
        Format::Vhd => vhd::write(&mut source, len, image),
        Format::Vhdx => vhdx::write(&mut source, len, image),
        Format::Raw => image
            .set_len(len)
            .map_err(Into::into)
            .and_then(|()| raw::copy(&mut source, len, image, 0)),
    }
    .map_err(|error| explain(error, place))?;
    staged.commit()
}

/// [`explain_io`] of an error that may be another.
pub(crate) fn explain(error: anyhow::Error, place: &Path) -> anyhow::Error {
    match error.downcast::<io::Error>() {
        Ok(error) => explain_io(error, place),
        Err(error) => error.context(format!("writing {}", place.display())),
    }
}
