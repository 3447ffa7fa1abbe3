//! Which steps there are. Each is one decision: the side before it, the side after it.

use kernel::{Measure, MenuOption, Requested, Tailor, Value};
use qemu::{DiskBus, Nic};

use super::side::{Devices, Kernel, Side, What};
use crate::bench::subjects::REFERENCE;
use crate::cli::{Baseline, StageGroup};

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
        StageGroup::Tailoring => "tailoring",
        StageGroup::Schedulers => "schedulers",
        StageGroup::Kml => "kml",
    }
}

/// The steps of a group.
pub(super) fn steps(group: StageGroup) -> Vec<Step> {
    match group {
        StageGroup::Packages => vec![packages()],
        StageGroup::Configuration => configuration(),
        StageGroup::Devices => devices(),
        StageGroup::Flags => flags(),
        StageGroup::Tailoring => tailoring(),
        // They are no steps: see `super::schedulers`.
        StageGroup::Schedulers => Vec::new(),
        StageGroup::Kml => vec![kml()],
    }
}

fn plain() -> Side {
    Side { name: CONFIGURATION.into(), what: What::Kernel(Kernel::plain()) }
}

fn debian(name: &str, baseline: Baseline) -> Side {
    Side { name: name.into(), what: What::Debian(baseline) }
}

/// The plain kernel with other values for these options.
fn with_options(name: &str, options: &[(&str, bool)]) -> Side {
    let request =
        |(symbol, on): &(&str, bool)| Requested::by_measurement(*symbol, Value::Switch(*on), name);
    let mut kernel = Kernel::plain();
    kernel.variation.options.extend(options.iter().map(request));
    Side { name: name.into(), what: What::Kernel(kernel) }
}

/// The plain kernel, compiled with these flags beyond the kernel's own.
fn with_flags(name: &str, flags: &[&str]) -> Side {
    let mut kernel = Kernel::plain();
    kernel.variation.flags = flags.iter().map(|flag| (*flag).into()).collect();
    Side { name: name.into(), what: What::Kernel(kernel) }
}

fn packages() -> Step {
    let title = "a mail daemon, cron, a DHCP client and the rest of a plain installation removed";
    let before = debian("stock-machine", Baseline::StockMachine);
    let after = debian("stock-machine-pruned", Baseline::StockMachinePruned);
    Step { cumulative: true, ..Step::new("packages", title, before, after) }
}

