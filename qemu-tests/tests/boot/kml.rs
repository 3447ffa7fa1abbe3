//! The server in ring 0, and the checks of `guest/ring`: programs that the kernel runs
//! in ring 0 behave as in user mode, on processors with and without SMEP, SMAP and
//! FSGSBASE. What they do not do alike is pinned there, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use appliance::run::Firmware;
use appliance::variant::Variant;
use initramfs::Tree;
use libtest_mimic::Trial;
use qemu::{Ended, Kernel, Machine, Start, WaitError};

use crate::image::{BOOT, Image, forwarded};
use crate::project::{KML, is_full};
use crate::trial::{trial, with_guest};
use crate::{http, life};

/// How long the checks may take in both rings, on a busy host.
const CHECKS: Duration = Duration::from_secs(240);
/// Memory for the checks, in MiB.
const MEMORY: u32 = 128;
/// The processors of `./test`: one with everything that QEMU emulates and one with
/// none of SMEP, SMAP and FSGSBASE.
const PROCESSORS: [&str; 2] = ["max", "qemu64"];
/// The others of `./test --full`.
const MORE_PROCESSORS: [&str; 2] = ["Skylake-Client-v1", "EPYC"];
/// What the server says in ring 0 and elsewhere.
pub(crate) const IN_RING_0: &str = "appliance: the server runs in ring 0";
const IN_RING_3: &str = "appliance: the server runs in ring 3";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("kml::answers_are_the_same", &KML, answers),
        trial("kml::without_the_word_nothing_differs", &KML, without_the_word),
        trial("kml::a_wild_jump_ends_the_program", &KML, wild_jump),
        trial("kml::interrupts_off_hang_the_machine", &KML, hang),
    ];
    let more = if is_full() { &MORE_PROCESSORS[..] } else { &[] };
    for processor in PROCESSORS.iter().chain(more) {
        let name = format!("kml::checks_on_{}", processor.to_lowercase());
        trials.push(trial(name, &KML, |image| checks(image, processor, 0)));
    }
    if is_full() {
        trials.push(trial("kml::checks_without_the_word", &KML, |image| checks(image, "max", 3)));
    } else {
        // It is asked everything there.
        trials.push(trial("kml::killed_server_comes_back", &KML, life::killed_server));
    }
    trials
}

fn answers(image: &Image) -> Result<()> {
    with_guest(&image.machine(Firmware::Direct)?, |guest| {
        guest.wait_for(IN_RING_0, BOOT, |line| line.contains(IN_RING_0).then_some(()))?;
        guest.wait_serving(BOOT)?;
        let address = forwarded(guest)?;
        image.compare(guest, address)?;
        http::CHECKS.iter().try_for_each(|(name, check)| check(image, address).context(*name))
    })
}

/// The same image without `kml` on the command line.
fn without_the_word(image: &Image) -> Result<()> {
    let mut machine = image.machine(Firmware::Direct)?;
    let kernel = kernel(&mut machine)?;
    kernel.command_line = Variant::Kml.unasked(&kernel.command_line);
    with_guest(&machine, |guest| {
        guest.wait_for(IN_RING_3, BOOT, |line| line.contains(IN_RING_3).then_some(()))?;
        guest.wait_serving(BOOT)?;
        image.compare(guest, forwarded(guest)?)
    })
}

fn kernel(machine: &mut Machine) -> Result<&mut Kernel> {
    match &mut machine.start {
        Start::Kernel(kernel) => Ok(kernel),
        Start::Bios | Start::Uefi => bail!("the start is not direct"),
    }
}

