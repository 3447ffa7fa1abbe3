//! How the static server is built: the C library, the libraries that its modules
//! need, then the server itself. Each is a step of its own that takes sources and
//! the results of the steps before as plain paths and leaves its results in
//! `job.out`.

mod library;
mod musl;
mod server;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, Job};

pub use library::{Library, library};
pub use musl::musl;
pub use server::{Parts, server};
pub use toolchain::Toolchain;

/// The longest that unpacking or patching takes.
const UNPACK_DEADLINE: Duration = Duration::from_secs(120);

/// How the C library calls the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// By the instruction `syscall`.
    Syscall,
    /// By a jump, where the kernel runs the program in ring 0; else by `syscall`.
    Jump,
}

/// A source: the upstream tarball and Debian's patches to it, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The tarball, in any packing that tar knows.
    pub tarball: &'a Path,
    /// Patches for `patch -p1`.
    pub patches: &'a [PathBuf],
}

impl Source<'_> {
    /// Unpacks and patches into a new directory of the job's scratch. Patches
    /// must fit exactly: one that needs guessing is for another version.
    fn unpack(&self, name: &str, job: &Job) -> Result<PathBuf> {
        let dir = job.scratch.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        Command::new("tar")
            .args(["--extract", "--strip-components=1", "--no-same-owner", "--file"])
            .arg(self.tarball)
            .arg("--directory")
            .arg(&dir)
            .log(&job.log)
            .deadline(UNPACK_DEADLINE)
            .run()
            .with_context(|| format!("unpacking {}", self.tarball.display()))?;
        for patch in self.patches {
            Command::new("patch")
                .args(["--strip=1", "--fuzz=0", "--batch", "--forward", "--input"])
                .arg(patch)
                .current_dir(&dir)
                .log(&job.log)
                .deadline(UNPACK_DEADLINE)
                .run()
                .with_context(|| format!("applying {}", patch.display()))?;
        }
        Ok(dir)
    }
}

/// Applies a patch of ours.
fn patch(text: &str, tree: &Path, job: &Job) -> Result<()> {
    Command::new("patch")
        .args(["--strip=1", "--fuzz=0", "--batch", "--forward"])
        .input(text)
        .current_dir(tree)
        .log(&job.log)
        .deadline(UNPACK_DEADLINE)
        .run()?;
    Ok(())
}

/// Copies a result to its place in `job.out`.
fn keep(file: &Path, job: &Job, place: &str) -> Result<()> {
    let to = job.out.join(place);
    let copy = || -> std::io::Result<()> {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(file, &to).map(|_| ())
    };
    copy().with_context(|| format!("copying {} to {}", file.display(), to.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
