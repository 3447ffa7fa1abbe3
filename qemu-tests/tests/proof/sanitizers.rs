//! The patched kernel under KASAN, which watches memory, and lockdep, which watches
//! locks: the same calls, and an image that serves, without a report of either.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use appliance::check;
use appliance::manifest::Manifest;
use appliance::run::{self, Firmware};
use kernel::Tailor;
use qemu::Start;

use crate::guest::{self, Fuzz, Order};
use crate::kernels::image;

/// What is on beside the usual. Frames are walked by pointer, which KASAN's record of
/// stacks wants, and names of functions are lockdep's. With it the short way into the
/// kernel is not offered.
const OPTIONS: &[(&str, bool)] = &[
    ("DEBUG_KERNEL", true),
    ("KALLSYMS", true),
    ("UNWINDER_GUESS", false),
    ("UNWINDER_FRAME_POINTER", true),
    ("STACKTRACE", true),
    ("KASAN", true),
    ("KASAN_VMALLOC", true),
    ("PROVE_LOCKING", true),
    ("DEBUG_ATOMIC_SLEEP", true),
    ("DEBUG_LIST", true),
    ("SLUB_DEBUG", true),
    ("TAILOR_ENTRY", false),
];
/// Memory in MiB: KASAN takes an eighth for itself, and keeps what was freed.
const MEMORY: u32 = 512;
/// How long such a kernel may take to serve.
const BOOT: Duration = Duration::from_secs(300);

fn out() -> Result<PathBuf> {
    image("sanitized", Tailor::ALL, OPTIONS)
}

pub(crate) fn fuzz() -> Result<()> {
    let kernel = out()?.join("vmlinux");
    for filesystem in ["ext3", "ext4"] {
        let order = Order { seed: 3, worlds: 60, calls: 1000, shown: None, filesystem };
        let mut fuzz = Fuzz::new(&kernel, order)?;
        fuzz.machine.memory = MEMORY;
        let lines = fuzz.run()?;
        ensure!(lines.len() as u64 == order.worlds, "{} worlds", lines.len());
    }
    Ok(())
}

/// Every file of the site by HTTP, many times.
pub(crate) fn serve() -> Result<()> {
    let out = out()?;
    let manifest = Manifest::read(&out)?;
    let mut machine = run::machine(&out, &manifest, Firmware::Direct, run::accelerator()?)?;
    machine.memory = MEMORY;
    if let Start::Kernel(kernel) = &mut machine.start {
        // Reports are warnings to the kernel, which `quiet` would keep off the console.
        kernel.command_line = kernel.command_line.replace(" quiet", "");
    }
    let mut guest = machine.boot()?;
    let result = (|| {
        guest.wait_serving(BOOT)?;
        let address = guest.forwarded().context("no port is forwarded")?;
        for _ in 0..50 {
            let differences = check::differences(&guest, address, &manifest.site)?;
            ensure!(differences.is_empty(), "{}", differences.join("\n"));
        }
        match guest::report(&guest.console()) {
            Some(report) => Err(anyhow!("the kernel reports: {report}")),
            None => Ok(()),
        }
    })();
    result.map_err(|error| anyhow!("{error:#}\n{}", guest.evidence()))
}
