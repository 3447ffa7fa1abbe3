//! Which steps there are. Each is one decision: the side before it, the side after it.

use anyhow::Result;
use kernel::{Requested, Value};
use qemu::{DiskBus, Nic};

use super::side::{Bench, Devices, Side, What};
use crate::bench::subjects::REFERENCE;
use crate::cli::{Baseline, StageGroup};
use crate::plan::Variation;

/// The name of the side with the appliance's configuration and nothing else.
const CONFIGURATION: &str = "configuration";

/// A step.
pub(super) struct Step {
    /// Where the thesis has it, as [`bench::report::thesis`] calls it.
    pub name: String,
    pub title: String,
    pub cumulative: bool,
    pub before: Side,
    pub after: Side,
}

impl Step {
    fn new(name: &str, title: &str, before: Side, after: Side) -> Self {
        Self { name: name.into(), title: title.into(), cumulative: false, before, after }
    }
}

/// The name of a group in a report.
pub(super) fn name(group: StageGroup) -> &'static str {
    match group {
        StageGroup::Packages => "packages",
        StageGroup::Configuration => "configuration",
        StageGroup::Devices => "devices",
        StageGroup::Flags => "flags",
        StageGroup::Schedulers => "schedulers",
    }
}

/// The steps of a group.
///
/// # Errors
/// When the kernel's own list of options cannot be had.
pub(super) fn steps(_bench: &Bench, group: StageGroup) -> Result<Vec<Step>> {
    Ok(match group {
        StageGroup::Packages => vec![packages()],
        StageGroup::Configuration => configuration(),
        StageGroup::Devices => devices(),
        StageGroup::Flags => flags(),
        StageGroup::Schedulers => Vec::new(),
    })
}

/// The appliance's configuration, and no tailoring of the source.
pub(super) fn plain() -> Variation {
    Variation::default()
}

fn plain_side() -> Side {
    Side { name: CONFIGURATION.into(), what: What::Kernel(plain()) }
}

fn debian(name: &str, baseline: Baseline) -> Side {
    Side { name: name.into(), what: What::Debian(baseline) }
}

/// The plain kernel with other values for these options.
fn with_options(name: &str, options: &[(&str, bool)]) -> Side {
    let request =
        |(symbol, on): &(&str, bool)| Requested::by_measurement(*symbol, Value::Switch(*on), name);
    let mut variation = plain();
    variation.options.extend(options.iter().map(request));
    Side { name: name.into(), what: What::Kernel(variation) }
}

/// The plain kernel, compiled with these flags beyond the kernel's own.
fn with_flags(name: &str, flags: &[&str]) -> Side {
    let mut variation = plain();
    variation.flags = flags.iter().map(|flag| (*flag).into()).collect();
    Side { name: name.into(), what: What::Kernel(variation) }
}

fn packages() -> Step {
    let title = "a mail daemon, cron, a DHCP client and the rest of a plain installation removed";
    let before = debian("stock-machine", Baseline::StockMachine);
    let after = debian("stock-machine-pruned", Baseline::StockMachinePruned);
    Step { cumulative: true, ..Step::new("packages", title, before, after) }
}

/// The whole configuration, then decisions of it taken back one by one.
fn configuration() -> Vec<Step> {
    const USERS: (&str, bool) = ("MULTIUSER", true);
    let stock = debian(REFERENCE, Baseline::StockKernel);
    let title = "Debian's cloud kernel replaced by the appliance's configuration";
    let whole = Step { cumulative: true, ..Step::new("configuration", title, stock, plain_side()) };
    let back = |name: &str, title: &str, options: &[(&str, bool)]| {
        Step::new(name, title, with_options(&format!("with {name}"), options), plain_side())
    };
    let hooks = [
        USERS,
        ("SECURITY", true),
        ("SECURITYFS", true),
        ("SECURITY_NETWORK", true),
        ("SECURITY_PATH", true),
        ("SECURITY_APPARMOR", true),
        ("DEFAULT_SECURITY_APPARMOR", true),
    ];
    let lsm = Step::new(
        "lsm",
        "hooks of security modules, with AppArmor behind them, removed",
        with_options("with lsm", &hooks),
        with_options("with users", &[USERS]),
    );
    vec![
        whole,
        back("smp", "locks between several processors removed", &[("SMP", true)]),
        back("users", "users other than root removed", &[USERS]),
        lsm,
        back(
            "power",
            "management of power and sound removed",
            &[
                ("PM", true),
                ("SUSPEND", true),
                ("CPU_FREQ", true),
                ("CPU_IDLE", true),
                ("SOUND", true),
                ("SND", true),
            ],
        ),
        back("modules", "loadable modules removed", &[("MODULES", true)]),
        back(
            "notification",
            "notification of changes to files removed",
            &[("INOTIFY_USER", true), ("FANOTIFY", true), ("DNOTIFY", true)],
        ),
    ]
}

/// One kernel with every driver, so that nothing differs but the devices.
fn devices() -> Vec<Step> {
    const DRIVERS: [&str; 15] = [
        "SCSI",
        "BLK_DEV_SD",
        "SCSI_LOWLEVEL",
        "VMWARE_PVSCSI",
        "FUSION",
        "FUSION_SAS",
        "ATA",
        "ATA_SFF",
        "ATA_BMDMA",
        "ATA_PIIX",
        "VMXNET3",
        "ETHERNET",
        "NET_VENDOR_INTEL",
        "E1000",
        "NETDEVICES",
    ];
    let drivers = |symbol| Requested::by_measurement(symbol, Value::Switch(true), "devices");
    let mut variation = plain();
    variation.options.extend(DRIVERS.map(drivers));
    let side = |name: &str, disk, nic| Side {
        name: name.into(),
        what: What::Devices(variation.clone(), Devices { disk, nic }),
    };
    let ide = side("e1000 and IDE", DiskBus::Ide, Nic::E1000);
    let lsi = side("e1000 and LSI Logic SAS", DiskBus::LsiSas, Nic::E1000);
    let virtio = side("virtio", DiskBus::Virtio, Nic::Virtio);
    let vmware = side("vmxnet3 and pvscsi", DiskBus::Pvscsi, Nic::Vmxnet3);
    vec![
        Step::new("paravirtual", "emulated devices replaced by QEMU's own", ide, virtio),
        Step::new(
            "paravirtual-vmware",
            "the emulated devices that VMware offers replaced by VMware's own",
            lsi,
            vmware,
        ),
    ]
}

fn flags() -> Vec<Step> {
    let flags = |name: &str, title: &str, flags: &[&str]| {
        Step::new(name, title, plain_side(), with_flags(name, flags))
    };
    let small = with_options(
        "Os",
        &[("CC_OPTIMIZE_FOR_SIZE", true), ("CC_OPTIMIZE_FOR_PERFORMANCE", false)],
    );
    vec![
        Step::new("Os", "-Os instead of -O2", plain_side(), small),
        flags("O3", "-O3 instead of -O2", &["-O3"]),
        flags("x86-64-v3", "-march=x86-64-v3", &["-march=x86-64-v3"]),
        flags(
            "thesis-flags",
            "-march=native -mtune=native -funroll-loops -finline-functions; another host makes \
             another kernel of it",
            &["-march=native", "-mtune=native", "-funroll-loops", "-finline-functions"],
        ),
    ]
}
