//! The contract, checked with a real kernel source: `APPLIANCE_KERNEL_TREE` names
//! an unpacked tree, without which these tests are skipped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use host::{Kind, Problem};
use kernel::{
    Configuration, Disk, Hypervisor, Needs, Reason, Requested, Tailor, Value, Verdict, configure,
    requests,
};
use libtest_mimic::{Arguments, Failed, Trial};

type Test = fn(&Tree) -> Result<(), Failed>;

const TESTS: &[(&str, Test)] = &[
    ("every_need_is_fulfilled", every_need_is_fulfilled),
    ("what_is_not_needed_is_not_there", what_is_not_needed_is_not_there),
    ("a_dropped_option_names_what_it_needs", a_dropped_option_names_what_it_needs),
    ("a_forced_option_names_who_selects_it", a_forced_option_names_who_selects_it),
    ("an_unknown_option_gets_suggestions", an_unknown_option_gets_suggestions),
    ("a_number_out_of_range_names_the_range", a_number_out_of_range_names_the_range),
    ("a_value_of_another_type_is_refused", a_value_of_another_type_is_refused),
    ("an_option_that_breaks_ours_is_refused", an_option_that_breaks_ours_is_refused),
    ("an_option_of_the_menu_can_be_off", an_option_of_the_menu_can_be_off),
    ("every_setting_has_a_reason", every_setting_has_a_reason),
    ("the_difference_from_itself_is_nothing", the_difference_from_itself_is_nothing),
];

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // They share one directory of the tree.
    args.test_threads = Some(1);
    let path = std::env::var_os("APPLIANCE_KERNEL_TREE").map(PathBuf::from);
    let trial = |(name, test): &(&'static str, Test)| {
        let (path, test) = (path.clone(), *test);
        let is_skipped = path.is_none();
        let run = move || test(&Tree::new(&path.ok_or("APPLIANCE_KERNEL_TREE is not set")?)?);
        Trial::test(*name, run).with_ignored_flag(is_skipped)
    };
    libtest_mimic::run(&args, TESTS.iter().map(trial).collect()).exit_code()
}

const ALL: Needs = Needs {
    hypervisor: Hypervisor::Kvm,
    disk: Some(Disk { writable: true }),
    ipv6: true,
    efi: true,
    hardened: false,
    tailor: Tailor::CONFIGURATION,
    kml: false,
};

struct Tree {
    path: PathBuf,
    dir: tempfile::TempDir,
}

impl Tree {
    fn new(path: &Path) -> Result<Self, Failed> {
        Ok(Self { path: path.to_owned(), dir: tempfile::tempdir()? })
    }

    fn configure(&self, needs: &Needs, options: &[(&str, Value)]) -> anyhow::Result<Configuration> {
        let user: Vec<Requested> = options
            .iter()
            .map(|(symbol, value)| Requested::by_user(*symbol, value.clone(), "the test"))
            .collect();
        configure(&self.path, &requests(needs, &user)?, &self.dir.path().join("log"))
    }

    /// The text of the refusal of options.
    fn refusal(&self, options: &[(&str, Value)]) -> Result<String, Failed> {
        let Err(error) = self.configure(&ALL, options) else { return Err("not refused".into()) };
        let problem = error.downcast::<Problem>()?;
        if problem.kind != Kind::Refused {
            return Err(format!("not refused but failed: {problem}").into());
        }
        Ok(problem.what)
    }
}

fn expect(text: &str, part: &str) -> Result<(), Failed> {
    if text.contains(part) { Ok(()) } else { Err(format!("{part:?} is not in {text:?}").into()) }
}

fn every_need_is_fulfilled(tree: &Tree) -> Result<(), Failed> {
    for hypervisor in Hypervisor::ALL {
        for hardened in [false, true] {
            let needs = Needs { hypervisor: *hypervisor, hardened, ..ALL };
            let configuration = tree.configure(&needs, &[])?;
            assert!(configuration.judged.iter().all(|judged| judged.verdict == Verdict::Kept));
        }
    }
    let configuration = tree.configure(&ALL, &[])?;
    for line in ["CONFIG_VIRTIO_NET=y", "CONFIG_EXT4_FS=y", "CONFIG_IPV6=y", "CONFIG_EFI_STUB=y"] {
        expect(&configuration.text, line)?;
    }
    Ok(())
}

fn what_is_not_needed_is_not_there(tree: &Tree) -> Result<(), Failed> {
    let needs = Needs { disk: None, ipv6: false, efi: false, ..ALL };
    let configuration = tree.configure(&needs, &[])?;
    for symbol in ["BLOCK", "EXT4_FS", "IPV6", "EFI", "MODULES", "SMP", "KALLSYMS", "INPUT"] {
        assert!(!configuration.text.contains(&format!("CONFIG_{symbol}=y\n")), "{symbol}");
    }
    Ok(())
}

