//! What happens to a guest from outside, and what it makes of it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use appliance::disk::Format;
use appliance::manifest::Storage;
use appliance::run::Firmware;
use libtest_mimic::Trial;
use qemu::{Chipset, Ended};

use crate::image::{self, BOOT, Image, SHUTDOWN, forwarded};
use crate::project::{DUAL, EXT3, EXT4};
use crate::trial::{trial, with_guest};

/// How long a guest may take to answer to something other than the power button.
const ANSWER: Duration = Duration::from_secs(30);
/// The magic system request that sends SIGKILL to every process but PID 1.
const KILL_ALL: u8 = b'i';
/// The one that makes the kernel crash.
const CRASH: u8 = b'c';

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("life::power_button_on_q35", &EXT3, |image| power_button(image, Chipset::Q35)),
        trial("life::power_button_on_pc", &EXT3, |image| power_button(image, Chipset::Pc)),
        trial("life::killed_server_comes_back", &DUAL, killed_server),
        trial("life::crashed_kernel_restarts", &DUAL, crashed_kernel),
        trial("life::wrong_disk_is_named", &EXT3, wrong_disk),
    ]
}

fn power_button(image: &Image, chipset: Chipset) -> Result<()> {
    let mut machine = image.machine(Firmware::BzImage)?;
    machine.chipset = chipset;
    with_guest(&machine, |guest| {
        guest.wait_serving(BOOT)?;
        guest.power_button()?;
        let ended = guest.wait_shutdown(SHUTDOWN)?;
        ensure!(ended == Ended::PoweredOff, "after the power button: {ended}");
        Ok(())
    })
}

fn killed_server(image: &Image) -> Result<()> {
    with_guest(&image.machine(Firmware::Direct)?, |guest| {
        guest.wait_serving(BOOT)?;
        let addresses = image.addresses()?.len();
        for _ in 0..2 {
            guest.system_request(KILL_ALL)?;
            let ended = "appliance: the server was ended by signal 9";
            guest.wait_for(ended, ANSWER, |line| line.contains(ended).then_some(()))?;
            for _ in 0..addresses {
                guest.wait_serving(ANSWER)?;
            }
            image.compare(guest, forwarded(guest)?)?;
        }
        Ok(())
    })
}

fn crashed_kernel(image: &Image) -> Result<()> {
    with_guest(&image.machine(Firmware::Direct)?, |guest| {
        guest.wait_serving(BOOT)?;
        guest.system_request(CRASH)?;
        let ended = guest.wait_shutdown(ANSWER)?;
        ensure!(ended == Ended::Reset, "after a crash: {ended}");
        ensure!(guest.console().contains("Kernel panic"), "the console says nothing of a panic");
        Ok(())
    })
}

fn wrong_disk(image: &Image) -> Result<()> {
    let Storage::Disk { uuid, .. } = &image.manifest.storage else {
        bail!("the image has no disk");
    };
    let mut machine = image.machine(Firmware::Direct)?;
    machine.disk = Some(image::of(&EXT4)?.disk(Format::Qcow2));
    with_guest(&machine, |guest| {
        let said = format!("no file system has the UUID {uuid}");
        guest.wait_for(&said, BOOT, |line| line.contains(&said).then_some(()))?;
        let ended = guest.wait_shutdown(ANSWER)?;
        ensure!(ended == Ended::Reset, "with the wrong disk: {ended}");
        Ok(())
    })
}
