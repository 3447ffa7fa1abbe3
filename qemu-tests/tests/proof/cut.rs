//! The power fails while files are written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use host::Command;
use kernel::Tailor;

use crate::guest::{self, Fuzz, Order};
use crate::kernels::{self, image};

/// Worlds until the power fails: on ext3 and ext4 the journal is written every five
/// seconds.
const WORLDS: u64 = 240;

pub(crate) fn all_measures() -> Result<()> {
    power_cut("tailored", Tailor::ALL)
}

/// Without patches, and each measure with what it needs and nothing else.
pub(crate) fn each_measure() -> Result<()> {
    power_cut("untailored", Tailor::CONFIGURATION).context("without patches")?;
    kernels::alone().try_for_each(|(measure, tailor)| {
        power_cut(measure.name(), tailor).with_context(|| format!("{measure} alone"))
    })
}

/// Cuts the power of a kernel that writes to its disk, and lets e2fsck judge what it
/// finds: the journal has to make it whole.
fn power_cut(name: &str, tailor: Tailor) -> Result<()> {
    let kernel = image(name, tailor, &[])?.join("vmlinux");
    for filesystem in ["ext3", "ext4"] {
        let order = Order { seed: 4, worlds: u64::MAX, calls: 1000, shown: None, filesystem };
        let mut fuzz = Fuzz::new(&kernel, order)?;
        fuzz.machine.disk.as_mut().context("there is no disk")?.is_kept = true;
        let mut guest = fuzz.machine.boot()?;
        for _ in 0..WORLDS {
            guest::next(&mut guest).map_err(|error| anyhow!("{error:#}\n{}", guest.evidence()))?;
        }
        guest.cut_power()?;
        check(&fuzz.disk).with_context(|| format!("after a power cut on {filesystem}"))?;
    }
    Ok(())
}

/// What the next boot does, and then the whole check.
fn check(disk: &Path) -> Result<()> {
    let run = |options: &[&str]| -> Result<(Option<i32>, String)> {
        let outcome = Command::new("e2fsck").args(options).arg(disk).outcome()?;
        Ok((outcome.status.code(), String::from_utf8_lossy(&outcome.stdout).into_owned()))
    };
    let (status, said) = run(&["-p"])?;
    ensure!(said.contains("recovering journal"), "there was nothing to recover: {said}");
    ensure!(matches!(status, Some(0 | 1)), "the journal did not make it whole: {said}");
    let (status, said) = run(&["-f", "-n"])?;
    ensure!(status == Some(0), "e2fsck finds fault after the journal was replayed: {said}");
    // It would see a fault: one of the blocks of a group descriptor.
    let mut bytes = fs::read(disk).context("reading the disk")?;
    let descriptors = bytes.get_mut(4096..4104).context("the disk is short")?;
    descriptors.fill(0xff);
    fs::write(disk, bytes).context("writing the disk")?;
    let (status, said) = run(&["-f", "-n"])?;
    ensure!(status != Some(0), "e2fsck finds no fault in a damaged file system: {said}");
    Ok(())
}
