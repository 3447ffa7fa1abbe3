//! The guest of `guest.s`. The numbers are those of its lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bench::counts::{CallCounts, Counter, Counts, Site, Window};
use host::Command;
use qemu::{Accelerator, Clock, Engine, Guest, Kernel, Machine, Start};
use tempfile::TempDir;

use crate::{DEADLINE, plugin};

/// A test without an image.
type Test = fn() -> Result<()>;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_known_guest_is_counted_to_the_instruction", exact),
    ("counts_are_the_same_with_the_clock_of_instructions", exact_with_icount),
    ("symbols_of_another_kernel_are_told", other_symbols),
    ("a_guest_that_has_ended_is_told", ended),
    ("a_plugin_that_is_none_is_told", no_plugin),
    ("a_plugin_of_another_version_is_told", other_version),
    ("a_machine_with_kvm_cannot_be_counted", kvm),
];

/// Interrupts through stubs: of the serial line, in `write`, and in each run of
/// softirqs.
const INTERRUPTS: u64 = 4;
/// Instructions of a run of softirqs, with those of `__x86_return_thunk`.
const SOFTIRQS: u64 = 2 + 3 + 2 + 1;

/// Instructions by function, once counting has begun.
const FUNCTIONS: [(&str, u64); 26] = [
    ("work", 6),
    // Once more by the other task.
    ("plain", 2 * (1 + 2 * 1000 + 1)),
    // Each instruction under `rep` once, and also the one that does nothing.
    ("copy", 9),
    ("ports", 7 + 1 + 3 + 1 + 1),
    ("others", 3 * 2 + 1 + 2 + 1 + 5 + 1),
    ("driver", 3),
    ("kmem_cache_alloc_noprof", 2),
    // Eight calls return, the last one does not.
    ("entry_SYSCALL_64", 8 * 8 + 4),
    ("__x64_sys_getpid", 3 * 2),
    // The instruction that takes the page fault is executed twice.
    ("__x64_sys_read", 2 * 6 + 1),
    ("__x64_sys_write", 5),
    ("__x64_sys_shutdown", 4),
    ("do_softirq", 6),
    // Once in a call, once in an interrupt.
    ("__do_softirq", 2 * 2),
    ("handle_softirqs", 2 * 3),
    ("net_rx_action", 2 * 2),
    ("asm_sysvec_reschedule_ipi", 2),
    ("__x64_sys_nanosleep", 2),
    ("__switch_to_asm", 2 * 6),
    ("__x64_sys_exit_group", 4),
    ("other_task", 2),
    ("irq_entries_start", INTERRUPTS * 2),
    ("asm_common_interrupt", INTERRUPTS * 10),
    ("asm_exc_page_fault", 3),
    ("untouched", 0),
    ("gate", 0),
];

/// System calls: count, sum, smallest, softirqs inside.
const CALLS: [(&str, u64, u64, u64, u64); 5] = [
    ("getpid", 3, 3 * (8 + 2), 8 + 2, 0),
    ("read", 2, 2 * (8 + 6) + 1, 8 + 6, 0),
    // The softirqs in its interrupt are the interrupt's.
    ("write", 1, 8 + 5, 8 + 5, 0),
    // The other task's part is not in it; a switch is seen one `pop` late.
    ("nanosleep", 1, 8 + 2 + 6, 8 + 2 + 6, 0),
    ("shutdown", 1, 8 + 4 + 6, 8 + 4 + 6, SOFTIRQS),
];

/// Instructions between marks: the mark, then how often which number.
const WINDOWS: [(u16, &[(u64, u64)]); 7] = [
    (1, &[(0, 1)]),
    (2, &[(11, 1)]),
    (3, &[(1 + 8 + 2, 3)]),
    (4, &[(1 + 8 + 6, 1), (1 + 8 + 7, 1)]),
    (5, &[(1 + 8 + 5, 1)]),
    // What the other task does is in it.
    (6, &[(1 + 8 + 2 + 12 + 2 + 2002, 1)]),
    (7, &[(1 + 8 + 4 + 6, 1)]),
];

fn exact() -> Result<()> {
    check(&Bare::new()?.run(Clock::Real)?)
}

fn exact_with_icount() -> Result<()> {
    check(&Bare::new()?.run(Clock::Instructions(0))?)
}

