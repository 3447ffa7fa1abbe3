//! Every image, in every format, by every firmware: it serves with the memory that
//! its manifest promises, gives back each file, and obeys the power button.

use anyhow::{Result, ensure};
use appliance::disk::Format;
use appliance::run::{self, Firmware};
use appliance::target::Target;
use appliance::variant::Variant;
use clap::ValueEnum;
use libtest_mimic::Trial;
use qemu::{Disk, Ended};

use crate::image::{BOOT, Image, SHUTDOWN, forwarded};
use crate::kml::IN_RING_0;
use crate::project::{EVERY, EXT3, Keeping, Project};
use crate::trial::{trial, with_guest};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for project in EVERY.iter() {
        for firmware in Firmware::ALL {
            trials.extend(ways(project, *firmware));
        }
    }
    trials
}

fn ways(project: &'static Project, firmware: Firmware) -> Vec<Trial> {
    let (project_name, firmware_name) = (&project.name, firmware.name());
    if project.keeping == Keeping::Ram && !firmware.needs_disk() {
        let name = format!("every::{project_name}::no_disk::{firmware_name}");
        return vec![trial(name, project, move |image| boot(image, firmware, None))];
    }
    let formats = Format::value_variants().iter();
    formats
        .filter(|format| is_booted(project, firmware, **format))
        .map(|format| {
            let format_name = format.name();
            let name = format!("every::{project_name}::{format_name}::{firmware_name}");
            trial(name, project, move |image| boot(image, firmware, Some(*format)))
        })
        .collect()
}

/// Whether an image is booted from a format. That all hold the same disk is shown by
/// programs that read them (images/tests/formats), so that most are booted once.
fn is_booted(project: &Project, firmware: Firmware, format: Format) -> bool {
    match format {
        Format::Raw => true,
        Format::Qcow2 => project.target != Target::Host,
        Format::Qcow2Uncompressed
        | Format::Vmdk
        | Format::VmdkSparse
        | Format::Vhd
        | Format::Vhdx => project.name == EXT3.name && firmware == Firmware::Bios,
    }
}

fn boot(image: &Image, firmware: Firmware, format: Option<Format>) -> Result<()> {
    let mut machine = image.machine(firmware)?;
    let (bus, _) = run::devices(image.target, firmware);
    machine.disk = format.map(|format| Disk { bus, ..image.disk(format) });
    with_guest(&machine, |guest| {
        if image.manifest.variant == Variant::Kml {
            guest.wait_for(IN_RING_0, BOOT, |line| line.contains(IN_RING_0).then_some(()))?;
        }
        guest.wait_serving(BOOT)?;
        image.compare(guest, forwarded(guest)?)?;
        guest.power_button()?;
        let ended = guest.wait_shutdown(SHUTDOWN)?;
        ensure!(ended == Ended::PoweredOff, "after the power button: {ended}");
        Ok(())
    })
}
