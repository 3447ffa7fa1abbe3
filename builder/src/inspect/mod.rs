//! `appliance inspect`: what an image holds and why, and where its bytes go.
//!
//! It reads the directory of a build, or any disk image of ours. The image may be
//! damaged or come from anybody: what cannot be read is told, and nothing that an
//! image says reaches the terminal as it is.

mod configuration;
mod device;
pub(crate) mod ext;
mod fat;
mod listing;
mod report;
mod shares;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use host::refused;
use images::gpt::Table;
use images::{Part, bzimage};
use qemu::DiskFormat;

use crate::disk::fat::{ENTRY, FILES, INITRAMFS, KERNEL};
use crate::manifest::Manifest;
use crate::report::say;
use device::Device;
pub use report::Report;
use report::{DiskReport, FileReport, FilesystemReport, PartitionReport};

/// Why the file system of the site has a file.
const SITE_FILE: &str = "part of the site";
/// The longest boot entry that is read, in bytes.
const ENTRY_MAX: u64 = 64 << 10;

/// Carries out `appliance inspect`.
///
/// # Errors
/// Refused when there is neither a directory of a build nor a disk image.
pub fn command(path: &Path, json: bool) -> Result<ExitCode> {
    let report = inspect(path)?;
    let text = if json { serde_json::to_string_pretty(&report)? } else { text::render(&report) };
    say!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// Reports on the directory of a build, or on a disk image.
///
/// # Errors
/// As [`command`].
pub fn inspect(path: &Path) -> Result<Report> {
    if path.is_dir() { inspect_build(path) } else { inspect_image(path) }
}

fn inspect_build(out: &Path) -> Result<Report> {
    let manifest = Manifest::read(out)?;
    // VHDX is written only.
    let image = manifest.disk().filter(|(_, format)| *format != DiskFormat::Vhdx);
    let image = image.map(|(image, _)| out.join(image));
    let mut report = match image.filter(|image| image.exists()) {
        Some(image) => inspect_image(&image)?,
        None => Report::default(),
    };
    report.name = Some(manifest.name);
    report.target = Some(manifest.target);
    report.vmware = manifest.vmware;
    report.profile = Some(manifest.profile.gives_up(manifest.tailor));
    for file in &mut report.initramfs {
        let known = manifest.initramfs.iter().find(|entry| entry.path == file.path);
        file.why = known.map(|entry| entry.why.clone());
    }
    report.configuration = match fs::read_to_string(out.join("kernel.config")) {
        Ok(text) => Some(configuration::summarise(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).context("reading kernel.config"),
    };
    report.outputs = manifest
        .files
        .into_iter()
        .map(|(path, file)| FileReport { path, bytes: file.bytes, why: Some(file.why) })
        .collect();
    Ok(report)
}

fn inspect_image(path: &Path) -> Result<Report> {
    let (format, mut device) = device::open(path)?;
    let file_bytes = device::bytes_on_disk(path)?;
    let table = Table::read(&mut device)
        .with_context(|| format!("reading the partition table of {}", path.display()))?;
    let Some(table) = table else {
        let found = device::looks_like(&mut device)?;
        return Err(refused(format!("{} is no disk of ours: it holds {found}", path.display()))
            .hint("name a disk image or a directory that `appliance build` has made")
            .into());
    };
    let mut report = Report::default();
    let mut partitions = Vec::new();
    for (number, partition) in (1..).zip(&table.partitions) {
        let part = |device| Part::new(device, partition.range);
        let (_, device) = device::open(path)?;
        let (filesystem, problem) = match read_filesystem(part(device), &mut report) {
            Ok(filesystem) => (filesystem, None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        partitions.push(PartitionReport {
            number,
            name: partition.name.clone(),
            kind: device::partition_kind(partition.kind),
            guid: partition.guid.to_string(),
            start: partition.range.start,
            bytes: partition.range.len,
            filesystem,
            problem,
        });
    }
    report.disk = Some(DiskReport {
        image: path.display().to_string(),
        format: format.to_owned(),
        file_bytes,
        bytes: table.disk_len,
        guid: table.guid.to_string(),
        partitions,
    });
    report.shares = report.disk.as_ref().map(shares::of).unwrap_or_default();
    Ok(report)
}

/// Reads a partition's file system, if it has one that we know; what a boot
/// partition says about kernel and initramfs goes into the report.
fn read_filesystem(
    mut part: Part<Box<dyn Device>>,
    report: &mut Report,
) -> Result<Option<FilesystemReport>> {
    match device::looks_like(&mut part)? {
        device::EXT => ext::read(part).map(Some),
        device::FAT => fat::read(part, report).map(Some),
        _ => Ok(None),
    }
}
