//! The initramfs: a tree of files as a newc archive.
//!
//! The archive is a function of the tree: entries in the order of their paths,
//! time 0, owner root. It is not compressed, so that a kernel needs no
//! decompressor and a guest no memory for it. What the kernel would leave out
//! without a word (init/initramfs.c: a path or a link that is too long, whatever
//! has no directory) is refused here. Unsupported: hard links, block devices and
//! extended attributes.

mod newc;
mod read;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result, ensure};

use newc::Header;
pub use read::{Found, read};

/// The longest path or link target in bytes, with its closing zero byte
/// (include/uapi/linux/limits.h).
const PATH_MAX: usize = 4096;
/// The longest name of a file in bytes (ibidem).
const NAME_MAX: usize = 255;

/// File type bits of a mode (inode(7)).
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFLNK: u32 = 0o120_000;

/// What an entry of the tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File { mode: u32, content: Vec<u8> },
    Link { target: Vec<u8> },
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

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`Tree::directory`].
    pub fn link(&mut self, path: impl AsRef<[u8]>, target: &[u8], why: &str) -> Result<()> {
        self.add(path.as_ref(), Kind::Link { target: target.to_owned() }, why)
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
        let shown = path.escape_ascii();
        check_path(path).with_context(|| format!("archiving {shown}"))?;
        check_kind(&kind).with_context(|| format!("archiving {shown}"))?;
        let parent = path.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
        let parent_kind = self.entries.get(parent).map(|entry| &entry.kind);
        ensure!(
            parent.is_empty() || parent_kind == Some(&Kind::Directory),
            "archiving {shown}: its directory is not in the tree"
        );
        ensure!(!self.entries.contains_key(path), "archiving {shown}: it is there twice");
        self.entries.insert(path.to_owned(), Entry { kind, why: why.to_owned() });
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
                .with_context(|| format!("archiving {}", path.escape_ascii()))?;
        }
        let trailer = Header { links: 1, ..Header::default() };
        trailer.write(newc::TRAILER, &mut output).context("ending the archive")
    }
}

fn check_path(path: &[u8]) -> Result<()> {
    ensure!(path.starts_with(b"/") && path.len() > 1, "it is no absolute path");
    ensure!(path.len() < PATH_MAX, "the path has {} bytes or more", PATH_MAX);
    ensure!(!path.contains(&0), "the path holds a zero byte");
    ensure!(&path[1..] != newc::TRAILER, "this name ends an archive");
    for name in path[1..].split(|byte| *byte == b'/') {
        ensure!(!name.is_empty() && name != b"." && name != b"..", "it is no plain path");
        ensure!(name.len() <= NAME_MAX, "a name has more than {NAME_MAX} bytes");
    }
    Ok(())
}

fn check_kind(kind: &Kind) -> Result<()> {
    match kind {
        Kind::File { content, .. } => {
            ensure!(u32::try_from(content.len()).is_ok(), "the file has 4 GiB or more");
        }
        Kind::Link { target } => {
            let fits = !target.is_empty() && target.len() < PATH_MAX && !target.contains(&0);
            ensure!(fits, "the link's target is empty, too long, or holds a zero byte");
        }
        Kind::Directory | Kind::CharDevice { .. } => {}
    }
    Ok(())
}

fn write_entry(output: &mut impl Write, inode: u32, path: &[u8], entry: &Entry) -> Result<()> {
    let (mode, links, content, device) = match &entry.kind {
        Kind::Directory => (S_IFDIR | 0o755, 2, &[][..], (0, 0)),
        Kind::File { mode, content } => (S_IFREG | mode, 1, &content[..], (0, 0)),
        Kind::Link { target } => (S_IFLNK | 0o777, 1, &target[..], (0, 0)),
        Kind::CharDevice { major, minor } => (S_IFCHR | 0o600, 1, &[][..], (*major, *minor)),
    };
    let bytes = u32::try_from(content.len()).context("a file of 4 GiB or more")?;
    Header { inode, mode, links, bytes, device }.write(&path[1..], output)?;
    output.write_all(content)?;
    output.write_all(newc::padding(content.len()))?;
    Ok(())
}
