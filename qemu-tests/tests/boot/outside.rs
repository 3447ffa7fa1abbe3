//! One image, many machines: address and name come from outside.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use appliance::target::Target;
use libtest_mimic::Trial;
use qemu::{Machine, Network};

use crate::image::{BOOT, Image, forwarded};
use crate::project::{Project, asked};
use crate::trial::{trial, with_guest};

/// Where QEMU hands a text over to PID 1.
const HANDED_OVER: &str = "opt/appliance/network";

pub(crate) fn trials() -> Vec<Trial> {
    asked().into_iter().flat_map(of).collect()
}

fn of(project: &'static Project) -> Vec<Trial> {
    let name = |what: &str| format!("outside::{what}::{}", project.name);
    let mut trials = vec![
        trial(name("command_line_gives_an_address"), project, |image| {
            let machine = image.machine_with_words("appliance.address=192.168.77.5/24")?;
            serves(image, machine, "192.168.77.5:80", None)
        }),
        trial(name("a_malformed_value_changes_nothing"), project, |image| {
            let machine = image.machine_with_words("appliance.address=192.168.77.5")?;
            serves(image, machine, "10.0.2.15:80", Some("no prefix length"))
        }),
    ];
    if project.target == Target::Kvm {
        trials.push(trial(name("hypervisor_gives_an_address"), project, handed_over));
    }
    trials
}

fn handed_over(image: &Image) -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let file = room.path().join("network");
    fs::write(&file, "hostname shop\naddress 192.168.77.6/24\ngateway 192.168.77.2\n")?;
    // What is handed over is of this machine and wins.
    let mut machine = image.machine_with_words("appliance.address=192.168.77.5/24")?;
    machine.handed_over.push((HANDED_OVER.into(), file));
    serves(image, machine, "192.168.77.6:80", None)
}

/// Boots the machine in a network that fits the address, after `refusal` on the
/// console if there is to be one.
fn serves(image: &Image, mut machine: Machine, address: &str, refusal: Option<&str>) -> Result<()> {
    let address: SocketAddr = address.parse()?;
    let Network::User(network) = &mut machine.network else { bail!("no user network") };
    network.guest = format!("{}/24", address.ip()).parse()?;
    network.gateway = None;
    with_guest(&machine, |guest| {
        if let Some(what) = refusal {
            let find = |line: &str| {
                (line.contains("not taken from outside") && line.contains(what)).then_some(())
            };
            guest.wait_for("the refusal of a value", BOOT, find)?;
        }
        let serving = guest.wait_serving(BOOT)?;
        ensure!(serving.address == address, "it serves at {}", serving.address);
        image.compare(guest, forwarded(guest)?)
    })
}
