//! A guest that makes the calls of `bench/guest/src/fuzz`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use appliance::run::accelerator;
use host::Command;
use initramfs::Tree;
use qemu::{Disk, DiskFormat, Guest, Kernel, Machine, Start};

/// What begins each line of the program.
const PREFIX: &str = "fuzz: ";
/// The kernel's words for what must not happen.
const REPORTS: [&str; 6] = ["BUG:", "WARNING:", "INFO: ", "KASAN", "Oops", "UBSAN"];
/// How long a guest may be silent.
const SILENCE: Duration = Duration::from_secs(300);
/// Bytes of the disk.
const DISK: u64 = 64 << 20;
/// Of the disk's file system, so that it lists directories in one order.
const UUID: &str = "6a1c0de0-0000-4000-8000-000000000001";

/// What the program is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) seed: u64,
    pub(crate) worlds: u64,
    /// Calls in each world.
    pub(crate) calls: u64,
    /// The world of which every call is shown.
    pub(crate) shown: Option<u64>,
    /// `ext3` or `ext4`.
    pub(crate) filesystem: &'static str,
}

/// A machine for the program, and what it is made of.
pub(crate) struct Fuzz {
    pub(crate) machine: Machine,
    pub(crate) disk: PathBuf,
    _room: tempfile::TempDir,
}

impl Fuzz {
    /// With the kernel of an output directory, or one beside it.
    pub(crate) fn new(kernel: &Path, order: Order) -> Result<Self> {
        let room = tempfile::tempdir().context("making a directory")?;
        let initramfs = room.path().join("initramfs.cpio");
        fs::write(&initramfs, archive(order)?).context("writing the initramfs")?;
        let disk = room.path().join("disk.raw");
        make_disk(&disk, order.filesystem, DISK)?;
        let start = Start::Kernel(Kernel {
            image: kernel.to_owned(),
            initramfs: Some(initramfs),
            command_line: "console=ttyS0 panic=5 no_timer_check".into(),
        });
        let mut machine = Machine::new(start, accelerator()?, 128);
        machine.disk = Some(Disk::new(disk.clone(), DiskFormat::Raw));
        Ok(Self { machine, disk, _room: room })
    }

    /// Runs the program to its end and gives what it says.
    pub(crate) fn run(&self) -> Result<Vec<String>> {
        let mut guest = self.machine.boot()?;
        lines(&mut guest).map_err(|error| anyhow!("{error:#}\n{}", guest.evidence()))
    }
}

fn lines(guest: &mut Guest) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let line = next(guest)?;
        if line == "end" {
            return Ok(lines);
        }
        ensure!(!line.starts_with("failed"), "{line}");
        lines.push(line);
    }
}

/// The next line of the program.
///
/// # Errors
/// When there is none, or the kernel reports a fault of its own before.
pub(crate) fn next(guest: &mut Guest) -> Result<String> {
    let line = guest.wait_for("a line of the program", SILENCE, |line| {
        let said = line.split_once(PREFIX).map(|(_, said)| Ok(said.trim_end().to_owned()));
        said.or_else(|| report(line).map(|report| Err(report.to_owned())))
    })?;
    match line {
        Ok(line) => Ok(line),
        Err(report) => bail!("the kernel reports: {report}"),
    }
}

/// The first line in which a kernel reports a fault of its own.
pub(crate) fn report(console: &str) -> Option<&str> {
    console.lines().find(|line| REPORTS.iter().any(|report| line.contains(report)))
}

fn archive(order: Order) -> Result<Vec<u8>> {
    let Order { seed, worlds, calls, shown, filesystem } = order;
    let shown = shown.unwrap_or(u64::MAX);
    let text = format!("{seed} {worlds} {calls} {shown} {filesystem}\n");
    let mut tree = Tree::new();
    tree.console()?;
    for place in ["/T", "/M", "/D"] {
        tree.directory(place, "where a file system is mounted")?;
    }
    tree.file("/fuzz", text.into_bytes(), "what to do")?;
    tree.program("/init", fs::read(program()?).context("reading the program")?, "makes the calls")?;
    let mut archive = Vec::new();
    tree.write(&mut archive)?;
    Ok(archive)
}

/// Makes a disk of so many bytes with an empty file system.
pub(crate) fn make_disk(path: &Path, filesystem: &str, bytes: u64) -> Result<()> {
    File::create(path).and_then(|file| file.set_len(bytes)).context("making a disk")?;
    let options = format!("hash_seed={UUID}");
    Command::new("mke2fs")
        .args(["-q", "-F", "-t", filesystem, "-U", UUID, "-E", &options])
        .arg(path)
        .run()?;
    Ok(())
}

/// The program, built as the builder builds programs of guests.
fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build_program().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!("building the program of the guest: {error}"))
}

fn build_program() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    // The compiler beside this cargo, and not the one that rustup looks up.
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "bench-guest", "--profile", "init"])
        .args(["--features", "guest", "--bin", "fuzz"])
        .env("RUSTC", &rustc)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .run()?;
    Ok(target.join("init/fuzz"))
}