/// Every check, outside and inside of `/trusted`; `trusted` is the ring in there.
fn checks(image: &Image, processor: &str, trusted: u32) -> Result<()> {
    let mut machine = machine_of_checks(image, &format!("trusted_ring={trusted}"))?;
    machine.processor = Some(processor.into());
    if trusted != 0 {
        let kernel = kernel(&mut machine)?;
        kernel.command_line = Variant::Kml.unasked(&kernel.command_line);
    }
    with_guest(&machine, |guest| {
        for ring in [3, trusted] {
            let said = format!("checks: ring {ring}: ");
            let result =
                guest.wait_for(&said, CHECKS, |line| Some(line.split_once(&said)?.1.to_owned()))?;
            ensure!(result.ends_with(", 0 failed"), "ring {ring}: {result}");
        }
        let ended = guest.wait_shutdown(BOOT)?;
        ensure!(ended == Ended::PoweredOff, "after the checks: {ended}");
        Ok(())
    })
}

/// With RIP and RSP in the kernel's half the kernel takes the program for itself: the
/// oops ends it, and the system went on each time. Nobody should rely on it.
fn wild_jump(image: &Image) -> Result<()> {
    crash(image, "both", |guest| {
        let killed = "checks: the program ended with status 0x9";
        guest.wait_for(killed, BOOT, |line| line.contains(killed).then_some(()))?;
        let runs = "checks: the system still runs";
        guest.wait_for(runs, BOOT, |line| line.contains(runs).then_some(()))
    })
}

/// Nothing interrupts a program that has switched interrupts off.
fn hang(image: &Image) -> Result<()> {
    crash(image, "hang", |guest| {
        let patience = Duration::from_secs(5);
        let back = guest.wait_for("an end", patience, |line| {
            line.contains("checks: the program ended").then_some(())
        });
        match back {
            Err(error) if matches!(error.downcast_ref(), Some(WaitError::Late { .. })) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => bail!("the program came back"),
        }
    })
}

/// Boots the checks with a program that does what nothing stops in ring 0.
fn crash(
    image: &Image,
    how: &str,
    work: impl FnOnce(&mut qemu::Guest) -> Result<()>,
) -> Result<()> {
    let machine = machine_of_checks(image, &format!("crash={how}"))?;
    with_guest(&machine, |guest| {
        let about = format!("checks: about to do `{how}` in ring 0");
        guest.wait_for(&about, BOOT, |line| line.contains(&about).then_some(()))?;
        work(guest)
    })
}

/// The image's kernel with the checks in place of its initramfs.
fn machine_of_checks(image: &Image, words: &str) -> Result<Machine> {
    let mut machine = image.machine(Firmware::Direct)?;
    machine.memory = MEMORY;
    machine.disk = None;
    let kernel = kernel(&mut machine)?;
    kernel.initramfs = Some(initramfs_of_checks(image)?);
    kernel.command_line.push_str(&format!(" {words}"));
    Ok(machine)
}

/// The archive, made once; it stays beside the image for `tests/kml`.
fn initramfs_of_checks(image: &Image) -> Result<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || -> Result<PathBuf> {
        let path = image.out.with_file_name("checks.cpio");
        host::write_atomically(&path, &archive_of_checks(image)?)?;
        Ok(path)
    };
    let made = MADE.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.clone().map_err(|error| anyhow!("making the checks: {error}"))
}

fn archive_of_checks(image: &Image) -> Result<Vec<u8>> {
    let room = tempfile::tempdir().context("making a directory")?;
    let program = fs::read(compile_checks(image, room.path())?).context("reading the checks")?;
    let mut tree = Tree::new();
    tree.console()?;
    for directory in ["/proc", "/tmp", "/trusted", "/user"] {
        tree.directory(directory, "for the checks")?;
    }
    for path in ["/init", "/trusted/checks", "/user/checks"] {
        tree.program(path, program.clone(), "the checks")?;
    }
    let mut archive = Vec::new();
    tree.write(&mut archive)?;
    Ok(archive)
}

/// Compiles the checks against the C library that the image's server is linked with.
fn compile_checks(image: &Image, room: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/ring");
    let mut files = Vec::new();
    for entry in source.read_dir().context("reading the source of the checks")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    let program = room.join("checks");
    image.compile(&files, &program)?;
    Ok(program)
}
