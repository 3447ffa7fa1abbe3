//! What contradicts itself is refused, with the line of the key.

use std::fs;

use host::Problem;

use super::*;
use crate::spec;

const GOOD: &str = "\
name = \"web\"
[server]
root = \"site\"
[network]
addresses = [\"10.0.2.15/24\", \"2001:db8::2/64\"]
gateways = [\"10.0.2.2\", \"fe80::1\"]
";

/// The plan of a project with this file.
fn plan(text: &str) -> Result<Plan> {
    plan_of(Target::Kvm, Variant::Default, text)
}

fn plan_for(target: Target, text: &str) -> Result<Plan> {
    plan_of(target, Variant::Default, text)
}

fn plan_of(target: Target, variant: Variant, text: &str) -> Result<Plan> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("site"))?;
    fs::write(dir.path().join("site/index.html"), "x")?;
    fs::write(dir.path().join("appliance.toml"), text)?;
    Plan::new(&spec::load(dir.path())?, target, variant)
}

/// The refusal of the file with one text put in place of another.
fn refusal(old: &str, new: &str) -> String {
    refusal_for(Target::Kvm, old, new)
}

fn refusal_for(target: Target, old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    let error = plan_for(target, &GOOD.replace(old, new)).unwrap_err();
    let problem = error.downcast_ref::<Problem>().unwrap();
    assert_eq!(problem.kind, host::Kind::Refused);
    problem.what.rsplit("appliance.toml:").next().unwrap_or_default().to_owned()
}

