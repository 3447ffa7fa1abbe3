//! The kernel's part of a plan.

use anyhow::Result;
use kernel::{Disk, Hypervisor, Needs, Requested, Value};

use super::{Network, Storage, tailor};
use crate::disk::fat;
use crate::spec::{KernelValue, Profile, Project};
use crate::target::Target;
use crate::variant::Variant;

/// What every command line has: the console, nothing on it that is no warning, a
/// restart five seconds after a panic, and no test of the timer: a virtual one works,
/// but on a busy host without KVM it comes too late for the test, and the kernel gives
/// up (arch/x86/kernel/apic/io_apic.c, `timer_irq_works`). What the test would choose
/// instead is for boards of before ACPI. At the end of a connection TCP does not note
/// for the client's next one how this one went.
const CMDLINE: &str = "console=ttyS0 quiet panic=5 no_timer_check \
                       sysctl.net.ipv4.tcp_no_metrics_save=1";
/// What comes before it on a real machine: the screen as a second console.
const SCREEN: &str = "console=tty0";
/// What a guest of KVM has beside it. A packet that was sent is freed when the next one
/// is, instead of in an interrupt of its own; where the queue is nearly full, that
/// interrupt is asked for. And nobody counts interrupts that no driver wanted: a
/// message belongs to one device.
const VIRTIO: &str = "virtio_net.napi_tx=0 noirqdebug";

/// The kernel of an appliance.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What matters more, speed or protection.
    pub profile: Profile,
    /// What it must be able to do.
    pub needs: Needs,
    /// What the user asks for beyond.
    pub options: Vec<Requested>,
    /// Its command line.
    pub cmdline: String,
    /// What a measurement does differently; nothing in a build for use.
    pub variation: Variation,
}

/// A kernel that differs from what the plan would have, to measure the difference.
#[derive(Clone, Debug, Default)]
pub struct Variation {
    /// Symbols that have another value, whoever requested them.
    pub options: Vec<Requested>,
    /// Options of the compiler beyond the kernel's own.
    pub flags: Vec<String>,
}

pub(super) fn plan(
    project: &Project,
    target: Target,
    variant: Variant,
    storage: &Storage,
    network: &Network,
) -> Result<Kernel> {
    let profile = project.spec.kernel.profile;
    let needs = Needs {
        hypervisor: match target {
            Target::Kvm => Hypervisor::Kvm,
            Target::Vmware => Hypervisor::Vmware,
            Target::Host => Hypervisor::None,
        },
        disk: match storage {
            Storage::Disk { read_only, .. } => Some(Disk { writable: !read_only }),
            Storage::Ram => None,
        },
        ipv6: network.has_ipv6(),
        efi: true,
        hardened: profile == Profile::Hardened,
        tailor: tailor::plan(project, target, network)?,
        kml: variant == Variant::Kml,
    };
    let (options, cmdline) = (options(project), cmdline(project, target, variant)?);
    // What contradicts itself is refused before anything is fetched; first what cannot
    // be had whatever is left out.
    kernel::requests(&needs, &options)?;
    tailor::check_options(project, needs.tailor)?;
    Ok(Kernel { profile, needs, options, cmdline, variation: Variation::default() })
}

fn options(project: &Project) -> Vec<Requested> {
    let options = &project.spec.kernel.options;
    let requested = options.iter().map(|(symbol, value)| {
        let value = match value {
            KernelValue::Switch(on) => Value::Switch(*on),
            KernelValue::Number(number) => Value::Number(*number),
            KernelValue::Text(text) => Value::from_text(text.clone()),
        };
        let place = format!("{}: kernel.options.{}", project.file.display(), symbol.as_str());
        Requested::by_user(symbol.as_str(), value, place)
    });
    requested.collect()
}

fn cmdline(project: &Project, target: Target, variant: Variant) -> Result<String> {
    let screen = if target == Target::Host { SCREEN } else { "" };
    let virtio = if target == Target::Kvm { VIRTIO } else { "" };
    let added = project.spec.kernel.command_line.trim();
    let words = [screen, CMDLINE, virtio, variant.word().unwrap_or_default(), added];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let cmdline = words.join(" ");
    fat::check_cmdline(&cmdline).map_err(|what| project.refuse("kernel", "command-line", &what))?;
    Ok(cmdline)
}
