//! Reading an archive back, for those who want to see what is in an image.

use std::io::Read;

use anyhow::{Context, Result};

use crate::newc::{self, Header};

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
    let mut found: Vec<Found> = Vec::new();
    loop {
        let place = || match found.last() {
            Some(last) => format!("reading the cpio entry after {}", last.path),
            None => "reading the first cpio entry".to_owned(),
        };
        let (header, name) = Header::read(&mut archive).with_context(place)?;
        if name == newc::TRAILER {
            return Ok(found);
        }
        newc::skip_content(&mut archive, header.bytes).with_context(place)?;
        let path = format!("/{}", String::from_utf8_lossy(&name));
        found.push(Found { path, mode: header.mode, bytes: header.bytes.into() });
    }
}
