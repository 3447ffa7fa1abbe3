//! The package for VMware: read by tools that are not ours, and its own disk booted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use appliance::run::{self, Firmware};
use host::Command;
use libtest_mimic::Trial;
use qemu::{Disk, DiskFormat, Ended};

use crate::image::{BOOT, Image, SHUTDOWN, forwarded};
use crate::project::VMWARE;
use crate::trial::{Skipped, trial, with_guest};

/// Names a schema of OVF descriptors; DMTF's and VMware's cannot be had without
/// their sites.
const SCHEMA: &str = "APPLIANCE_OVF_SCHEMA";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = Firmware::ALL
        .iter()
        .map(|firmware| {
            let name = format!("package::its_disk_boots::{}", firmware.name());
            trial(name, &VMWARE, move |image| boot(image, *firmware))
        })
        .collect();
    for program in ["tar", "bsdtar"] {
        let name = format!("package::{program}_unpacks_it");
        trials.push(trial(name, &VMWARE, move |image| unpack(image, program)));
    }
    trials.push(trial("package::its_descriptor_is_xml", &VMWARE, |image| {
        xmllint(&image.out.join(name(image, "ovf")), &[])
    }));
    trials.push(trial("package::its_descriptor_is_of_the_schema", &VMWARE, schema));
    trials
}

fn name(image: &Image, extension: &str) -> String {
    format!("{}.{extension}", image.manifest.name)
}

fn boot(image: &Image, firmware: Firmware) -> Result<()> {
    let mut machine = image.machine(firmware)?;
    let (bus, _) = run::devices(image.target, firmware);
    let disk = Disk::new(image.out.join(name(image, "vmdk")), DiskFormat::Vmdk);
    machine.disk = Some(Disk { bus, ..disk });
    with_guest(&machine, |guest| {
        guest.wait_serving(BOOT)?;
        image.compare(guest, forwarded(guest)?)?;
        guest.power_button()?;
        let ended = guest.wait_shutdown(SHUTDOWN)?;
        ensure!(ended == Ended::PoweredOff, "after the power button: {ended}");
        Ok(())
    })
}

/// Unpacks the package and checks what is in it: the files beside it, in their
/// order, with the digests of its manifest.
fn unpack(image: &Image, program: &str) -> Result<()> {
    let dir = empty_dir(program)?;
    let package = image.out.join(name(image, "ova"));
    let listed = Command::new(program).arg("-tf").arg(&package).output()?;
    let names = ["ovf", "mf", "vmdk"].map(|extension| name(image, extension));
    let listed = String::from_utf8(listed)?;
    ensure!(listed.lines().eq(names.iter()), "it holds {listed}");
    Command::new(program).arg("-xf").arg(&package).current_dir(&dir).run()?;
    for name in &names {
        let (inside, beside) = (fs::read(dir.join(name))?, fs::read(image.out.join(name))?);
        ensure!(inside == beside, "{name} differs from the one beside the package");
    }
    let manifest = fs::read_to_string(dir.join(&names[1]))?;
    let lines = manifest.lines().map(|line| {
        let (name, digest) = line.split_once(")= ").context("a line of the manifest")?;
        let name = name.strip_prefix("SHA256(").context("a digest of another kind")?;
        Ok(format!("{digest}  {name}\n"))
    });
    let lines: Vec<String> = lines.collect::<Result<_>>()?;
    ensure!(lines.len() == 2, "the manifest has {} lines", lines.len());
    let verify = || Command::new("sha256sum").args(["--check", "--strict"]).current_dir(&dir);
    verify().input(lines.concat()).run()?;
    // The check sees what was changed.
    fs::write(dir.join(&names[0]), "another")?;
    let outcome = verify().input(lines.concat()).outcome()?;
    ensure!(!outcome.status.success(), "sha256sum takes another descriptor");
    Ok(())
}

fn empty_dir(name: &str) -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package").join(name);
    host::remove_tree(&dir)?;
    fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    Ok(dir)
}

fn xmllint(document: &Path, options: &[OsString]) -> Result<()> {
    Command::new("xmllint").args(["--noout", "--nonet"]).args(options).arg(document).run()?;
    Ok(())
}

fn schema(image: &Image) -> Result<()> {
    let Some(schema) = std::env::var_os(SCHEMA) else {
        bail!(Skipped(format!("{SCHEMA} names no schema of OVF descriptors")));
    };
    xmllint(&image.out.join(name(image, "ovf")), &["--schema".into(), schema])
}
