//! The system calls of a real kernel. `APPLIANCE_IMAGE` names the output directory of
//! a build; without it the tests are reported as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use bench::contract::{Contract, check};
use bench::data::Measured;
use bench::syscalls::{self, Costs};
use bench::{Subject, Tools};
use host::Command;
use libtest_mimic::{Arguments, Trial};
use qemu::{Accelerator, Disk, DiskFormat, Kernel, Machine, Start};

/// A test with an image.
type Test = fn(&Path) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("two_runs_agree", two_runs_agree),
    ("a_machine_without_a_disk_is_measured", without_disk),
    ("a_disk_that_is_missing_is_told", missing_disk),
    ("a_slower_call_breaks_the_contract", slower_call),
];

/// How much two runs may differ.
const TOLERANCE: f64 = 0.001;

fn main() {
    let image = std::env::var_os("APPLIANCE_IMAGE").map(PathBuf::from);
    let trials = TESTS.iter().map(|(name, test)| {
        let image = image.clone();
        let is_missing = image.is_none();
        let run = move || {
            image.as_deref().map_or(Ok(()), test).map_err(|error| format!("{error:#}").into())
        };
        Trial::test(*name, run).with_ignored_flag(is_missing)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// The programs and the plugin, built as the builder does.
fn tools() -> Result<Tools> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    // The compiler beside this cargo, and not the one that rustup looks up: without
    // our environment it may install or replace a toolchain.
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    let programs = ["--features", "guest", "--bin", "syscalls", "--bin", "load-modules"];
    for (package, profile, options) in
        [("bench-guest", "init", &programs[..]), ("bench-plugin", "release", &[])]
    {
        Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", package, "--profile", profile])
            .args(options)
            .env("RUSTC", &rustc)
            .env("RUSTUP_AUTO_INSTALL", "0")
            .arg("--target-dir")
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .run()?;
    }
    Ok(Tools {
        plugin: target.join("release/libbench_plugin.so"),
        syscalls: target.join("init/syscalls"),
        load_modules: target.join("init/load-modules"),
        choose_scheduler: target.join("init/choose-scheduler"),
    })
}

/// The subject that an output directory holds.
fn subject(out: &Path) -> Subject {
    let kernel = Kernel {
        image: out.join("vmlinux"),
        initramfs: None,
        command_line: "console=ttyS0 quiet panic=5".into(),
    };
    let mut machine = Machine::new(Start::Kernel(kernel), Accelerator::tcg("a test"), 32);
    machine.disk = Some(Disk::new(out.join("disk.raw"), DiskFormat::Raw));
    Subject {
        name: "image".into(),
        title: String::new(),
        kernel: String::new(),
        machine,
        tap: qemu::Tap { addresses: Vec::new() },
        support: Default::default(),
        address: ([127, 0, 0, 1], 80).into(),
        symbols: out.join("System.map"),
        disk_uuid: None,
        site: Default::default(),
        sizes: Default::default(),
        figures: Default::default(),
    }
}

fn measure(subject: &Subject) -> Result<Costs> {
    let scratch = tempfile::tempdir()?;
    let weights = ["close", "read", "stat", "writev"].map(|name| (name.to_owned(), 1.0));
    syscalls::measure(subject, &tools()?, &weights.into(), scratch.path())
}

fn two_runs_agree(image: &Path) -> Result<()> {
    let subject = subject(image);
    let (first, second) = (measure(&subject)?, measure(&subject)?);
    ensure!(first.refused.is_empty(), "{:?}", first.refused);
    for (name, one) in &first.syscalls.calls {
        let two = second.syscalls.calls.get(name).context("a call is missing")?;
        let figures = format!(
            "{name}: {} and {} instructions, {} and {} bytes, clock {} and {}",
            one.instructions, two.instructions, one.rep_bytes, two.rep_bytes, one.clock, two.clock
        );
        println!("{figures}");
        agree(one.clock, two.clock).with_context(|| figures.clone())?;
        agree(one.instructions as f64, two.instructions as f64).context(figures)?;
    }
    agree(first.syscalls.total, second.syscalls.total).context("the totals differ")
}

fn agree(one: f64, two: f64) -> Result<()> {
    ensure!(one > 50.0, "{one} cannot be");
    ensure!((one - two).abs() <= TOLERANCE * one, "{one} and {two} differ");
    Ok(())
}

fn without_disk(image: &Path) -> Result<()> {
    let mut subject = subject(image);
    subject.machine.disk = None;
    let calls = measure(&subject)?.syscalls.calls;
    let (stat, getppid) = (calls["stat"].instructions, calls["getppid"].instructions);
    ensure!(stat > 3 * getppid, "stat took {stat} instructions, getppid {getppid}");
    Ok(())
}

fn missing_disk(image: &Path) -> Result<()> {
    let mut subject = subject(image);
    // A disk that this kernel has no driver for.
    let disk = subject.machine.disk.as_mut().context("the subject has no disk")?;
    disk.bus = qemu::DiskBus::Nvme;
    let error = measure(&subject).err().context("the calls were measured")?;
    let error = format!("{error:?}");
    ensure!(error.contains("finding the disk: errno 19"), "{error}");
    Ok(())
}

/// `stat` of the image's own kernel with a loop of fifty turns before it is above its
/// limit, and no other call is above its own.
fn slower_call(image: &Path) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut subject = subject(image);
    let Start::Kernel(kernel) = &mut subject.machine.start else { bail!("no direct start") };
    let map = fs::read_to_string(&subject.symbols)?;
    let slow = slow_stat(fs::read(&kernel.image)?, &map)?;
    kernel.image = scratch.path().join("vmlinux");
    fs::write(&kernel.image, slow)?;
    let measured = Measured { syscalls: Some(measure(&subject)?.syscalls), ..Measured::default() };
    let mut limits: toml::Table = include_str!("../contract.toml").parse()?;
    limits.retain(|group, _| group == "syscalls");
    let verdict = check(&measured, &Contract::parse(&limits.to_string())?)?;
    print!("{verdict}");
    let excesses: Vec<&str> = verdict.excesses.iter().map(|it| it.name.as_str()).collect();
    ensure!(excesses == ["syscalls.stat"], "{verdict}");
    Ok(())
}

/// A kernel whose table of system calls goes by way of the loop, which takes the place
/// of a call that nothing in the guest makes.
fn slow_stat(mut kernel: Vec<u8>, map: &str) -> Result<Vec<u8>> {
    /// The number of the call (arch/x86/entry/syscalls/syscall_64.tbl).
    const STAT: u64 = 4;
    let address = |name: &str| {
        let line = map.lines().find(|line| line.ends_with(&format!(" {name}")));
        let (address, _) = line.and_then(|line| line.split_once(' ')).context("no such symbol")?;
        u64::from_str_radix(address, 16).context("reading System.map")
    };
    // The first program header, of an ELF file with 64 bits, is the one of the code and
    // of constants.
    let field =
        |at: usize| Ok::<_, anyhow::Error>(u64::from_le_bytes(kernel[at..][..8].try_into()?));
    let header = usize::try_from(field(0x20)?)?;
    let (offset, start) = (field(header + 0x08)?, field(header + 0x10)?);
    let place = |address: u64| usize::try_from(address - start + offset);
    let jump = |from: u64, to: u64| -> Result<[u8; 5]> {
        let mut code = [0xe9; 5];
        code[1..].copy_from_slice(
            &i32::try_from(to.wrapping_sub(from + 5).cast_signed())?.to_le_bytes(),
        );
        Ok(code)
    };
    let (stat, unused) = (address("__x64_sys_newstat")?, address("__x64_sys_setpgid")?);
    let entry = address("sys_call_table")? + STAT * 8;
    ensure!(kernel[place(entry)?..].starts_with(&stat.to_le_bytes()), "the table has no stat");
    // mov $50, %ecx; 1: dec %ecx; jnz 1b
    let turns = [0xb9, 50, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc];
    let back = jump(unused + turns.len() as u64, stat)?;
    for (at, code) in
        [(unused, &turns[..]), (unused + 9, &back), (entry, &unused.to_le_bytes()[..])]
    {
        let at = place(at)?;
        kernel[at..at + code.len()].copy_from_slice(code);
    }
    Ok(kernel)
}
