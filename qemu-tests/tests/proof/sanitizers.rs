//! The patched kernel under KASAN, which watches memory, and lockdep, which watches
//! locks: the same calls, the same suites, and an image that serves, without a report of
//! either.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use kernel::Tailor;

use crate::guest::{Fuzz, Order};
use crate::kernels::image;
use crate::serve::serve;
use crate::suites;

/// What is on beside the usual. Frames are walked by pointer, which KASAN's record of
/// stacks wants.
const KASAN: &[(&str, bool)] = &[
    ("DEBUG_KERNEL", true),
    ("KALLSYMS", true),
    ("UNWINDER_GUESS", false),
    ("UNWINDER_FRAME_POINTER", true),
    ("STACKTRACE", true),
    ("KASAN", true),
    ("KASAN_VMALLOC", true),
    ("DEBUG_ATOMIC_SLEEP", true),
    ("DEBUG_LIST", true),
    ("SLUB_DEBUG", true),
];
/// With it the short way into the kernel is not offered.
const LOCKDEP: &[(&str, bool)] = &[("PROVE_LOCKING", true), ("TAILOR_ENTRY", false)];
/// Memory in MiB: KASAN takes an eighth for itself, and keeps what was freed.
const MEMORY: u32 = 512;

/// With both, and what the suites call.
fn out() -> Result<PathBuf> {
    image("sanitized", Tailor::ALL, &[KASAN, LOCKDEP, suites::OPTIONS].concat())
}

pub(crate) fn fuzz() -> Result<()> {
    calls(&out()?)
}

/// KASAN alone, with every option of the patches.
pub(crate) fn fuzz_entry() -> Result<()> {
    calls(&image("kasan", Tailor::ALL, KASAN)?)
}

pub(crate) fn suites() -> Result<()> {
    let kernel = out()?.join("vmlinux");
    let all = [suites::PJDFSTEST, suites::KSELFTEST, suites::STRESS_NG, suites::FIO];
    all.iter().try_for_each(|suite| suites::run_watched(suite, &kernel))
}

fn calls(out: &Path) -> Result<()> {
    let kernel = out.join("vmlinux");
    for filesystem in ["ext3", "ext4"] {
        let order = Order { seed: 3, worlds: 60, calls: 1000, shown: None, filesystem };
        let mut fuzz = Fuzz::new(&kernel, order)?;
        fuzz.machine.memory = MEMORY;
        let lines = fuzz.run()?;
        ensure!(lines.len() as u64 == order.worlds, "{} worlds", lines.len());
    }
    Ok(())
}

pub(crate) fn served() -> Result<()> {
    serve(&out()?, MEMORY)
}
