//! The initramfs: a tree of files as a newc archive.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of the
//! kernel; written and read with the crate `cpio`. The archive is a function of
//! the tree: entries in the order of their paths, time 0, owner root. It is not
//! compressed, so that a kernel needs no decompressor and a guest no memory for
//! it. Unsupported: hard links and extended attributes.

mod read;

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context, Result, bail, ensure};
use cpio::newc;

pub use read::{Found, read};

/// The longest path in the archive, with its closing zero (`PATH_MAX`; a longer
/// one is skipped by init/initramfs.c, `do_header`, without a word).
const PATH_MAX: usize = 4096;

/// File type bits of a mode (inode(7)).
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFCHR: u32 = 0o020_000;

/// What an entry of the tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File { mode: u32, content: Vec<u8> },
    CharDevice { major: u32, minor: u32 },
}

/// An entry and the reason for it.
#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    why: String,
}

/// A file tree by paths that begin with a slash.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    entries: BTreeMap<Vec<u8>, Entry>,
}

/// An entry as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Absolute path.
    pub path: String,
    /// Size in bytes; 0 for what is no file.
    pub bytes: u64,
    /// Why it is there.
    pub why: String,
}

impl Tree {
    /// The tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// When the path is taken, not absolute, too long, or has no parent.
    pub fn directory(&mut self, path: impl AsRef<[u8]>, why: &str) -> Result<()> {
        self.add(path.as_ref(), Kind::Directory, why)
    }

    /// Adds a file that is read.
    ///
    /// # Errors
    /// As [`Tree::directory`], and when the content is larger than newc can say.
    pub fn file(&mut self, path: impl AsRef<[u8]>, content: Vec<u8>, why: &str) -> Result<()> {
        self.add(path.as_ref(), Kind::File { mode: 0o644, content }, why)
    }

    /// Adds a file that is executed.
    ///
    /// # Errors
    /// As [`Tree::file`].
    pub fn program(&mut self, path: impl AsRef<[u8]>, content: Vec<u8>, why: &str) -> Result<()> {
        self.add(path.as_ref(), Kind::File { mode: 0o755, content }, why)
    }

    /// Adds `/dev` and `/dev/console`, which the kernel opens for PID 1 before
    /// anything is mounted (init/main.c, `console_on_rootfs`).
    ///
    /// # Errors
    /// When they are there already.
    pub fn console(&mut self) -> Result<()> {
        self.directory("/dev", "where the kernel's devices appear")?;
        let console = Kind::CharDevice { major: 5, minor: 1 };
        self.add(b"/dev/console", console, "the console of PID 1 and the server")
    }

    fn add(&mut self, path: &[u8], kind: Kind, why: &str) -> Result<()> {
        let shown = String::from_utf8_lossy(path).into_owned();
        ensure!(path.starts_with(b"/") && path.len() > 1, "{shown} is no absolute path");
        ensure!(path.len() < PATH_MAX, "{shown} is longer than {PATH_MAX} bytes");
        let bad = |part: &[u8]| part.is_empty() || part == b"." || part == b"..";
        ensure!(!path[1..].split(|byte| *byte == b'/').any(bad), "{shown} is no plain path");
        ensure!(!path.contains(&0), "{shown} holds a zero byte");
        let parent =
            path.iter().rposition(|byte| *byte == b'/').map_or(&path[..0], |at| &path[..at]);
        let parent_kind = self.entries.get(parent).map(|entry| &entry.kind);
        if !parent.is_empty() && parent_kind != Some(&Kind::Directory) {
            bail!("{shown}: its directory is not in the tree");
        }
        if let Kind::File { content, .. } = &kind {
            ensure!(u32::try_from(content.len()).is_ok(), "{shown} is larger than 4 GiB");
        }
        let entry = Entry { kind, why: why.to_owned() };
        ensure!(self.entries.insert(path.to_owned(), entry).is_none(), "{shown} is there twice");
        Ok(())
    }

    /// The entries in the order of the archive.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |(path, entry): (&Vec<u8>, &Entry)| Listed {
            path: String::from_utf8_lossy(path).into_owned(),
            bytes: match &entry.kind {
                Kind::File { content, .. } => content.len() as u64,
                _ => 0,
            },
            why: entry.why.clone(),
        };
        self.entries.iter().map(listed).collect()
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&self, mut output: impl Write) -> Result<()> {
        // The byte `/` sorts after `-` and `.`, but a directory is a prefix of what
        // is in it, and a prefix sorts first: parents come before children.
        for (number, (path, entry)) in (1u32..).zip(&self.entries) {
            write_entry(&mut output, number, path, entry)
                .with_context(|| format!("archiving {}", String::from_utf8_lossy(path)))?;
        }
        newc::trailer(&mut output).context("ending the archive")?;
        Ok(())
    }
}

fn write_entry(output: &mut impl Write, number: u32, path: &[u8], entry: &Entry) -> Result<()> {
    let name = std::str::from_utf8(&path[1..]).context("the path is no UTF-8")?;
    let header = newc::Builder::new(name).ino(number).uid(0).gid(0).mtime(0);
    let nothing: &[u8] = &[];
    let (header, content) = match &entry.kind {
        Kind::Directory => (header.mode(S_IFDIR | 0o755).nlink(2), nothing),
        Kind::File { mode, content } => (header.mode(S_IFREG | mode).nlink(1), &content[..]),
        Kind::CharDevice { major, minor } => {
            let header = header.mode(S_IFCHR | 0o600).nlink(1);
            (header.rdev_major(*major).rdev_minor(*minor), nothing)
        }
    };
    let len = u32::try_from(content.len()).context("a file of 4 GiB or more")?;
    let mut writer = header.write(output, len);
    io::copy(&mut &content[..], &mut writer)?;
    writer.finish()?;
    Ok(())
}
