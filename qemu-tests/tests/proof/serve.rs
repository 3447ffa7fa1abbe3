//! An image that serves: every file of its site by HTTP, many times, without a report of
//! the kernel.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use appliance::check;
use appliance::manifest::Manifest;
use appliance::run::{self, Firmware};
use kernel::Tailor;
use qemu::{Guest, Start};

use crate::guest;
use crate::kernels::{self, image};

/// Memory in MiB.
const MEMORY: u32 = 64;
/// How long a kernel that watches itself may take to serve.
const BOOT: Duration = Duration::from_secs(300);
const ROUNDS: u32 = 50;

/// None of the measures, and each with what it needs and nothing else.
pub(crate) fn each_measure() -> Result<()> {
    serve(&image("untailored", Tailor::CONFIGURATION, &[])?, MEMORY).context("without patches")?;
    kernels::alone().try_for_each(|(measure, tailor)| {
        let out = image(measure.name(), tailor, &[])?;
        serve(&out, MEMORY).with_context(|| format!("{measure} alone"))
    })
}

/// Starts the image of an output directory with so many MiB of memory.
pub(crate) fn serve(out: &Path, memory: u32) -> Result<()> {
    let manifest = Manifest::read(out)?;
    let mut machine = run::machine(out, &manifest, Firmware::Direct, run::accelerator()?)?;
    machine.memory = memory;
    if let Start::Kernel(kernel) = &mut machine.start {
        // Reports are warnings to the kernel, which `quiet` would keep off the console.
        kernel.command_line = kernel.command_line.replace(" quiet", "");
    }
    let mut guest = machine.boot()?;
    ask(&mut guest, &manifest).map_err(|error| anyhow!("{error:#}\n{}", guest.evidence()))
}

fn ask(guest: &mut Guest, manifest: &Manifest) -> Result<()> {
    guest.wait_serving(BOOT)?;
    let address = guest.forwarded().context("no port is forwarded")?;
    for _ in 0..ROUNDS {
        let differences = check::differences(guest, address, &manifest.site)?;
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
    }
    let report = guest::report(&guest.console()).map(str::to_owned);
    ensure!(report.is_none(), "the kernel reports: {}", report.unwrap_or_default());
    Ok(())
}
