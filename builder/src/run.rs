//! `appliance run`: boots an image in QEMU and shows its console.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use host::{Interrupted, Problem, failed, refused, take_interrupt};
use ipnet::IpNet;
use qemu::{
    Accelerator, Disk, DiskBus, Ended, Engine, Guest, Kernel, LocalPort, Machine, Network, Nic,
    Start, Tap, UserNetwork, WaitError,
};
use serde::Serialize;

use crate::cli::RunArgs;
use crate::home;
use crate::manifest::{Manifest, Memory, Storage};
use crate::report::say;
use crate::target::Target;

/// How long a guest may take to serve, on a busy host without KVM.
const BOOT_DEADLINE: Duration = Duration::from_secs(120);
/// How long one may take that has less memory than it needs.
const POOR_DEADLINE: Duration = Duration::from_secs(60);
/// How long a guest may take to shut down after the power button.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
/// The local port that is tried first.
const USUAL_PORT: u16 = 8080;

/// The ways in which an image starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// From the disk by a BIOS
    Bios,
    /// From the disk by UEFI
    Uefi,
    /// The kernel without firmware and boot loader
    Direct,
    /// The same with the kernel that boot loaders take
    #[value(skip)]
    BzImage,
}

impl Firmware {
    /// Every way to start an image.
    pub const ALL: &[Self] = &[Self::Bios, Self::Uefi, Self::Direct, Self::BzImage];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::Direct => "direct",
            Self::BzImage => "bzimage",
        }
    }

    /// Whether the firmware reads the kernel from the disk.
    pub fn needs_disk(self) -> bool {
        matches!(self, Self::Bios | Self::Uefi)
    }

    /// The smallest memory in MiB with which an image serves, started so.
    pub fn minimum(self, memory: &Memory) -> u32 {
        match self {
            Self::Bios => memory.bios,
            Self::Uefi => memory.uefi,
            Self::Direct | Self::BzImage => memory.direct,
        }
    }
}

/// The best accelerator of this host; what was found out is kept in the cache.
///
/// # Errors
/// When QEMU is missing.
pub fn accelerator() -> Result<Accelerator> {
    Accelerator::probe(&home::cache())
}

/// Says so where a guest will be slow.
pub(crate) fn announce(accelerator: &Accelerator) {
    if accelerator.engine == Engine::Tcg {
        eprintln!("notice: the guest is emulated and slow, since {}", accelerator.why);
    }
}

/// The machine that an image is made for, with the least memory that serves and
/// a free local port.
///
/// # Errors
/// Refused when the image has no disk for a firmware that needs one.
pub fn machine(
    out: &Path,
    manifest: &Manifest,
    firmware: Firmware,
    accelerator: Accelerator,
) -> Result<Machine> {
    let direct = |kernel: &str| {
        Start::Kernel(Kernel {
            image: out.join(kernel),
            initramfs: Some(out.join("initramfs.cpio")),
            command_line: manifest.cmdline.clone(),
        })
    };
    let start = match firmware {
        Firmware::Bios => Start::Bios,
        Firmware::Uefi => Start::Uefi,
        Firmware::Direct => direct("vmlinux"),
        Firmware::BzImage => direct("vmlinuz"),
    };
    let (bus, nic) = devices(Target::from_name(&manifest.target)?, firmware);
    let wants_disk = firmware.needs_disk() || manifest.storage != Storage::Ram;
    let disk = if wants_disk { Some(Disk { bus, ..disk(out, manifest)? }) } else { None };
    let memory = firmware.minimum(&manifest.memory);
    let network = network(manifest)?;
    Ok(Machine { disk, network, nic, ..Machine::new(start, accelerator, memory) })
}

/// The devices that a target's kernel has drivers for.
pub fn devices(target: Target, firmware: Firmware) -> (DiskBus, Nic) {
    match (target, firmware) {
        (Target::Kvm, _) => (DiskBus::Virtio, Nic::Virtio),
        // OVMF as Debian builds it has no driver for pvscsi.
        (Target::Vmware, Firmware::Uefi) => (DiskBus::Ahci, Nic::Vmxnet3),
        (Target::Vmware, _) => (DiskBus::Pvscsi, Nic::Vmxnet3),
        // Of the devices of real machines those that every QEMU has.
        (Target::Host, _) => (DiskBus::Ahci, Nic::E1000e),
    }
}

fn disk(out: &Path, manifest: &Manifest) -> Result<Disk> {
    let (name, format) = manifest.disk().ok_or_else(|| {
        refused(format!("{} holds no disk image that QEMU reads", out.display()))
            .hint("build it with --format qcow2")
    })?;
    Ok(Disk::new(out.join(name), format))
}

