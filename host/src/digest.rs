//! SHA-256 of bytes, files and file trees.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digest of a byte string.
pub fn digest_bytes(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The digest of a file's content, read in pieces.
///
/// # Errors
/// When the file cannot be read; the error names it.
pub fn digest_file(path: &Path) -> Result<Digest> {
    let digest = File::open(path).and_then(digest_stream);
    digest.with_context(|| format!("reading {}", path.display()))
}

/// The digest of everything that a stream holds, read in pieces.
///
/// # Errors
/// When the stream cannot be read.
pub fn digest_stream(mut stream: impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(Digest(hash.finalize().into())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// The digest of a tree: names, kinds, executable bits, link targets and
/// contents, in the order of names. Times and owners do not count.
///
/// # Errors
/// When something below `root` cannot be read.
pub fn digest_tree(root: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    add_entry(root, &mut hash)?;
    Ok(Digest(hash.finalize().into()))
}

fn add_entry(path: &Path, hash: &mut Sha256) -> io::Result<()> {
    let meta = path.symlink_metadata()?;
    if meta.is_dir() {
        let mut entries = path.read_dir()?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        hash.update(b"d");
        hash.update(entries.len().to_le_bytes());
        for entry in entries {
            add_name(entry.file_name().as_bytes(), hash);
            add_entry(&entry.path(), hash)?;
        }
    } else if meta.is_symlink() {
        hash.update(b"l");
        add_name(path.read_link()?.as_os_str().as_bytes(), hash);
    } else {
        hash.update(if meta.permissions().mode() & 0o111 == 0 { b"f" } else { b"x" });
        hash.update(digest_stream(File::open(path)?)?.0);
    }
    Ok(())
}

/// The length goes in front, so that no two lists of names look the same.
fn add_name(name: &[u8], hash: &mut Sha256) {
    hash.update(name.len().to_le_bytes());
    hash.update(name);
}
