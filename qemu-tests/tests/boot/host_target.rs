//! The image for a real machine, on the devices of one as far as QEMU has them.

use std::fs::{self, OpenOptions};

use anyhow::{Context, Result, ensure};
use appliance::disk::Format;
use appliance::run::Firmware;
use libtest_mimic::Trial;
use qemu::{Disk, DiskBus, Ended, Machine, Nic};

use crate::image::{BOOT, Image, SHUTDOWN, forwarded};
use crate::project::HOST;
use crate::trial::{Skipped, trial, with_guest};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let name = firmware.name();
        for (kind, bus) in [("nvme", DiskBus::Nvme), ("stick", DiskBus::Usb)] {
            let body = move |image: &Image| boot(image, &machine(image, firmware, bus)?);
            trials.push(trial(format!("host::{kind}::{name}"), &HOST, body));
        }
        let body = move |image: &Image| nvme_and_igb(image, firmware);
        trials.push(trial(format!("host::nvme_and_igb::{name}"), &HOST, body));
        let body = move |image: &Image| written_to_a_longer_disk(image, firmware);
        trials.push(trial(format!("host::longer_disk::{name}"), &HOST, body));
    }
    trials
}

fn machine(image: &Image, firmware: Firmware, bus: DiskBus) -> Result<Machine> {
    let disk = Some(Disk { bus, ..image.disk(Format::Raw) });
    Ok(Machine { disk, ..image.machine(firmware)? })
}

/// The other network chip, which Debian 12's QEMU does not have.
fn nvme_and_igb(image: &Image, firmware: Firmware) -> Result<()> {
    if !Nic::Igb.is_known()? {
        return Err(Skipped("this QEMU has no igb".into()).into());
    }
    boot(image, &Machine { nic: Nic::Igb, ..machine(image, firmware, DiskBus::Nvme)? })
}

/// After `dd` the second partition table is not at the end of the disk.
fn written_to_a_longer_disk(image: &Image, firmware: Firmware) -> Result<()> {
    let mut machine = machine(image, firmware, DiskBus::Ahci)?;
    let disk = machine.disk.as_mut().context("the machine has no disk")?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("longer");
    fs::copy(&disk.path, &path).with_context(|| format!("copying {}", disk.path.display()))?;
    let file = OpenOptions::new().write(true).open(&path)?;
    file.set_len(file.metadata()?.len() + (1 << 30))?;
    disk.path = path;
    boot(image, &machine)
}

fn boot(image: &Image, machine: &Machine) -> Result<()> {
    with_guest(machine, |guest| {
        guest.wait_serving(BOOT)?;
        image.compare(guest, forwarded(guest)?)?;
        guest.power_button()?;
        let ended = guest.wait_shutdown(SHUTDOWN)?;
        ensure!(ended == Ended::PoweredOff, "after the power button: {ended}");
        Ok(())
    })
}
