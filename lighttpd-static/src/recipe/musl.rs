//! The C library: musl, static only.

use anyhow::{Context, Result};
use host::Job;

use super::{Entry, Source, Toolchain, keep, patch, write};

/// How gcc is told to use musl, after musl's `tools/musl-gcc.specs.sh`: static,
/// at a fixed address, and relative to the system root (`%R`).
const SPECS: &str = include_str!("musl.specs");

/// Why this is a patch stands in it.
const JUMP: &str = include_str!("../../patches/musl-kml.patch");

/// Builds musl. Leaves `include/`, `lib/`, `musl.specs` and `COPYRIGHT`.
///
/// # Errors
/// When a command fails; its output is in the job's log.
pub fn musl(source: &Source, entry: Entry, toolchain: &Toolchain, job: &mut Job) -> Result<()> {
    let tree = source.unpack("musl", job)?;
    if entry == Entry::Jump {
        patch(JUMP, &tree, job).context("applying our patch to the C library's system calls")?;
    }
    toolchain
        .command("sh", &tree, job)
        .args(["./configure", "--prefix=/", "--disable-shared", "--disable-wrapper"])
        .arg(format!("CC={}", toolchain.cc()))
        .run()?;
    toolchain.make(&["all"], &tree, job)?;
    toolchain
        .command("make", &tree, job)
        .args(["install-libs", "install-headers"])
        .arg(format!("DESTDIR={}", job.out.display()))
        .run()?;
    write(&job.out.join("musl.specs"), SPECS)?;
    keep(&tree.join("COPYRIGHT"), job, "COPYRIGHT")
}
