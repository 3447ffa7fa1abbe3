//! A list of files as an image gives it, which may be without end.

use anyhow::{Result, ensure};

use super::report::FileReport;

/// The most bytes of paths that are kept: a limit for images that lead in circles.
const PATHS_MAX: usize = 64 << 20;

/// Files that were found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    files: Vec<FileReport>,
    path_bytes: usize,
}

impl Listing {
    /// Adds a file.
    ///
    /// # Errors
    /// When there are more than an honest image has.
    pub(super) fn add(&mut self, path: String, bytes: u64, why: Option<&str>) -> Result<()> {
        self.path_bytes = self.path_bytes.saturating_add(path.len() + 1);
        ensure!(self.path_bytes <= PATHS_MAX, "it has more files than can be listed");
        self.files.push(FileReport { path, bytes, why: why.map(str::to_owned) });
        Ok(())
    }

    /// The files, in the order of paths.
    pub(super) fn sorted(mut self) -> Vec<FileReport> {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.files
    }
}
