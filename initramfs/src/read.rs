//! Reading an archive back, for those who want to see what is in an image.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use crate::newc::{self, Header};
use crate::{Entry, Kind, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Tree};

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

impl Tree {
    /// The tree of an archive; owners, times and permissions other than those that
    /// a tree knows are lost.
    ///
    /// # Errors
    /// As [`read`], and when an entry is of a kind that no tree has.
    pub fn read(mut archive: impl Read) -> Result<Self> {
        let mut tree = Self::new();
        loop {
            let (header, name) = Header::read(&mut archive).context("reading a cpio entry")?;
            if name == newc::TRAILER {
                return Ok(tree);
            }
            let path = [b"/", name.as_slice()].concat();
            let shown = || format!("reading the cpio entry {}", path.escape_ascii());
            let content = newc::content(&mut archive, header.bytes).with_context(shown)?;
            let kind = match header.mode & S_IFMT {
                S_IFDIR => Kind::Directory,
                S_IFREG => Kind::File { mode: header.mode & !S_IFMT, content },
                S_IFLNK => Kind::Link { target: content },
                S_IFCHR => Kind::CharDevice { major: header.device.0, minor: header.device.1 },
                other => bail!("{}: the type {other:o}", shown()),
            };
            tree.add(&path, kind, "of another archive")?;
        }
    }

    /// Gives an entry that is no directory another path.
    ///
    /// # Errors
    /// When it is not there or is a directory; as [`Tree::directory`].
    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let entry = self.entries.get(from.as_bytes());
        let Entry { kind, why } =
            entry.with_context(|| format!("the archive holds no {from}"))?.clone();
        ensure!(kind != Kind::Directory, "{from} is a directory");
        self.add(to.as_bytes(), kind, &why)?;
        self.entries.remove(from.as_bytes());
        Ok(())
    }

    /// The content of a file.
    pub fn content(&self, path: impl AsRef<[u8]>) -> Option<&[u8]> {
        match &self.entries.get(path.as_ref())?.kind {
            Kind::File { content, .. } => Some(content),
            _ => None,
        }
    }
}