/// The whole configuration, then decisions of it taken back one by one.
fn configuration() -> Vec<Step> {
    let stock = debian(REFERENCE, Baseline::StockKernel);
    let title = "Debian's cloud kernel replaced by the appliance's configuration";
    let whole = Step { cumulative: true, ..Step::new("configuration", title, stock, plain()) };
    let back = |name: &str, title: &str, options: &[(&str, bool)]| {
        Step::new(name, title, with_options(&format!("with {name}"), options), plain())
    };
    vec![
        whole,
        back("smp", "locks between several processors removed", &[("SMP", true)]),
        back("users", "users other than root removed", &[("MULTIUSER", true)]),
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
    let mut kernel = Kernel::plain();
    kernel.variation.options.extend(DRIVERS.map(drivers));
    let side = |name: &str, disk, nic| Side {
        name: name.into(),
        what: What::Devices(kernel.clone(), Devices { disk, nic }),
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
        Step::new(name, title, plain(), with_flags(name, flags))
    };
    let small = with_options(
        "Os",
        &[("CC_OPTIMIZE_FOR_SIZE", true), ("CC_OPTIMIZE_FOR_PERFORMANCE", false)],
    );
    vec![
        Step::new("Os", "-Os instead of -O2", plain(), small),
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

/// Every measure of `[kernel.tailor]` alone, every option of those that have several,
/// then all of them, and everything against Debian's kernel.
fn tailoring() -> Vec<Step> {
    let mut steps = Vec::new();
    for measure in Measure::ALL {
        let options: Vec<&MenuOption> = measure.options().collect();
        if options.is_empty() && measure != Measure::Lsm {
            continue;
        }
        let before = needed(measure);
        let title = match measure {
            Measure::Lsm => {
                "hooks of security modules, audit, and users other than root removed".into()
            }
            _ => options.iter().map(|option| option.why).collect::<Vec<_>>().join("; "),
        };
        let after = tailored(before.set(measure, true));
        steps.push(Step::new(measure.name(), &title, tailored(before), after));
        if options.len() > 1 {
            steps.extend(options.iter().map(|option| alone(option, &options, before)));
        }
    }
    let title = "all of these together, on top of the configuration";
    let together = Step::new("tailoring", title, plain(), tailored(Tailor::ALL));
    let title = "Debian's kernel replaced by the configuration and all of these";
    let stock = debian(REFERENCE, Baseline::StockKernel);
    let everything = Step::new("everything", title, stock, tailored(Tailor::ALL));
    steps.extend([together, everything].map(|step| Step { cumulative: true, ..step }));
    steps
}

/// The configuration without a measure, but with those that it needs.
fn needed(measure: Measure) -> Tailor {
    let mut tailor = Tailor::CONFIGURATION.set(measure, false);
    let mut next = measure.needs();
    while let Some((needed, _)) = next {
        tailor = tailor.set(needed, true);
        next = needed.needs();
    }
    tailor
}

fn tailored(tailor: Tailor) -> Side {
    let kernel = Kernel { tailor, ..Kernel::plain() };
    Side { name: side_name(tailor), what: What::Kernel(kernel) }
}

/// What a kernel has beyond the configuration, or lacks of it.
fn side_name(tailor: Tailor) -> String {
    let plain = Tailor::CONFIGURATION;
    if tailor == plain {
        return CONFIGURATION.into();
    }
    let differs = |measure: &Measure| tailor.has(*measure) != plain.has(*measure);
    let name = |measure: Measure| match tailor.has(measure) {
        true => measure.name().to_owned(),
        false => format!("without {measure}"),
    };
    if tailor == Tailor::ALL {
        return "all".into();
    }
    let differing = Measure::ALL.into_iter().filter(differs);
    differing.map(name).collect::<Vec<_>>().join(" + ")
}

/// One option of a measure that has several, with those that it needs before it.
fn alone(option: &MenuOption, all: &[&MenuOption], before: Tailor) -> Step {
    let name = option.symbol.trim_start_matches("TAILOR_").to_lowercase();
    let of = |side: Vec<&MenuOption>| {
        let names: Vec<&str> = side.iter().map(|option| option.symbol).collect();
        let name = names.join(" with ");
        let others = all.iter().filter(|other| !names.contains(&other.symbol));
        let off = others.map(|other| {
            Requested::by_measurement(other.symbol, Value::Switch(false), name.as_str())
        });
        let mut kernel = Kernel { tailor: before.set(option.measure, true), ..Kernel::plain() };
        kernel.variation.options.extend(off);
        Side { name, what: What::Kernel(kernel) }
    };
    let needed = all.iter().copied().filter(|other| option.needs.contains(&other.symbol));
    let needed: Vec<&MenuOption> = needed.collect();
    let before = if needed.is_empty() { tailored(before) } else { of(needed.clone()) };
    Step::new(&name, option.why, before, of([vec![option], needed].concat()))
}

/// One image, with the word on its command line and without.
fn kml() -> Step {
    let side = |name: &str, ring_0| Side { name: name.into(), what: What::Kml { ring_0 } };
    let title = "the server in ring 0 instead of 3, on the same kernel";
    Step::new("kml", title, side("server in ring 3", false), side("server in ring 0", true))
}

#[cfg(test)]
mod tests {
    use kernel::OPTIONS;

    use super::*;

    #[test]
    fn every_tailoring_is_measured_alone_and_together() {
        let steps = steps(StageGroup::Tailoring);
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        for option in OPTIONS {
            let alone = option.symbol.trim_start_matches("TAILOR_").to_lowercase();
            let has = |name: &str| names.contains(&name);
            assert!(has(&alone) || has(option.measure.name()), "{} is left out", option.symbol);
        }
        assert_eq!(names[0], "lsm");
        assert_eq!(names[names.len() - 2..], ["tailoring", "everything"]);
    }

    #[test]
    fn a_step_differs_in_nothing_but_itself() {
        for step in steps(StageGroup::Tailoring) {
            let (What::Kernel(before), What::Kernel(after)) = (step.before.what, step.after.what)
            else {
                continue;
            };
            let differs = |one: &Measure| before.tailor.has(*one) != after.tailor.has(*one);
            let differing = Measure::ALL.into_iter().filter(differs).count();
            let off = |kernel: &Kernel| kernel.variation.options.len();
            let has_one_more = differing == 0 && off(&before) == off(&after) + 1;
            assert!(differing == 1 || has_one_more || step.cumulative, "{}", step.name);
            // What a measure needs is there before it.
            for measure in after.tailor.measures() {
                assert!(measure.needs().is_none_or(|(needed, _)| after.tailor.has(needed)));
            }
        }
    }

    #[test]
    fn no_two_kernels_have_the_same_name() {
        use clap::ValueEnum;
        let groups = StageGroup::value_variants().iter();
        let sides = groups.flat_map(|group| steps(*group)).flat_map(|it| [it.before, it.after]);
        let mut seen = std::collections::BTreeMap::new();
        for side in sides {
            let what = format!("{:?}", side.what);
            let other = seen.entry(side.name.clone()).or_insert_with(|| what.clone());
            assert_eq!(*other, what, "{}", side.name);
        }
        assert!(seen.len() > 15);
    }
}
