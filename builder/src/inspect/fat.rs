//! The boot partition: its files, and what they say about what is started.

use std::io::{self, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use fatfs::{FatType, FileSystem, FsOptions};
use images::Part;

use super::device::Device;
use super::listing::Listing;
use super::report::{FileReport, FilesystemReport};
use super::{ENTRY, ENTRY_MAX, FILES, INITRAMFS, KERNEL, Report, bzimage};

type Disk = ReadOnly<Part<Box<dyn Device>>>;

/// A device that refuses to be written, for a reader that could write.
pub(super) struct ReadOnly<D>(D);

impl<D: Read> Read for ReadOnly<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<D: Seek> Seek for ReadOnly<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl<D> Write for ReadOnly<D> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the file system; kernel, command line and initramfs go into the report.
///
/// # Errors
/// When the file system is damaged.
pub(super) fn read(
    mut part: Part<Box<dyn Device>>,
    report: &mut Report,
) -> Result<FilesystemReport> {
    part.seek(SeekFrom::Start(0))?;
    let fat = FileSystem::new(ReadOnly(part), FsOptions::new().update_accessed_date(false))
        .context("reading the FAT file system")?;
    let files = list(&fat).context("reading the FAT file system")?;
    let has = |name: &str| files.iter().any(|file| file.path == name);
    if has(KERNEL) {
        note(report, KERNEL, kernel(&fat), |report, version| report.kernel = Some(version));
    }
    if has(ENTRY) {
        note(report, ENTRY, command_line(&fat), |report, line| report.command_line = line);
    }
    if has(INITRAMFS) {
        note(report, INITRAMFS, initramfs(&fat), |report, files| report.initramfs = files);
    }
    let stats = fat.stats().context("reading the FAT")?;
    let kind = match fat.fat_type() {
        FatType::Fat12 => "FAT12",
        FatType::Fat16 => "FAT16",
        FatType::Fat32 => "FAT32",
    };
    Ok(FilesystemReport {
        kind: kind.to_owned(),
        id: format!("{:08x}", fat.volume_id()),
        free: u64::from(stats.free_clusters()) * u64::from(stats.cluster_size()),
        files,
    })
}

/// Keeps what was read, or why it could not be.
fn note<T>(report: &mut Report, name: &str, read: Result<T>, keep: impl FnOnce(&mut Report, T)) {
    match read {
        Ok(value) => keep(report, value),
        Err(error) => report.problems.push(format!("{name}: {error:#}")),
    }
}

fn list(fat: &FileSystem<Disk>) -> Result<Vec<FileReport>> {
    let mut listing = Listing::default();
    let mut directories = vec![(String::new(), fat.root_dir())];
    while let Some((within, directory)) = directories.pop() {
        for entry in directory.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let path = format!("{within}{name}");
            if entry.is_dir() {
                let path = format!("{path}/");
                listing.add(path.clone(), 0, None)?;
                directories.push((path, entry.to_dir()));
            } else {
                let known = FILES.iter().find(|(known, _)| path.eq_ignore_ascii_case(known));
                listing.add(path, entry.len(), known.map(|(_, why)| *why))?;
            }
        }
    }
    Ok(listing.sorted())
}

fn kernel(fat: &FileSystem<Disk>) -> Result<String> {
    bzimage::version(&mut fat.root_dir().open_file(KERNEL)?)
}

/// The value of the entry's line `options`.
fn command_line(fat: &FileSystem<Disk>) -> Result<Option<String>> {
    let mut entry = Vec::new();
    fat.root_dir().open_file(ENTRY)?.take(ENTRY_MAX).read_to_end(&mut entry)?;
    let entry = String::from_utf8_lossy(&entry);
    let options = entry.lines().find_map(|line| line.strip_prefix("options "));
    Ok(options.map(|options| options.trim().to_owned()))
}

fn initramfs(fat: &FileSystem<Disk>) -> Result<Vec<FileReport>> {
    let file = fat.root_dir().open_file(INITRAMFS)?;
    let found = initramfs::read(io::BufReader::new(file))?;
    let mut listing = Listing::default();
    for entry in found {
        listing.add(entry.path, entry.bytes, None)?;
    }
    Ok(listing.sorted())
}
