//! What happens to a guest from outside, and what it makes of it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use appliance::disk::Format;
use appliance::manifest::Storage;
use appliance::run::Firmware;
use initramfs::Tree;
use libtest_mimic::Trial;
use qemu::{Chipset, Disk, Ended, Machine, Start, WaitError};

use crate::http;
use crate::image::{self, BOOT, Image, SHUTDOWN, forwarded};
use crate::project::{EXT3, EXT4, HARDENED, Project, asked};
use crate::trial::{explain, trial, with_guest};

/// How long a guest may take to answer to something other than the power button.
const ANSWER: Duration = Duration::from_secs(30);
/// Half a minute by the clock of a guest that is slow.
const HALF_MINUTE: Duration = Duration::from_secs(40);
/// Memory for an initramfs with more in it than the image has, in MiB.
const MORE_MEMORY: u32 = 64;
/// The configuration of PID 1 in an initramfs.
const CONFIGURATION: &str = "/etc/appliance.conf";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = asked().into_iter().flat_map(of).collect();
    trials.push(trial("life::a_console_that_is_read_late", &EXT3, late_reader));
    trials.push(trial("life::a_forbidden_call_ends_the_server", &HARDENED, forbidden_call));
    trials.push(trial("life::a_confined_server_goes_on", &HARDENED, goes_on));
    trials.push(trial("life::a_hardened_guest_is_read_only", &HARDENED, read_only));
    trials
}

fn of(project: &'static Project) -> Vec<Trial> {
    let name = |what: &str| format!("life::{what}::{}", project.name);
    vec![
        trial(name("power_button_on_pc_by_bios"), project, |image| {
            power_button(image, Firmware::Bios)
        }),
        trial(name("power_button_on_pc_direct"), project, |image| {
            power_button(image, Firmware::Direct)
        }),
        trial(name("killed_server_comes_back"), project, killed_server),
        trial(name("panic_restarts"), project, panic),
        trial(name("wrong_disk_is_named"), project, wrong_disk),
    ]
}

/// Every other test has the newer chipset, with other power management.
fn power_button(image: &Image, firmware: Firmware) -> Result<()> {
    let mut machine = image.machine(firmware)?;
    machine.chipset = Chipset::Pc;
    with_guest(&machine, |guest| {
        guest.wait_serving(BOOT)?;
        guest.power_button()?;
        let ended = guest.wait_shutdown(SHUTDOWN)?;
        ensure!(ended == Ended::PoweredOff, "after the power button: {ended}");
        Ok(())
    })
}

/// The image has no way to kill its server from inside. So it starts with a second
/// archive behind its own, whose `/etc/appliance.conf` puts `doomed` before the
/// server; kernel, PID 1 and server stay the same bytes.
pub(crate) fn killed_server(image: &Image) -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let machine = doomed_machine(image, room.path())?;
    with_guest(&machine, |guest| {
        guest.wait_serving(BOOT)?;
        for _ in 0..2 {
            guest.type_in("die\n")?;
            let ended = "appliance: the server was ended by signal 9";
            guest.wait_for(ended, ANSWER, |line| line.contains(ended).then_some(()))?;
            guest.wait_serving(ANSWER)?;
            image.compare(guest, forwarded(guest)?)?;
        }
        Ok(())
    })
}

/// The same companion cannot be left behind by a server that is confined: making a
/// process is none of the calls that it may make.
fn forbidden_call(image: &Image) -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let machine = doomed_machine(image, room.path())?;
    with_guest(&machine, |guest| {
        let ended = "the server was ended by signal 31 (a system call that it may not make)";
        guest.wait_for(ended, BOOT, |line| line.contains(ended).then_some(()))
    })
}

/// A confined server makes no call that it may not make: not in its answers, and not in
/// what it does every half minute.
fn goes_on(image: &Image) -> Result<()> {
    with_guest(&image.machine(Firmware::Direct)?, |guest| {
        guest.wait_serving(BOOT)?;
        let address = forwarded(guest)?;
        http::CHECKS.iter().try_for_each(|(name, check)| check(image, address).context(*name))?;
        let end = |line: &str| line.contains("the server was ended").then(|| line.to_owned());
        match guest.wait_for("an end", HALF_MINUTE, end) {
            Err(error) if matches!(error.downcast_ref(), Some(WaitError::Late { .. })) => {}
            other => bail!("{}", other?),
        }
        image.compare(guest, address)
    })
}