fn a_dropped_option_names_what_it_needs(tree: &Tree) -> Result<(), Failed> {
    let text = tree.refusal(&[("USB_STORAGE", Value::Switch(true))])?;
    expect(&text, "USB_STORAGE=y (the test) is dropped: it needs")?;
    expect(&text, "USB [=n]")
}

fn a_forced_option_names_who_selects_it(tree: &Tree) -> Result<(), Failed> {
    let text = tree.refusal(&[("CRC32", Value::Switch(false))])?;
    expect(&text, "CRC32=n (the test) is forced to y: selected by ")?;
    expect(&text, "EFI_PARTITION")
}

fn an_unknown_option_gets_suggestions(tree: &Tree) -> Result<(), Failed> {
    let text = tree.refusal(&[("VIRTIO_NTE", Value::Switch(true))])?;
    expect(&text, "VIRTIO_NTE=y (the test) is unknown")?;
    expect(&text, "VIRTIO_NET")
}

fn a_number_out_of_range_names_the_range(tree: &Tree) -> Result<(), Failed> {
    let text = tree.refusal(&[("RCU_FANOUT_LEAF", Value::Number(1))])?;
    expect(&text, "RCU_FANOUT_LEAF=1 (the test) is dropped: it needs")?;
    let text = tree.refusal(&[("CONSOLE_LOGLEVEL_DEFAULT", Value::Number(99))])?;
    expect(&text, "forced to 15: allowed is 1 to 15")
}

fn a_value_of_another_type_is_refused(tree: &Tree) -> Result<(), Failed> {
    let text = tree.refusal(&[("BTRFS_FS", Value::Number(1))])?;
    expect(&text, "BTRFS_FS=1 (the test) is not understood: it takes true or false")
}

fn an_option_that_breaks_ours_is_refused(tree: &Tree) -> Result<(), Failed> {
    let text =
        tree.refusal(&[("INPUT", Value::Switch(true)), ("ACPI_BUTTON", Value::Switch(true))])?;
    expect(&text, "ACPI_TINY_POWER_BUTTON=y (kernel/fragments/platform.config:")?;
    expect(&text, "!ACPI_BUTTON [=y]")
}

fn an_option_of_the_menu_can_be_off(tree: &Tree) -> Result<(), Failed> {
    let without = |symbol| {
        let needs = Needs { tailor: Tailor::ALL, ..ALL };
        tree.configure(&needs, &[(symbol, Value::Switch(false))])
    };
    expect(&without("TAILOR_GRO")?.text, "# CONFIG_TAILOR_GRO is not set")?;
    let Err(error) = without("TAILOR_DAC") else { return Err("not refused".into()) };
    let problem = error.downcast::<Problem>()?;
    expect(&problem.what, "TAILOR_PATH=y (kernel.tailor.vfs) is dropped: it needs ")?;
    expect(&problem.what, "TAILOR_DAC [=n]")?;
    expect(&problem.hint.unwrap_or_default(), "add `TAILOR_PATH = false` to [kernel.options]")
}

fn every_setting_has_a_reason(tree: &Tree) -> Result<(), Failed> {
    let settings = tree.configure(&ALL, &[("BTRFS_FS", Value::Switch(true))])?.settings();
    let reason = |name: &str| {
        let found = settings.iter().find(|setting| setting.symbol == name);
        found.map(|setting| setting.reason.clone()).ok_or_else(|| Failed::from(name))
    };
    assert!(matches!(reason("VIRTIO_NET")?, Reason::Requested { .. }));
    assert!(matches!(reason("BTRFS_FS")?, Reason::Requested { .. }));
    assert!(matches!(reason("NET_FAILOVER")?, Reason::Selected { .. }));
    assert_eq!(reason("X86_64")?, Reason::Derived);
    assert_eq!(reason("PANIC_TIMEOUT")?, Reason::Default);
    Ok(())
}

fn the_difference_from_itself_is_nothing(tree: &Tree) -> Result<(), Failed> {
    let configuration = tree.configure(&ALL, &[])?;
    let same = configuration.difference(&configuration.text);
    assert_eq!((same.dropped, same.added.len(), same.groups.len()), (0, 0, 0));
    let other = configuration.text.replace("CONFIG_IPV6=y", "CONFIG_SMP=y\nCONFIG_BTRFS_FS=m");
    let difference = configuration.difference(&other);
    assert_eq!(difference.added, ["IPV6"]);
    assert_eq!((difference.dropped, difference.modules_there), (2, 1));
    let groups: Vec<&str> = difference.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(groups[..2], ["File systems", "Processor type and features"]);
    Ok(())
}