#[test]
fn a_real_machine_has_a_screen_beside_the_serial_port() {
    let consoles = |target, text: &str| {
        let cmdline = plan_for(target, text).unwrap().kernel.cmdline;
        let words = cmdline.split(' ').filter(|word| word.starts_with("console="));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(consoles(Target::Kvm, GOOD), ["console=ttyS0"]);
    // The last one is PID 1's.
    assert_eq!(consoles(Target::Host, GOOD), ["console=tty0", "console=ttyS0"]);
    let own = format!("{GOOD}[kernel]\ncommand-line = \"console=tty0\"\n");
    assert_eq!(consoles(Target::Host, &own).last().unwrap(), "console=tty0");
}

#[test]
fn the_kernel_follows_from_the_plan() {
    let full = plan(GOOD).unwrap();
    assert!(full.kernel.needs.ipv6 && full.kernel.needs.disk.is_some());
    let less = plan(
        &GOOD
            .replace(", \"2001:db8::2/64\"", "")
            .replace(", \"fe80::1\"", "")
            .replace("root =", "storage = \"ram\"\nroot ="),
    )
    .unwrap();
    assert!(!less.kernel.needs.ipv6 && less.kernel.needs.disk.is_none());
}

#[test]
fn a_variant_decides_over_kernel_and_server() {
    let (usual, kml) = (plan(GOOD).unwrap(), plan_of(Target::Kvm, Variant::Kml, GOOD).unwrap());
    assert!(!usual.kernel.needs.kml && kml.kernel.needs.kml);
    let asks = |plan: &Plan| plan.kernel.cmdline.split(' ').any(|word| word == "kml");
    assert!(!asks(&usual) && asks(&kml));
    assert_eq!((usual.server.path, kml.server.path), ("/sbin/lighttpd", "/trusted/lighttpd"));
}

#[test]
fn a_hardened_kernel_runs_no_server_in_ring_0() {
    let hardened = format!("{GOOD}[kernel]\nprofile = \"hardened\"\n");
    assert!(plan(&hardened).is_ok());
    let error = plan_of(Target::Kvm, Variant::Kml, &hardened).unwrap_err();
    let problem = error.downcast_ref::<Problem>().unwrap();
    assert_eq!(problem.kind, host::Kind::Refused);
    assert!(problem.what.contains("appliance.toml:8: `kernel.profile`"), "{}", problem.what);
}

#[test]
fn a_hardened_server_writes_to_no_disk() {
    let writable = |profile| {
        let sections = format!("[disk]\nread-only = false\n[kernel]\nprofile = \"{profile}\"");
        plan(&format!("{GOOD}{sections}\n"))
    };
    assert!(writable("stock-checks").is_ok());
    let error = writable("hardened").unwrap_err();
    let problem = error.downcast_ref::<Problem>().unwrap();
    assert_eq!(problem.kind, host::Kind::Refused);
    assert!(problem.what.contains("appliance.toml:8: `disk.read-only`"), "{}", problem.what);
}

#[test]
fn names_of_the_disk_follow_the_content() {
    let (one, other) = (plan(GOOD).unwrap(), plan(&GOOD.replace("web", "shop")).unwrap());
    assert_eq!(one.seed(), plan(GOOD).unwrap().seed());
    assert_ne!(one.seed(), other.seed());
}

#[test]
fn networks_that_cannot_be() {
    for (old, new, what) in [
        ("10.0.2.2\"", "10.0.3.2\"", "6: `network.gateways`: 10.0.3.2 is outside of 10.0.2.0/24"),
        ("\"fe80::1\"", "\"10.0.2.3\"", "6: `network.gateways`: 10.0.2.2 and 10.0.2.3 are of"),
        ("10.0.2.2\"", "10.0.2.15\"", "6: `network.gateways`: 10.0.2.15 is the appliance's own"),
        ("2001:db8::2/64", "10.0.2.15/8", "5: `network.addresses`: 10.0.2.15 is there twice"),
        (
            "gateways",
            "mtu = 1000\ngateways",
            "6: `network.mtu`: IPv6 needs an MTU of at least 1280",
        ),
        (
            "gateways",
            "mtu = 9000\ngateways",
            "6: `network.mtu`: TAILOR_RECEIVE of `kernel.tailor.net` receives 1500 bytes at most",
        ),
    ] {
        let said = refusal(old, new);
        assert!(said.starts_with(what), "{said}");
    }
}

#[test]
fn a_site_in_ram_has_no_disk() {
    let said = refusal("[network]", "storage = \"ram\"\n[disk]\nsize = \"64M\"\n[network]");
    assert!(said.starts_with("4: `server.storage`: with \"ram\" there is no disk"), "{said}");
}

#[test]
fn a_module_that_does_not_exist() {
    let said = refusal("root", "modules = [\"deflat\"]\nroot");
    assert_eq!(said, "3: `server.modules`: there is no module \"deflat\"");
}

#[test]
fn a_command_line_is_one_line() {
    let said = refusal("[network]", "[kernel]\ncommand-line = \"a\\nb\"\n[network]");
    assert!(said.starts_with("5: `kernel.command-line`: only printable ASCII"), "{said}");
}

#[test]
fn the_profile_decides_what_is_left_out() {
    for (profile, expected) in [
        ("fast", ::kernel::Tailor::ALL),
        ("stock-checks", ::kernel::Tailor::CONFIGURATION),
        ("hardened", ::kernel::Tailor::CONFIGURATION),
    ] {
        let text = format!("{GOOD}[kernel]\nprofile = \"{profile}\"\n");
        assert_eq!(plan(&text).unwrap().kernel.needs.tailor, expected, "{profile}");
    }
    let text = format!("{GOOD}[kernel]\nprofile = \"stock-checks\"\ntailor.checks = true\n");
    let needs = plan(&text).unwrap().kernel.needs;
    assert_eq!(needs.tailor, ::kernel::Tailor { checks: true, ..::kernel::Tailor::CONFIGURATION });
}

#[test]
fn measures_that_cannot_be() {
    let stock = "profile = \"stock-checks\"";
    let hardened = "profile = \"hardened\"";
    let all = "dac = true\nchecks = true\nvfs = true";
    for (kernel, what) in [
        (
            format!("{stock}\n[kernel.tailor]\nvfs = true"),
            "10: `kernel.tailor.vfs`: it needs `dac`",
        ),
        (
            format!("{stock}\ntailor = {{ dac = true, lsm = false }}"),
            "9: `kernel.tailor.lsm`: `dac` needs it",
        ),
        (format!("{hardened}\ntailor.dac = true"), "9: `kernel.tailor.dac`: the profile hardened"),
        (
            format!("{hardened}\ntailor.core = true"),
            "9: `kernel.tailor.core`: the profile hardened",
        ),
        (
            format!("{stock}\ntailor.core = true\n[kernel.options]\nX86_FRED = true"),
            "11: `kernel.options.X86_FRED`: TAILOR_ENTRY of `kernel.tailor.core` needs it off",
        ),
        (
            format!("{stock}\n[kernel.options]\nINOTIFY_USER = true\n[kernel.tailor]\n{all}"),
            "10: `kernel.options.INOTIFY_USER`: TAILOR_READ of `kernel.tailor.vfs` needs FSNOTIFY off, \
             which it turns on",
        ),
    ] {
        let error = plan(&format!("{GOOD}[kernel]\n{kernel}\n")).unwrap_err();
        let problem = error.downcast_ref::<Problem>().unwrap();
        assert_eq!(problem.kind, host::Kind::Refused);
        let said = problem.what.rsplit("appliance.toml:").next().unwrap_or_default();
        assert!(said.starts_with(what), "{said}");
    }
}

#[test]
fn a_measure_is_off_with_all_that_need_it() {
    let text = format!("{GOOD}[kernel.tailor]\nlsm = false\n");
    let problem = plan(&text).unwrap_err().downcast::<Problem>().unwrap();
    let ways = "set `dac = false` and `vfs = false`, or remove `lsm = false`";
    assert_eq!(problem.hint.unwrap(), ways);
    assert!(plan(&format!("{text}dac = false\nvfs = false\n")).is_ok());
}

#[test]
fn an_option_that_is_off_is_in_nobodys_way() {
    let off = |option: &str| format!("{GOOD}[kernel.options]\n{option} = false\n");
    let options = plan(&off("TAILOR_GRO")).unwrap().kernel.options;
    assert_eq!(options.len(), 1);

    let large = |text: String| plan(&text.replace("gateways", "mtu = 9000\ngateways"));
    assert!(large(off("TAILOR_GRO")).is_err());
    assert!(large(off("TAILOR_RECEIVE")).is_ok());

    let bbr = |option: &str| plan(&format!("{}TCP_CONG_BBR = true\n", off(option)));
    let problem = bbr("TAILOR_GRO").unwrap_err().downcast::<Problem>().unwrap();
    let hint = "remove it, or add `TAILOR_RATE = false` beside it, or `net = false` to";
    assert!(problem.hint.unwrap().starts_with(hint));
    assert!(bbr("TAILOR_RATE").is_ok());
}

#[test]
fn every_way_out_of_a_clash_is_named() {
    let refusal = |option: &str| {
        let text = format!("{GOOD}[kernel.options]\n{option} = true\n");
        plan(&text).unwrap_err().downcast::<Problem>().unwrap()
    };
    let ways = "remove it, or add `TAILOR_ENTRY = false` and `TAILOR_SEGMENT = false` beside it, \
                or `net = false` and `core = false` to [kernel.tailor]";
    assert_eq!(refusal("KMSAN").hint.unwrap(), ways);
    // Without any measure it could not be had either.
    let hint = refusal("SMP").hint.unwrap();
    assert_eq!(hint, "remove the option SMP");
}

#[test]
fn a_package_for_vmware() {
    let kvm = plan(GOOD).unwrap();
    assert_eq!(kvm.vmware, None);
    let vmware = plan_for(Target::Vmware, GOOD).unwrap().vmware.unwrap();
    assert_eq!(vmware.hardware_version.name(), "vmx-14");
    assert_eq!((vmware.network.as_str(), vmware.memory), ("VM Network", 64));
    let section = "[vmware]\nfirmware = \"uefi\"\n[network]";
    let uefi = plan_for(Target::Vmware, &GOOD.replace("[network]", section)).unwrap();
    assert_eq!(uefi.vmware.unwrap().memory, 96);
}

#[test]
fn what_vmware_has_not() {
    let said = refusal_for(Target::Vmware, "\"web\"", "\"Com7\"");
    assert!(said.starts_with("1: `name`: Windows keeps `com7` for a device"), "{said}");
    assert!(plan(&GOOD.replace("\"web\"", "\"com7\"")).is_ok());
    let section = "[vmware]\nhardware-version = \"vmx-07\"\nfirmware = \"uefi\"\n[network]";
    let said = refusal_for(Target::Vmware, "[network]", section);
    assert_eq!(said, "6: `vmware.firmware`: hardware version vmx-07 has no UEFI");
}
