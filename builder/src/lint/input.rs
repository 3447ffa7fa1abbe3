//! What lint reads: files beside each other, as bytes that can be read anywhere.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};

/// A file.
pub trait Input: Read + Seek {}

impl<T: Read + Seek> Input for T {}

/// Files that belong together.
pub trait Package {
    /// Opens a file by its name; none if there is no such file.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn Input + '_>>>;
}

/// The files of a directory.
#[derive(Debug)]
pub(super) struct Directory(pub(super) PathBuf);

impl Package for Directory {
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn Input + '_>>> {
        if !is_inside(name) {
            return Ok(None);
        }
        let path = self.0.join(name);
        // A pipe would be waited for, and a device has no length.
        if !path.is_file() {
            return Ok(None);
        }
        let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Some(Box::new(file)))
    }
}

/// Whether a name stays within the place where it is looked up.
pub(super) fn is_inside(name: &str) -> bool {
    !name.contains(['\0', '\\']) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The length of a file in bytes.
pub(super) fn len(file: &mut dyn Input) -> io::Result<u64> {
    file.seek(SeekFrom::End(0))
}

/// Up to `count` bytes at an offset; fewer where the file ends.
pub(super) fn read_at(file: &mut dyn Input, offset: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere() {
        for name in ["disk.vmdk", "a/b", "..x"] {
            assert!(is_inside(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "\0", "./a", "a//b", "a/./b"] {
            assert!(!is_inside(name), "{name}");
        }
    }
}