/// The user network, which works for everybody; for an image without an IPv4
/// address a tap.
fn network(manifest: &Manifest) -> Result<Network> {
    let addresses = addresses(manifest)?;
    let Some(guest) = addresses.iter().find_map(|address| match address {
        IpNet::V4(net) => Some(*net),
        IpNet::V6(_) => None,
    }) else {
        return Ok(Network::Tap(tap(manifest)?));
    };
    let gateway = manifest.network.gateways.iter().find_map(|gateway| match gateway {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    });
    let guest_port = manifest.server.port;
    Ok(Network::User(UserNetwork { guest, gateway, guest_port, local_port: LocalPort::Free }))
}

/// A tap with an address beside each of the image's.
///
/// # Errors
/// When the manifest has an address that is none.
pub fn tap(manifest: &Manifest) -> Result<Tap> {
    let beside = |net: &IpNet| {
        let gateways = manifest.network.gateways.iter().copied();
        let ours = gateways
            .chain(net.hosts())
            .find(|address| net.contains(address) && ![net.addr(), net.network()].contains(address))
            .with_context(|| format!("{net} has no room for a neighbour"))?;
        Ok(IpNet::new(ours, net.prefix_len())?)
    };
    Ok(Tap { addresses: addresses(manifest)?.iter().map(beside).collect::<Result<_>>()? })
}

fn addresses(manifest: &Manifest) -> Result<Vec<IpNet>> {
    let parse = |text: &String| text.parse().with_context(|| format!("reading the address {text}"));
    manifest.network.addresses.iter().map(parse).collect()
}

/// What too little memory has to do with a guest that does not come up, if the
/// machine has less than the image needs.
pub fn memory_problem(manifest: &Manifest, firmware: Firmware, memory: u32) -> Option<Problem> {
    let needed = firmware.minimum(&manifest.memory);
    let name = firmware.name();
    (memory < needed).then(|| {
        failed(format!(
            "the guest has {memory} MiB of memory, and this image needs {needed} by {name}"
        ))
        .hint(format!("give it --memory {needed}"))
    })
}

/// Boots an image until the user stops it.
///
/// # Errors
/// Refused when the directory is no build's or cannot be started as asked;
/// failed when the guest does not come up or ends by itself; interrupted when
/// the user did not wait for its shutdown.
pub fn command(args: &RunArgs) -> Result<ExitCode> {
    let out = &args.out.path;
    let manifest = Manifest::read(out)?;
    let accelerator = accelerator()?;
    announce(&accelerator);
    let mut machine = machine(out, &manifest, args.firmware, accelerator)?;
    machine.memory = args.memory.unwrap_or(machine.memory);
    let Network::User(network) = &mut machine.network else {
        let what = "the image has no IPv4 address, and QEMU's user network forwards no IPv6";
        let hint = "add an IPv4 address to network.addresses, or start it with a tap by hand";
        return Err(refused(what).hint(hint).into());
    };
    network.local_port = args.port.map_or(LocalPort::Prefer(USUAL_PORT), LocalPort::Exactly);
    let problem = memory_problem(&manifest, args.firmware, machine.memory);
    if let Some(problem) = &problem {
        eprintln!("warning: {problem}");
    }
    let mut guest = machine.boot_showing(io::stdout())?;
    match watch(&mut guest, problem) {
        Err(error) if error.is::<Interrupted>() => shut_down(&mut guest),
        result => {
            // The guest may have stopped in the middle of a line.
            eprintln!();
            result
        }
    }
}

/// Follows a guest to its end, which is nobody's wish.
fn watch(guest: &mut Guest, problem: Option<Problem>) -> Result<ExitCode> {
    let deadline = if problem.is_some() { POOR_DEADLINE } else { BOOT_DEADLINE };
    match (guest.wait_serving(deadline), problem) {
        (Ok(_), _) => {
            let address = guest.forwarded().context("the port of the guest is not forwarded")?;
            say!("appliance: http://{address}/ leads there; Ctrl-C shuts the guest down");
        }
        (Err(error), Some(problem)) if error.is::<WaitError>() => {
            return Err(anyhow::Error::new(problem).context(error));
        }
        (Err(error), _) => match error.downcast_ref() {
            Some(WaitError::Late { .. }) => eprintln!("warning: {error}; Ctrl-C ends it"),
            _ => return Err(error),
        },
    }
    let ended = guest.wait_shutdown(Duration::MAX)?;
    Err(failed(format!("the virtual machine ended by itself: {ended}")).into())
}

fn shut_down(guest: &mut Guest) -> Result<ExitCode> {
    take_interrupt();
    eprintln!("\nshutting the guest down; Ctrl-C again ends it at once");
    guest.power_button()?;
    match guest.wait_shutdown(SHUTDOWN_DEADLINE) {
        Ok(Ended::PoweredOff) => Ok(ExitCode::SUCCESS),
        Ok(ended) => Err(failed(format!("the guest did not shut down in order: {ended}")).into()),
        Err(error) if error.is::<WaitError>() => {
            let seconds = SHUTDOWN_DEADLINE.as_secs();
            Err(failed(format!("the guest did not shut down within {seconds} s and was ended"))
                .into())
        }
        Err(error) => Err(error),
    }
}
