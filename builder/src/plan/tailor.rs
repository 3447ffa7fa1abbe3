//! What is left out of the kernel, checked against the rest of the specification.
//!
//! The bypass of `vfs` reaches ext3, ext4, tmpfs, ramfs and sockets; those are all
//! the storages that there are ([`super::Storage`]), so it needs no check of its own.

use host::Problem;
use kernel::{Measure, MenuOption, Tailor};

use super::Network;
use crate::spec::{KernelValue, Profile, Project};
use crate::target::Target;

/// The section of the file.
const SECTION: &str = "kernel.tailor";
/// The option that receives packets into buffers of their own; of virtio-net alone.
const RECEIVE: &str = "TAILOR_RECEIVE";
/// The largest MTU with it, in bytes.
const RECEIVE_MTU_MAX: u16 = 1500;

/// What the kernel of a project leaves out.
///
/// # Errors
/// Refused where one measure needs another, where the profile has what a measure
/// leaves out, and where packets are larger than what an option receives.
pub(super) fn plan(
    project: &Project,
    target: Target,
    network: &Network,
) -> Result<Tailor, Problem> {
    let spec = &project.spec.kernel;
    let tailor = spec.tailor.with(spec.profile);
    let kept = [
        (Measure::Dac, "the profile hardened runs the server as a user whom mode bits confine"),
        (Measure::Core, "the profile hardened has mitigations of the processor's faults"),
    ];
    let kept = kept.iter().find(|(measure, _)| tailor.has(*measure));
    if let (Profile::Hardened, Some((measure, what))) = (spec.profile, kept) {
        let problem = project.refuse(SECTION, measure.name(), what);
        return Err(problem.hint("remove it, or use another profile"));
    }
    for measure in tailor.measures() {
        if let Some((needed, why)) = measure.needs().filter(|(needed, _)| !tailor.has(*needed)) {
            return Err(unfulfilled(project, tailor, measure, (needed, why)));
        }
    }
    let receives = options(project, tailor).any(|option| option.symbol == RECEIVE);
    if receives && target == Target::Kvm {
        check_mtu(project, network)?;
    }
    Ok(tailor)
}

/// The options of the menu that are on: those of the measures, but for what the user
/// switches off.
fn options(project: &Project, tailor: Tailor) -> impl Iterator<Item = &'static MenuOption> {
    let of_user = &project.spec.kernel.options;
    let is_off = |option: &MenuOption| {
        let mut options = of_user.iter().filter(|(symbol, _)| symbol.as_str() == option.symbol);
        options.any(|(_, value)| *value == KernelValue::Switch(false))
    };
    tailor.options().filter(move |option| !is_off(option))
}

/// The refusal, at the key that the file has.
fn unfulfilled(
    project: &Project,
    tailor: Tailor,
    measure: Measure,
    (needed, why): (Measure, &str),
) -> Problem {
    let spec = &project.spec.kernel;
    let profile = spec.profile.name();
    let of_profile = |it| match spec.tailor.get(it) {
        Some(_) => String::new(),
        None => format!(" of the profile {profile}"),
    };
    if spec.tailor.get(needed).is_some() {
        let user = of_profile(measure);
        let what = format!("`{measure}`{user} needs it: {why}");
        let hint = format!("set {}, or remove `{needed} = false`", tailor.without(measure));
        project.refuse(SECTION, needed.name(), &what).hint(hint)
    } else {
        let what = format!("it needs `{needed}`, which is off in the profile {profile}: {why}");
        let hint = format!("add `{needed} = true`, or remove `{measure}`");
        project.refuse(SECTION, measure.name(), &what).hint(hint)
    }
}

/// An option of the user's that options of the menu cannot be together with.
///
/// # Errors
/// Refused with the line of the option and the ways out.
pub(super) fn check_options(project: &Project, tailor: Tailor) -> Result<(), Problem> {
    for (symbol, value) in &project.spec.kernel.options {
        let symbol = symbol.as_str();
        let clash = |option: &'static MenuOption| Some((option, option.clash(symbol)?));
        let clashes: Vec<_> = options(project, tailor).filter_map(clash).collect();
        if let (KernelValue::Switch(true), Some((option, other))) = (value, clashes.first()) {
            let what = match *other == symbol {
                true => "it off".to_owned(),
                false => format!("{other} off, which it turns on"),
            };
            let what =
                format!("{} of `kernel.tailor.{}` needs {what}", option.symbol, option.measure);
            let options: Vec<_> = clashes.iter().map(|(option, _)| *option).collect();
            return Err(project.refuse("kernel.options", symbol, &what).hint(ways_out(&options)));
        }
    }
    Ok(())
}

/// What to do about an option that these of the menu cannot be together with.
fn ways_out(clashes: &[&MenuOption]) -> String {
    let off = |names: Vec<&str>| {
        let lines: Vec<String> = names.iter().map(|name| format!("`{name} = false`")).collect();
        lines.join(" and ")
    };
    let clash = |measure: &Measure| clashes.iter().any(|option| option.measure == *measure);
    let measures = Measure::ALL.into_iter().filter(clash);
    format!(
        "remove it, or add {} beside it, or {} to [kernel.tailor]",
        off(clashes.iter().map(|option| option.symbol).collect()),
        off(measures.map(Measure::name).collect()),
    )
}

/// Packets that virtio-net would not receive.
fn check_mtu(project: &Project, network: &Network) -> Result<(), Problem> {
    if network.mtu.is_none_or(|mtu| mtu <= RECEIVE_MTU_MAX) {
        return Ok(());
    }
    let what = format!("{RECEIVE} of `kernel.tailor.net` receives {RECEIVE_MTU_MAX} bytes at most");
    let hint = format!(
        "lower it, or add `{RECEIVE} = false` to [kernel.options], or `net = false` to \
         [kernel.tailor]"
    );
    Err(project.refuse("network", "mtu", &what).hint(hint))
}
