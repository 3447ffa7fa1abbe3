//! Where one step of a build works, logs and reports.

use std::path::PathBuf;

/// The room and the ear that a step is given by whoever runs it.
pub struct Job<'a> {
    /// The complete output of every command of the step.
    pub log: PathBuf,
    /// An empty directory that is deleted after the step.
    pub scratch: PathBuf,
    /// The directory for the step's results; it appears in the cache only after
    /// the step has succeeded.
    pub out: PathBuf,
    /// Called with units done and, where known, units in all.
    pub progress: &'a mut dyn FnMut(u64, Option<u64>),
}