/// In place of the server comes what tries to write, and then the server: PID 1 starts
/// it again where nothing can be written.
fn read_only(image: &Image) -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let machine = machine_with(image, "writer", room.path())?;
    with_guest(&machine, |guest| {
        for place in ["/x", "/etc/x", "/srv/x", "/dev/x", "/sys/x", "/proc/self/comm"] {
            let said = format!("writer: {place}: Read-only file system");
            guest.wait_for(&said, BOOT, |line| line.contains(&said).then_some(()))?;
        }
        let written = "writer: /run/x: written";
        guest.wait_for(written, ANSWER, |line| line.contains(written).then_some(()))?;
        guest.wait_serving(ANSWER)?;
        image.compare(guest, forwarded(guest)?)
    })
}

/// The machine of an image whose server dies as soon as a line is typed.
pub(crate) fn doomed_machine(image: &Image, room: &Path) -> Result<Machine> {
    machine_with(image, "doomed", room)
}

/// The machine of an image with a program of ours, which is told of the server, in the
/// server's place.
fn machine_with(image: &Image, name: &str, room: &Path) -> Result<Machine> {
    let mut machine = image.machine(Firmware::Direct)?;
    let Start::Kernel(kernel) = &mut machine.start else { bail!("the start is not direct") };
    kernel.initramfs = Some(initramfs_with(image, name, room)?);
    machine.memory = MORE_MEMORY;
    Ok(machine)
}

fn initramfs_with(image: &Image, name: &str, room: &Path) -> Result<PathBuf> {
    let boot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boot");
    let program = room.join(name);
    image.compile(&[boot.join(format!("{name}.c"))], &program)?;
    let mut archive = fs::read(image.out.join("initramfs.cpio")).context("reading the archive")?;
    let configuration = content(&archive, CONFIGURATION)?;
    let ours = configuration.replace("\nserver ", &format!("\nserver /{name} "));
    ensure!(ours != configuration, "PID 1 is told of no server:\n{configuration}");
    let mut tree = Tree::new();
    tree.directory("/etc", "as before")?;
    tree.file(CONFIGURATION, ours.into_bytes(), "replaces the image's")?;
    let bytes = fs::read(&program).context("reading the program")?;
    tree.program(format!("/{name}"), bytes, "for the test")?;
    tree.write(&mut archive)?;
    let path = room.join("initramfs.cpio");
    fs::write(&path, archive).context("writing the archive")?;
    Ok(path)
}

/// The text of a file in an archive.
fn content(mut archive: &[u8], path: &str) -> Result<String> {
    loop {
        let mut entry = cpio::NewcReader::new(archive).context("reading the archive")?;
        ensure!(!entry.entry().is_trailer(), "{path} is not in the archive");
        if format!("/{}", entry.entry().name()) == path {
            let mut text = String::new();
            entry.read_to_string(&mut text).with_context(|| format!("reading {path}"))?;
            return Ok(text);
        }
        archive = entry.finish().context("reading the archive")?;
    }
}

/// Reads nothing before it is told to.
struct Late(Receiver<()>);

impl Write for Late {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Told once: from then on nobody is there to tell.
        let _ = self.0.recv_timeout(BOOT);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The last line of a talkative start is still there for whoever comes after it.
fn late_reader(image: &Image) -> Result<()> {
    let machine = image.machine_with_words("loglevel=7")?;
    let (reader, told) = mpsc::channel();
    let mut guest = machine.boot_showing(Late(told))?;
    let address = forwarded(&guest)?;
    let start = Instant::now();
    while let Err(error) = image.compare(&guest, address) {
        ensure!(start.elapsed() < BOOT, "it does not serve: {error:#}");
        thread::sleep(ANSWER / 100);
    }
    drop(reader);
    guest.wait_serving(ANSWER).map(drop).map_err(|error| explain(&error, &guest))
}

/// A kernel that finds no PID 1 panics.
fn panic(image: &Image) -> Result<()> {
    let machine = image.machine_with_words("rdinit=/none")?;
    with_guest(&machine, |guest| {
        let panic = "Kernel panic - not syncing";
        guest.wait_for(panic, BOOT, |line| line.contains(panic).then_some(()))?;
        let ended = guest.wait_shutdown(ANSWER)?;
        ensure!(ended == Ended::Reset, "after a panic: {ended}");
        Ok(())
    })
}

fn wrong_disk(image: &Image) -> Result<()> {
    let Storage::Disk { uuid, .. } = &image.manifest.storage else {
        bail!("the image has no disk");
    };
    let mut machine = image.machine(Firmware::Direct)?;
    let disk = machine.disk.as_mut().context("the machine has no disk")?;
    *disk = Disk { bus: disk.bus, ..image::of(&EXT4)?.disk(Format::Qcow2) };
    with_guest(&machine, |guest| {
        let said = format!("no file system has the UUID {uuid}");
        guest.wait_for(&said, BOOT, |line| line.contains(&said).then_some(()))?;
        let ended = guest.wait_shutdown(ANSWER)?;
        ensure!(ended == Ended::Reset, "with the wrong disk: {ended}");
        Ok(())
    })
}
