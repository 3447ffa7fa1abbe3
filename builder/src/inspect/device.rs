//! Disk images as devices, and what the first bytes of a device say.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use host::refused;
use images::gpt::{EFI_SYSTEM, LINUX_DATA};
use images::{Guid, qcow2, vmdk};

/// What an image is read as.
pub(super) trait Device: Read + Seek {}

impl<T: Read + Seek> Device for T {}

/// Opens an image in a format that its first bytes tell; gives the format's name.
///
/// # Errors
/// Refused when there is no such file.
pub(super) fn open(path: &Path) -> Result<(&'static str, Box<dyn Device>)> {
    let mut file = File::open(path).map_err(|error| {
        refused(format!("{} cannot be read: {error}", path.display()))
            .hint("name a disk image or a directory that `appliance build` has made")
    })?;
    let reading = || format!("reading {}", path.display());
    let mut magic = Vec::new();
    file.by_ref().take(qcow2::MAGIC.len() as u64).read_to_end(&mut magic).with_context(reading)?;
    if magic == qcow2::MAGIC {
        return Ok(("qcow2", Box::new(qcow2::Reader::new(file).with_context(reading)?)));
    }
    if magic == vmdk::MAGIC {
        return Ok(("vmdk", Box::new(vmdk::Reader::new(file).with_context(reading)?)));
    }
    Ok(("raw", Box::new(file)))
}

/// The bytes that a file takes on the host, holes apart.
pub(super) fn bytes_on_disk(path: &Path) -> Result<u64> {
    let meta = path.metadata().with_context(|| format!("reading {}", path.display()))?;
    // Always counted in 512 bytes (stat(2)).
    Ok(meta.blocks().saturating_mul(512).min(meta.len()))
}

/// An ext2, ext3 or ext4 file system.
pub(super) const EXT: &str = "an ext file system";
/// A FAT file system of any width.
pub(super) const FAT: &str = "a FAT file system";

/// What the first bytes of well-known contents are: where, which, of what.
const SIGNATURES: [(usize, &[u8], &str); 14] = [
    (0x438, b"\x53\xef", EXT),
    (0x36, b"FAT1", FAT),
    (0x52, b"FAT32", FAT),
    (0x202, b"HdrS", "a kernel (bzImage)"),
    (0, b"\x7fELF", "an ELF file"),
    (0, b"070701", "a cpio archive"),
    (0, b"KDMV", "a VMDK image"),
    (0, b"# Disk DescriptorFile", "a VMDK description"),
    (0, b"conectix", "a VHD image"),
    (0, b"vhdxfile", "a VHDX image"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\xfd7zXZ", "xz data"),
    (0x8001, b"CD001", "an ISO 9660 image"),
    (0x1fe, b"\x55\xaa", "an MBR partition table without GPT"),
];

/// What a device holds, by its first bytes.
///
/// # Errors
/// When it cannot be read.
pub(super) fn looks_like(device: &mut impl Device) -> Result<&'static str> {
    let mut head = Vec::new();
    device.seek(SeekFrom::Start(0))?;
    device.take(0x9000).read_to_end(&mut head).context("reading its beginning")?;
    if head.is_empty() {
        return Ok("nothing");
    }
    let found = SIGNATURES
        .iter()
        .find(|(at, bytes, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)));
    Ok(found.map_or("no partition table and nothing else that we know", |(_, _, what)| what))
}

/// What a partition is for, by its type.
pub(super) fn partition_kind(kind: Guid) -> String {
    match kind {
        EFI_SYSTEM => "EFI system".to_owned(),
        LINUX_DATA => "Linux data".to_owned(),
        other => format!("type {other}"),
    }
}
