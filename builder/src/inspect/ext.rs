//! The file system of the site.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use ext4_view::{Ext4, Ext4Read, PathBuf};
use host::refused;
use images::Part;
use images::gpt::Table;

use super::SITE_FILE;
use super::device::{self, Device};
use super::listing::Listing;
use super::report::{FileReport, FilesystemReport};

/// Where the superblock is, in bytes, and how much of it we read.
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_LEN: usize = 0x68;
/// Offsets of its fields (Documentation/filesystems/ext4, "Super Block").
const FREE_BLOCKS: usize = 0x0c;
const LOG_BLOCK_SIZE: usize = 0x18;
const COMPATIBLE: usize = 0x5c;
const INCOMPATIBLE: usize = 0x60;
/// Feature bits.
const HAS_JOURNAL: u32 = 0x4;
const EXTENTS: u32 = 0x40;

struct Reader(Part<Box<dyn Device>>);

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start: u64,
        buffer: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.seek(SeekFrom::Start(start))?;
        Ok(self.0.read_exact(buffer)?)
    }
}

/// Reads the file system.
///
/// # Errors
/// When it is damaged.
pub(super) fn read(mut part: Part<Box<dyn Device>>) -> Result<FilesystemReport> {
    let reading = "reading the ext file system";
    let mut superblock = [0; SUPERBLOCK_LEN];
    part.seek(SeekFrom::Start(SUPERBLOCK))?;
    part.read_exact(&mut superblock).context(reading)?;
    let word = |at: usize| {
        superblock[at..at + 4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let kind = if word(INCOMPATIBLE) & EXTENTS != 0 {
        "ext4"
    } else if word(COMPATIBLE) & HAS_JOURNAL != 0 {
        "ext3"
    } else {
        "ext2"
    };
    let block = 1024u64.checked_shl(word(LOG_BLOCK_SIZE)).unwrap_or(0);

    let ext =
        Ext4::load(Box::new(Reader(part))).map_err(|error| anyhow!(error)).context(reading)?;
    let files = list(&ext).context(reading)?;
    Ok(FilesystemReport {
        kind: kind.to_owned(),
        id: ext.uuid().to_string(),
        free: u64::from(word(FREE_BLOCKS)).saturating_mul(block),
        files,
    })
}

/// The file system of the site on a disk image.
///
/// # Errors
/// Refused when the image has none; failed when it is damaged.
pub(crate) fn of_image(image: &Path) -> Result<Ext4> {
    let reading = || format!("reading {}", image.display());
    let (_, mut whole) = device::open(image)?;
    let table = Table::read(&mut whole).with_context(reading)?;
    for partition in table.iter().flat_map(|table| &table.partitions) {
        let (_, whole) = device::open(image)?;
        let mut part = Part::new(whole, partition.range);
        if device::looks_like(&mut part).with_context(reading)? == device::EXT {
            return Ext4::load(Box::new(Reader(part)))
                .map_err(|error| anyhow!(error))
                .with_context(reading);
        }
    }
    Err(refused(format!("{} holds no file system of a site", image.display())).into())
}

fn list(ext: &Ext4) -> Result<Vec<FileReport>> {
    let mut listing = Listing::default();
    let mut directories = vec![PathBuf::new("/")];
    while let Some(directory) = directories.pop() {
        for entry in ext.read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let (path, meta) = (entry.path(), entry.metadata()?);
            let shown = path.display().to_string();
            let shown = shown.trim_start_matches('/');
            if meta.is_dir() {
                let why = (shown == "lost+found").then_some("ext's own, for e2fsck");
                listing.add(format!("{shown}/"), 0, why)?;
                directories.push(path);
            } else {
                let bytes = if meta.is_symlink() { 0 } else { meta.len() };
                listing.add(shown.to_owned(), bytes, Some(SITE_FILE))?;
            }
        }
    }
    Ok(listing.sorted())
}
