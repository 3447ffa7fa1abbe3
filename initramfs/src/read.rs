//! Reading an archive back, for those who want to see what is in an image.

use std::io::{self, Read};

use anyhow::{Context, Result};
use cpio::newc;

/// An entry of an archive that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Absolute path; bytes that are no UTF-8 show as replacement characters.
    pub path: String,
    /// Type and permissions (inode(7)).
    pub mode: u32,
    /// Size in bytes.
    pub bytes: u64,
}

/// Lists the entries of an archive.
///
/// # Errors
/// When it is no newc archive or ends too early.
pub fn read(mut archive: impl Read) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    loop {
        let mut entry = newc::Reader::new(archive).context("reading a cpio entry")?;
        if entry.entry().is_trailer() {
            return Ok(found);
        }
        let (bytes, mode) = (u64::from(entry.entry().file_size()), entry.entry().mode());
        let path = format!("/{}", entry.entry().name());
        let copied = io::copy(&mut entry, &mut io::sink()).context("reading a cpio entry")?;
        anyhow::ensure!(copied == bytes, "reading a cpio entry: {path} ends too early");
        found.push(Found { path, mode, bytes });
        archive = entry.finish().context("reading a cpio entry")?;
    }
}
