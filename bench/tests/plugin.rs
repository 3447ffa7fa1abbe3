//! The plugin counts what is known: a boot sector whose instructions are counted by
//! hand, between its own marks.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::counts::{Counter, Counts};
use host::Command;
use qemu::{Accelerator, Disk, DiskFormat, Machine, Start};

/// How long QEMU may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Turns of the loop, and bytes that are moved.
const TURNS: u16 = 1000;
const BYTES: u16 = 300;
/// Writes to a port.
const WRITES: u8 = 7;

/// The plugin, built as the builder does.
fn plugin() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "bench-plugin", "--profile", "release"])
        // The compiler beside this cargo: rustup is not asked for one.
        .env("RUSTC", Path::new(env!("CARGO")).with_file_name("rustc"))
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .run()
        .unwrap();
    target.join("release/libbench_plugin.so")
}

/// `nopl MARK(%eax)` for a processor that is in real mode.
fn mark(number: u8) -> [u8; 8] {
    [0x67, 0x0f, 0x1f, 0x80, number, 0, 0x50, 0x41]
}

/// A boot sector: three windows, then `done` and a line's end on the serial port.
fn sector() -> Vec<u8> {
    let [turns_low, turns_high] = TURNS.to_le_bytes();
    let [bytes_low, bytes_high] = BYTES.to_le_bytes();
    let mut code = Vec::new();
    // Two instructions a turn.
    code.extend([0xb9, turns_low, turns_high]); // mov cx, TURNS
    code.extend(mark(1));
    code.extend([0x49, 0x75, 0xfd]); // again: dec cx; jnz again
    code.extend(mark(0));
    // One instruction that moves bytes.
    code.extend([0xfc, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0]); // cld; xor ax, ax; mov ds, ax; mov es, ax
    code.extend([0xbe, 0x00, 0x7c, 0xbf, 0x00, 0x80]); // mov si, 0x7c00; mov di, 0x8000
    code.extend([0xb9, bytes_low, bytes_high]); // mov cx, BYTES
    code.extend(mark(2));
    code.extend([0xf3, 0xa4]); // rep movsb
    code.extend(mark(0));
    // Instructions that leave a virtual machine.
    code.extend([0xb0, 0x00]); // mov al, 0
    code.extend(mark(3));
    for _ in 0..WRITES {
        code.extend([0xe6, 0x80]); // out 0x80, al
    }
    code.extend([0x0f, 0xa2]); // cpuid
    code.extend(mark(0));
    code.extend([0xba, 0xf8, 0x03]); // mov dx, 0x3f8
    for byte in *b"done\n" {
        code.extend([0xb0, byte, 0xee]); // mov al, byte; out dx, al
    }
    code.extend([0xfa, 0xf4]); // cli; hlt
    assert!(code.len() <= 510);
    code.resize(510, 0);
    code.extend([0x55, 0xaa]);
    code.resize(1 << 20, 0);
    code
}

fn count() -> Counts {
    let dir = tempfile::tempdir().unwrap();
    let (disk, symbols) = (dir.path().join("disk"), dir.path().join("System.map"));
    fs::write(&disk, sector()).unwrap();
    fs::write(&symbols, "ffffffff81000000 T startup_64\n").unwrap();
    let mut machine = Machine {
        disk: Some(Disk::new(disk, DiskFormat::Raw)),
        ..Machine::new(Start::Bios, Accelerator::tcg("the test asks for it"), 16)
    };
    let mut counter = Counter::attach(&mut machine, &plugin(), &symbols).unwrap();
    let mut guest = machine.boot().unwrap();
    guest
        .wait_for("the end of the program", DEADLINE, |line| line.contains("done").then_some(()))
        .unwrap();
    counter.read().unwrap()
}

#[test]
fn known_instructions_are_counted() {
    if host::find_program("qemu-system-x86_64").is_none() {
        eprintln!("QEMU is not installed: nothing is tested");
        return;
    }
    let counts = count();
    let window = |number: u16| {
        let window = &counts.windows[&number];
        assert_eq!((window.count, window.sum), (1, window.min));
        (window.min, window.rep_bytes)
    };
    assert_eq!(window(1), (2 * u64::from(TURNS), 0));
    assert_eq!(window(2), (1, u64::from(BYTES)));
    assert_eq!(window(3), (u64::from(WRITES) + 1, 0));
    assert!(counts.exits["port"] >= u64::from(WRITES) + 5);
    assert!(counts.exits["cpuid"] >= 1);
    assert_eq!(counts.kernel, 0);
}

#[test]
fn a_machine_with_kvm_cannot_be_counted() {
    let mut accelerator = Accelerator::tcg("");
    accelerator.engine = qemu::Engine::Kvm;
    let mut machine = Machine::new(Start::Bios, accelerator, 16);
    let error = Counter::attach(&mut machine, Path::new("/none"), Path::new("/none")).unwrap_err();
    assert!(error.to_string().contains("under emulation only"), "{error}");
}