fn check(counts: &Counts) -> Result<()> {
    for (name, expected) in FUNCTIONS {
        let counted = counts.functions.get(name).copied().unwrap_or(0);
        ensure!(counted == expected, "{name}: {counted} instructions instead of {expected}");
    }
    let calls = CALLS.map(|(name, count, sum, min, softirqs)| {
        (name.into(), CallCounts { count, sum, min, softirqs })
    });
    ensure!(counts.calls == BTreeMap::from(calls), "calls: {:?}", counts.calls);
    check_windows(&counts.windows)?;
    // With each the stub before it; and the one that runs softirqs.
    let interrupts = INTERRUPTS * (2 + 10) + 2 + SOFTIRQS;
    ensure!(counts.interrupts == interrupts, "{} in interrupts", counts.interrupts);
    ensure!(counts.softirqs == SOFTIRQS, "{} in softirqs", counts.softirqs);
    ensure!(counts.exceptions == 3, "{} in exceptions", counts.exceptions);
    ensure!(counts.user == 61, "{} instructions of user mode", counts.user);
    let kernel: u64 = counts.functions.values().sum();
    ensure!(counts.kernel == kernel, "{} and {kernel} of the kernel", counts.kernel);
    ensure!(counts.total == counts.user + kernel, "{} in all", counts.total);
    let bytes = 4096 + 512 * 8 + 2 * 100;
    ensure!(counts.rep_bytes == bytes, "{} bytes instead of {bytes}", counts.rep_bytes);
    // With that of `rep outsb`.
    let turns = 4096 + 512 + 2 * 100 + 5;
    ensure!(counts.turns == turns, "{} turns instead of {turns}", counts.turns);
    check_exits(&counts.exits)?;
    let site = Site("driver".into(), "kmem_cache_alloc_noprof".into(), 2);
    ensure!(counts.allocations == [site], "allocations: {:?}", counts.allocations);
    ensure!(counts.executed.contains("gate"), "what was executed before is not told");
    ensure!(!counts.executed.contains("untouched"), "what was not executed is told");
    let [entry, kernel] = ["entry", "kernel"].map(|name| counts.phases[name].instructions);
    ensure!(kernel - entry == 16, "the kernel begins {} after its entry", kernel - entry);
    Ok(())
}

fn check_windows(windows: &BTreeMap<u16, Window>) -> Result<()> {
    for (mark, expected) in WINDOWS {
        let window = windows.get(&mark).with_context(|| format!("no window {mark}"))?;
        let histogram = BTreeMap::from_iter(expected.iter().copied());
        ensure!(window.histogram == histogram, "window {mark}: {window:?}");
        ensure!(window.count == histogram.values().sum::<u64>(), "window {mark}: {window:?}");
        ensure!(Some(&window.min) == histogram.keys().next(), "window {mark}: {window:?}");
        let bytes = if mark == 4 { 100 } else { 0 };
        ensure!(window.rep_bytes == bytes, "window {mark}: {window:?}");
        let softirqs = if mark == 7 { SOFTIRQS } else { 0 };
        ensure!(window.softirqs == softirqs, "window {mark}: {window:?}");
    }
    ensure!(windows.len() == WINDOWS.len(), "windows: {windows:?}");
    Ok(())
}

fn check_exits(exits: &BTreeMap<String, u64>) -> Result<()> {
    // Setting the APIC's timer is none. `rep outsb` leaves the machine once; the interrupts ask two ports each, and
    // `done` has five bytes.
    for (kind, expected) in
        [("port", 7 + 1 + 1 + INTERRUPTS * 2 + 5), ("cpuid", 3), ("wrmsr", 2), ("memory", 3)]
    {
        ensure!(exits[kind] == expected, "{kind}: {} instead of {expected}", exits[kind]);
    }
    // Counting may begin before or after the first halt.
    ensure!((1..=2).contains(&exits["hlt"]), "hlt: {}", exits["hlt"]);
    Ok(())
}

fn other_symbols() -> Result<()> {
    let bare = Bare::new()?;
    let moved: String = fs::read_to_string(&bare.symbols)?
        .lines()
        .map(|line| {
            let (address, rest) = line.split_once(' ').unwrap();
            let address = u64::from_str_radix(address, 16).unwrap();
            format!("{:016x} {rest}\n", address.wrapping_add(1))
        })
        .collect();
    fs::write(&bare.symbols, moved)?;
    let error = bare.run(Clock::Real).err().context("the counts were read")?;
    ensure!(format!("{error:#}").contains("System.map"), "{error:#}");
    Ok(())
}

