//! What executes a guest's instructions.
//!
//! `/dev/kvm` is no promise: below a hypervisor without nesting it can be there
//! and run a few instructions, yet hang in the firmware, or emulate what the
//! processor cannot do and give up in the middle of a kernel. So the processor has
//! to have VMX or SVM, and KVM to show that it starts a boot sector through the
//! firmware, under a deadline.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Interrupted, failed, find_program, write_atomically};
use serde::{Deserialize, Serialize};

use crate::QEMU;
use crate::machine::file_option;

/// How long KVM gets. Where it works it needs a few tenths of a second; where it
/// needs more than this, emulation is faster.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// After this time a refusal is looked at again: the host may have been busy.
const RECHECK: Duration = Duration::from_secs(24 * 60 * 60);
/// What the processors can do (proc_cpuinfo(5)).
const CPUINFO: &str = "/proc/cpuinfo";
/// The name of the remembered result.
const RECORD: &str = "accelerator.json";

/// The I/O port of `isa-debug-exit`, and what the boot sector writes there.
const EXIT_PORT: u8 = 0xf4;
const EXIT_VALUE: u8 = 0x2a;
/// QEMU's exit status for that value (hw/misc/debugexit.c).
const EXIT_STATUS: i32 = ((EXIT_VALUE as i32) << 1) | 1;
/// SeaBIOS boots from no disk that is much smaller.
const PROBE_DISK_BYTES: u64 = 1 << 20;

/// An engine of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The processor itself, through the Linux kernel's KVM.
    Kvm,
    /// QEMU's translation to the host's instructions.
    Tcg,
}

/// What executes a guest's instructions on this host, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accelerator {
    /// The engine.
    pub engine: Engine,
    /// Why it is not KVM, as the end of a sentence; empty if it is.
    pub why: String,
}

/// What is remembered of a probe.
#[derive(Serialize, Deserialize)]
struct Record {
    qemu: String,
    kernel: String,
    accelerator: Accelerator,
}

impl Accelerator {
    /// Software emulation, which works everywhere.
    pub fn tcg(why: impl Into<String>) -> Self {
        Self { engine: Engine::Tcg, why: why.into() }
    }

    /// The best accelerator of this host. What a probe has found is kept in the
    /// directory `cache` until QEMU or the kernel changes.
    ///
    /// # Errors
    /// When QEMU is missing, the directory cannot be written, or the user
    /// interrupts.
    pub fn probe(cache: &Path) -> Result<Self> {
        static FOUND: Mutex<Option<Accelerator>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(accelerator) = &*found {
            return Ok(accelerator.clone());
        }
        let accelerator = probe(cache)?;
        Ok(found.insert(accelerator).clone())
    }

    /// The options of QEMU for it.
    pub(crate) fn arguments<'a>(&self, processor: Option<&'a str>) -> [&'a str; 4] {
        match self.engine {
            Engine::Kvm => ["-accel", "kvm", "-cpu", processor.unwrap_or("host")],
            Engine::Tcg => ["-accel", "tcg", "-cpu", processor.unwrap_or("max")],
        }
    }
}

fn probe(cache: &Path) -> Result<Accelerator> {
    if find_program(QEMU).is_none() {
        return Err(failed(format!("the program `{QEMU}` is not installed"))
            .hint("run `appliance doctor` to see what is missing and how to install it")
            .into());
    }
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return Ok(Accelerator::tcg(format!("/dev/kvm cannot be opened: {error}")));
    }
    let cpuinfo = fs::read_to_string(CPUINFO).with_context(|| format!("reading {CPUINFO}"))?;
    if !runs_guests(&cpuinfo) {
        let why = "the processor has neither VMX nor SVM, which KVM needs for an ordinary kernel";
        return Ok(Accelerator::tcg(why));
    }
    let qemu = host::Command::new(QEMU).arg("--version").output()?;
    let qemu = String::from_utf8_lossy(&qemu).lines().next().unwrap_or_default().to_owned();
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let path = cache.join(RECORD);
    if let Some(accelerator) = recall(&path, &qemu, &kernel) {
        return Ok(accelerator);
    }
    let accelerator = try_kvm(cache)?;
    let record = Record { qemu, kernel, accelerator };
    write_atomically(&path, &serde_json::to_vec_pretty(&record)?)?;
    Ok(record.accelerator)
}

fn recall(path: &Path, qemu: &str, kernel: &str) -> Option<Accelerator> {
    let record: Record = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let age = path.metadata().ok()?.modified().ok()?.elapsed().ok()?;
    let stale = record.accelerator.engine == Engine::Tcg && age > RECHECK;
    (record.qemu == qemu && record.kernel == kernel && !stale).then_some(record.accelerator)
}

/// Whether the processor runs guests by itself: Intel's VMX or AMD's SVM. Older kernels
/// leave the flag where the firmware has switched it off, which the boot sector finds.
fn runs_guests(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    flags.any(|line| line.split_whitespace().any(|flag| matches!(flag, "vmx" | "svm")))
}

/// Boots a sector that ends QEMU with a status that nothing else gives.
fn try_kvm(cache: &Path) -> Result<Accelerator> {
    let mut disk = host::Staged::new(&cache.join("probe.img"))?;
    disk.file().write_all(&boot_sector()).context("writing the probe's boot sector")?;
    disk.file().set_len(PROBE_DISK_BYTES).context("writing the probe's boot sector")?;
    let outcome = host::Command::new(QEMU)
        .args(["-accel", "kvm", "-cpu", "host", "-m", "16", "-nodefaults", "-display", "none"])
        .args(["-no-reboot", "-device", &format!("isa-debug-exit,iobase={EXIT_PORT},iosize=1")])
        .arg("-drive")
        .arg(file_option("if=none,id=disk,format=raw,read-only=on", disk.path())?)
        .args(["-device", "virtio-blk-pci,drive=disk,bootindex=0"])
        .deadline(PROBE_DEADLINE)
        .outcome();
    match outcome {
        Ok(outcome) if outcome.status.code() == Some(EXIT_STATUS) => {
            Ok(Accelerator { engine: Engine::Kvm, why: String::new() })
        }
        Ok(outcome) => {
            let said = String::from_utf8_lossy(&outcome.stderr);
            let last = said.lines().last().unwrap_or("it said nothing");
            let last = last.trim_start_matches(&format!("{QEMU}: "));
            Ok(Accelerator::tcg(format!("KVM does not start a guest: {last}")))
        }
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(_) => {
            let seconds = PROBE_DEADLINE.as_secs();
            Ok(Accelerator::tcg(format!("KVM did not start a small guest within {seconds} s")))
        }
    }
}

/// A boot sector (loaded at 0x7c00, real mode) that writes to the exit port.
fn boot_sector() -> [u8; 512] {
    const CODE: [u8; 8] = [
        0xb0, EXIT_VALUE, // mov al, EXIT_VALUE
        0xe6, EXIT_PORT, // out EXIT_PORT, al
        0xfa,      // cli
        0xf4,      // hlt
        0xeb, 0xfd, // jmp to hlt
    ];
    let mut sector = [0; 512];
    sector[..CODE.len()].copy_from_slice(&CODE);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_runs_guests_says_so() {
        assert!(runs_guests("processor : 0\nflags\t\t: fpu vmx cx16\n"));
        assert!(runs_guests("flags\t\t: fpu svm\n"));
        assert!(!runs_guests("model name : vmx\nflags\t\t: fpu cx16 vmx_x hypervisor\n"));
        assert!(!runs_guests(""));
    }
}
