//! Boots sectors of a few instructions, so that each way in which a machine can
//! end, or not come up, is seen once without an image.
//!
//! Without QEMU on the host they pass without a look.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use qemu::{
    Accelerator, Disk, DiskFormat, Ended, Engine, Guest, LocalPort, Machine, Network, Start,
    UserNetwork, WaitError,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// `out dx, ax` to the power management of ICH9 as SeaBIOS places it: off.
const POWER_OFF: &[u8] = &[0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef];
/// `out 0x64, al` to the keyboard controller: reset.
const RESET: &[u8] = &[0xb0, 0xfe, 0xe6, 0x64];
/// `cli; hlt`.
const HALT: &[u8] = &[0xfa, 0xf4];

/// A machine that writes `hello` and a line end on its serial port, then does
/// `last`.
fn machine(dir: &Path, last: &[u8]) -> Machine {
    let mut code = vec![0xba, 0xf8, 0x03]; // mov dx, 0x3f8
    for byte in *b"hello\n" {
        code.extend([0xb0, byte, 0xee]); // mov al, byte; out dx, al
    }
    code.extend(last);
    code.resize(510, 0);
    code.extend([0x55, 0xaa]);
    code.resize(1 << 20, 0);
    let path = dir.join("disk, with a comma.raw");
    fs::write(&path, code).unwrap();
    let disk = Some(Disk::new(path, DiskFormat::Raw));
    Machine { disk, ..Machine::new(Start::Bios, Accelerator::tcg("the test asks for it"), 16) }
}

fn qemu_is_missing() -> bool {
    let missing = host::find_program("qemu-system-x86_64").is_none();
    if missing {
        eprintln!("QEMU is not installed: nothing is tested");
    }
    missing
}

fn boot(machine: &Machine) -> Guest {
    machine.boot().unwrap_or_else(|error| panic!("{error:#}"))
}

fn wait_hello(guest: &mut Guest) -> anyhow::Result<()> {
    guest.wait_for("hello", DEADLINE, |line| line.ends_with("hello").then_some(()))
}

#[test]
fn a_guest_that_switches_off() {
    if qemu_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut guest = boot(&machine(dir.path(), POWER_OFF));
    wait_hello(&mut guest).unwrap();
    assert_eq!(guest.wait_shutdown(DEADLINE).unwrap(), Ended::PoweredOff);
    assert!(guest.power_button().is_err());
}

#[test]
fn a_guest_that_resets_has_died_for_whoever_waits() {
    if qemu_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut guest = boot(&machine(dir.path(), RESET));
    let error = guest.wait_for("a word", DEADLINE, |_| None::<()>).unwrap_err();
    let expected = WaitError::Died { what: "a word".into(), how: Ended::Reset };
    assert_eq!(error.downcast_ref(), Some(&expected));
    assert!(guest.evidence().contains("hello"), "{}", guest.evidence());
}

#[test]
fn a_guest_that_hangs_is_late_and_stopped() {
    if qemu_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut guest = boot(&machine(dir.path(), HALT));
    wait_hello(&mut guest).unwrap();
    let deadline = Duration::from_millis(100);
    let error = guest.wait_for("a word", deadline, |_| None::<()>).unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(WaitError::Late { .. })), "{error:#}");
    assert!(guest.wait_shutdown(deadline).is_err());
    let by_hand = guest.command_line().to_owned();
    drop(guest);
    assert!(by_hand.contains("'if=none,id=disk,format=raw,snapshot=on,file="), "{by_hand}");
}

fn user_network(local_port: LocalPort) -> Network {
    let guest = "10.0.2.15/24".parse().unwrap();
    let gateway = Some(Ipv4Addr::new(10, 0, 2, 2));
    Network::User(UserNetwork { guest, gateway, guest_port: 80, local_port })
}

#[test]
fn a_port_in_use_is_refused_or_avoided() {
    if qemu_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut machine = machine(dir.path(), HALT);
    machine.network = user_network(LocalPort::Exactly(port));
    let error = machine.boot().err().unwrap();
    let message = format!("{error:#}");
    assert!(message.contains(&port.to_string()) && message.contains("in use"), "{message}");
    machine.network = user_network(LocalPort::Prefer(port));
    let local = boot(&machine).forwarded().unwrap();
    assert_ne!(local.port(), port);
    drop(taken);
    let local = boot(&machine).forwarded().unwrap();
    assert_eq!(local.port(), port);
}

#[test]
fn qemu_says_what_it_does_not_like() {
    if qemu_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut machine = machine(dir.path(), HALT);
    machine.disk = Some(Disk::new(dir.path().join("none"), DiskFormat::Raw));
    let message = format!("{:#}", machine.boot().err().unwrap());
    assert!(message.contains("No such file"), "{message}");
}

#[test]
fn the_probe_finds_an_accelerator_and_remembers_it() {
    if qemu_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let accelerator = Accelerator::probe(dir.path()).unwrap();
    assert_eq!(accelerator.engine == Engine::Tcg, !accelerator.why.is_empty());
    assert_eq!(Accelerator::probe(dir.path()).unwrap(), accelerator);
    let mut machine = machine(dir.path(), POWER_OFF);
    machine.accelerator = accelerator;
    assert_eq!(boot(&machine).wait_shutdown(DEADLINE).unwrap(), Ended::PoweredOff);
}
