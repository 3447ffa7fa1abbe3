//! A real kernel, up to the moment when its server serves.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bench::counts::{COMMAND_LINE, Counter, Counts};
use bench::data::Phase;
use bench::loads::Link;
use bench::{Subject, Tools, measure};
use qemu::{
    Accelerator, Clock, Disk, DiskFormat, Kernel, LocalPort, Machine, Network, Start, UserNetwork,
};
use serde_json::Value;

use crate::{DEADLINE, plugin};

/// A test with an image.
type Test = fn(&Path) -> Result<()>;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_kernel_is_counted_by_function_and_call", counts_add_up),
    ("two_starts_agree", starts_agree),
    ("starts_from_the_disk_have_phases", disk_starts),
    ("memory_in_use_is_read", memory),
    ("symbols_of_another_build_are_told", other_build),
];

/// How much two starts may differ.
const TOLERANCE: f64 = 0.001;
/// The page of the image that is asked for.
const PAGE: &str = "../examples/hello/site/index.html";
/// Moments of a start that this kernel goes through, in their order.
const MOMENTS: [&str; 4] = ["entry", "kernel", "program 1", "program 2"];

fn counts_add_up(image: &Path) -> Result<()> {
    let counts = start(image, &image.join("System.map"))?;
    let kernel: u64 = counts.functions.values().sum();
    // The guest may go on while its counters are looked at.
    ensure!(counts.kernel.abs_diff(kernel) < kernel / 1000, "{} and {kernel}", counts.kernel);
    for call in ["execve", "mount", "socket", "bind", "listen"] {
        let call = counts.calls.get(call).copied().unwrap_or_default();
        ensure!(call.count > 0 && call.min > 0 && call.sum >= call.min, "{:?}", counts.calls);
    }
    ensure!(!counts.calls.contains_key("unknown"), "{:?}", counts.calls);
    let called: u64 = counts.calls.values().map(|call| call.sum).sum();
    let parts = called + counts.interrupts + counts.exceptions + counts.idle;
    ensure!(parts < counts.kernel, "{parts} of {} in parts", counts.kernel);
    ensure!(counts.allocations.iter().any(|site| site.1.starts_with("__kmalloc")));
    let moments = MOMENTS.map(|name| counts.phases[name].instructions);
    ensure!(moments.is_sorted(), "{:?}", counts.phases);
    Ok(())
}

fn starts_agree(image: &Path) -> Result<()> {
    let map = image.join("System.map");
    let begin = |counts: &Counts| counts.phases["program 2"].instructions;
    let (one, two) = (begin(&start(image, &map)?), begin(&start(image, &map)?));
    println!("{one} and {two} instructions up to the server");
    ensure!(one.abs_diff(two) as f64 <= TOLERANCE * one as f64, "{one} and {two}");
    Ok(())
}

fn disk_starts(image: &Path) -> Result<()> {
    let plugin = plugin()?;
    let none = std::path::PathBuf::new;
    let tools = Tools { plugin, syscalls: none(), load_modules: none(), choose_scheduler: none() };
    for (start, memory) in [(Start::Bios, 64), (Start::Uefi, 96)] {
        let subject = subject(image, start, memory)?;
        let boot = || measure::boot(&subject, &tools, &Link::User { why: "a test".into() });
        let (one, two) = (boot()?, boot()?);
        println!("{one:?} and {two:?}");
        let names: Vec<&str> = one.phases.iter().map(|phase| phase.name.as_str()).collect();
        ensure!(names[0].starts_with("firmware"), "{names:?}");
        ensure!(names.ends_with(&["kernel", "PID 1", "server"]), "{names:?}");
        let is_sound = |it: &Phase| it.instructions > 100_000 && it.milliseconds > 0.0;
        ensure!(one.phases.iter().all(is_sound), "{one:?}");
        let (one, two) = (one.instructions, two.instructions);
        ensure!(one.abs_diff(two) as f64 <= TOLERANCE * one as f64, "{one} and {two}");
    }
    Ok(())
}

/// Of twice the memory little more is in use.
fn memory(image: &Path) -> Result<()> {
    let link = Link::User { why: "a test".into() };
    let used = |memory| {
        let subject = subject(image, direct(image), memory)?;
        measure::used(&subject, &link)
    };
    let (little, much) = (used(32)?, used(64)?);
    println!("{little} and {much} KiB in use");
    // A page table entry and a `struct page` of 64 bytes for each page more.
    ensure!(little > 8 << 10 && little < 32 << 10, "{little} KiB of 32 MiB");
    ensure!(much > little && much < little + (4 << 10), "{little} and {much} KiB");
    Ok(())
}

/// The image as a subject.
fn subject(image: &Path, start: Start, memory: u32) -> Result<Subject> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    Ok(Subject {
        name: "image".into(),
        title: String::new(),
        kernel: String::new(),
        machine: machine(image, start, memory)?,
        tap: qemu::Tap { addresses: Vec::new() },
        support: Default::default(),
        address: ([127, 0, 0, 1], 80).into(),
        symbols: image.join("System.map"),
        disk_uuid: None,
        site: [("/index.html".to_owned(), page)].into(),
        sizes: Default::default(),
        figures: Default::default(),
    })
}

fn other_build(image: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let map = dir.path().join("System.map");
    let text = std::fs::read_to_string(image.join("System.map"))?;
    let is_entry = |name: &str| name.ends_with("entry_SYSCALL_64");
    // The entry within its first instruction, where none begins in any build; and every
    // other function, as builds often have the entry at the same place.
    let others: [&dyn Fn(&str) -> bool; 2] = [&is_entry, &|name| !is_entry(name)];
    for is_moved in others {
        let moved = text.lines().map(|line| match line.split_once(' ') {
            Some((address, rest)) if is_moved(rest) => {
                let address = u64::from_str_radix(address, 16).unwrap();
                format!("{:016x} {rest}\n", address + 1)
            }
            _ => format!("{line}\n"),
        });
        std::fs::write(&map, moved.collect::<String>())?;
        match start(image, &map) {
            Ok(_) => anyhow::bail!("the counts were read"),
            Err(error) => ensure!(format!("{error:#}").contains("System.map"), "{error:#}"),
        }
    }
    Ok(())
}

/// Starts the appliance directly and counts until it serves.
fn start(image: &Path, symbols: &Path) -> Result<Counts> {
    let mut machine = machine(image, direct(image), 64)?;
    machine.clock = Clock::Instructions(4);
    let mut counter = Counter::attach(&mut machine, &plugin()?, symbols)?;
    let mut guest = machine.boot()?;
    guest.wait_serving(DEADLINE)?;
    counter.read()
}

/// A start without firmware.
fn direct(image: &Path) -> Start {
    Start::Kernel(Kernel {
        image: image.join("vmlinux"),
        initramfs: Some(image.join("initramfs.cpio")),
        command_line: format!("console=ttyS0 quiet panic=5{COMMAND_LINE}"),
    })
}

/// The image's machine, on QEMU's own network.
fn machine(image: &Path, start: Start, memory: u32) -> Result<Machine> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(image.join("manifest.json"))?)?;
    let guest = manifest["network"]["addresses"][0].as_str().context("an image without address")?;
    let mut machine = Machine::new(start, Accelerator::tcg("a test"), memory);
    machine.disk = Some(Disk::new(image.join("disk.raw"), DiskFormat::Raw));
    machine.network = Network::User(UserNetwork {
        guest: guest.parse()?,
        gateway: None,
        guest_port: 80,
        local_port: LocalPort::Free,
    });
    Ok(machine)
}