fn ended() -> Result<()> {
    let bare = Bare::new()?;
    let (mut counter, guest) = bare.boot(Clock::Real)?;
    counter.total()?;
    drop(guest);
    let error = counter.total().err().context("it was counted")?;
    ensure!(format!("{error:#}").contains("QEMU has ended"), "{error:#}");
    Ok(())
}

fn no_plugin() -> Result<()> {
    let bare = Bare { plugin: "/usr/lib/os-release".into(), ..Bare::new()? };
    let error = bare.boot(Clock::Real).err().context("it was started")?;
    ensure!(format!("{error:#}").contains("plugin"), "{error:#}");
    Ok(())
}

fn other_version() -> Result<()> {
    let bare = Bare::new()?;
    let dir = tempfile::tempdir()?;
    let (source, plugin) = (dir.path().join("plugin.c"), dir.path().join("plugin.so"));
    fs::write(&source, "int qemu_plugin_version = 99; int qemu_plugin_install;")?;
    Command::new("gcc").args(["-shared", "-fPIC", "-o"]).args([&plugin, &source]).run()?;
    let error = Bare { plugin, ..bare }.boot(Clock::Real).err().context("it was started")?;
    let hint = error.downcast_ref::<host::Problem>().and_then(|it| it.hint.clone());
    ensure!(format!("{error:#}").contains("API version 99"), "{error:#}");
    ensure!(hint.is_some_and(|hint| hint.contains("other versions")), "{error:#}");
    Ok(())
}

fn kvm() -> Result<()> {
    let accelerator = Accelerator { engine: Engine::Kvm, why: String::new() };
    let mut machine = Machine::new(Start::Bios, accelerator, 16);
    let counter = Counter::attach(&mut machine, Path::new("/none"), Path::new("/none"));
    let error = counter.err().context("it was attached")?;
    ensure!(error.to_string().contains("under emulation only"), "{error:#}");
    Ok(())
}

/// The guest, assembled.
struct Bare {
    /// Holds the files.
    _dir: TempDir,
    image: PathBuf,
    symbols: PathBuf,
    plugin: PathBuf,
}

impl Bare {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin");
        let path = |name: &str| dir.path().join(name);
        let (object, image, symbols) = (path("guest.o"), path("guest"), path("System.map"));
        Command::new("as").arg("-o").arg(&object).arg(source.join("guest.s")).run()?;
        Command::new("ld")
            .args(["-nostdlib", "--no-warn-rwx-segments", "-T"])
            .arg(source.join("guest.ld"))
            .arg("-o")
            .args([&image, &object])
            .run()?;
        fs::write(&symbols, Command::new("nm").arg("-n").arg(&image).output()?)?;
        Ok(Self { _dir: dir, image, symbols, plugin: plugin()? })
    }

    fn boot(&self, clock: Clock) -> Result<(Counter, Guest)> {
        let kernel =
            Kernel { image: self.image.clone(), initramfs: None, command_line: String::new() };
        let mut machine = Machine::new(Start::Kernel(kernel), Accelerator::tcg("a test"), 32);
        machine.clock = clock;
        let counter = Counter::attach(&mut machine, &self.plugin, &self.symbols)?;
        Ok((counter, machine.boot()?))
    }

    /// Counts from the moment when it waits until it halts.
    fn run(&self, clock: Clock) -> Result<Counts> {
        let (mut counter, mut guest) = self.boot(clock)?;
        // The firmware writes on the same line, without an end.
        guest.wait_for("the guest", DEADLINE, |line| line.ends_with("ready").then_some(()))?;
        counter.start()?;
        guest.type_in("\n")?;
        guest.wait_for("its end", DEADLINE, |line| line.ends_with("done").then_some(()))?;
        let start = Instant::now();
        loop {
            let counts = counter.read()?;
            if counts.functions.get("__x64_sys_exit_group") >= Some(&4) {
                return Ok(counts);
            }
            ensure!(start.elapsed() < DEADLINE, "it does not halt: {:?}", counts.functions);
        }
    }
}
