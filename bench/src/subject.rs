//! What is measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use qemu::{Machine, Tap};

/// An appliance or a baseline, ready to boot.
#[derive(Clone, Debug)]
pub struct Subject {
    /// A short name: `appliance`, `stock-kernel`, `stock-machine`.
    pub name: String,
    /// What it is, in a sentence.
    pub title: String,
    /// The release of its kernel.
    pub kernel: String,
    /// The machine, with the user network; a direct start unless said otherwise.
    pub machine: Machine,
    /// The same machine's network where root allows a tap.
    pub tap: Tap,
    /// The initramfs for a run of the guest program instead of the server: the
    /// modules that its kernel needs, and what loads them, but no `/init`.
    pub support: Support,
    /// Where its server serves, as seen in its own network.
    pub address: SocketAddr,
    /// `System.map` of its kernel.
    pub symbols: PathBuf,
    /// The UUID by which its PID 1 finds the file system of the site, if that is on a disk
    /// of its own.
    pub disk_uuid: Option<String>,
    /// Every file that it serves: its path as it stands in a URL, with the leading
    /// slash and escaped, and its content on the host.
    pub site: BTreeMap<String, PathBuf>,
    /// Sizes of its parts in bytes: `vmlinuz`, `vmlinux`, `initramfs.cpio`, `disk`;
    /// of a baseline also `package` or `packages` when installed.
    pub sizes: BTreeMap<String, u64>,
    /// Counts by name: `modules` that its kernel has, `modules_loaded` when it
    /// serves, `packages` that are installed.
    pub figures: BTreeMap<String, u64>,
}

impl Subject {
    /// Whether it is a whole Debian rather than one server on a kernel.
    pub fn is_whole_machine(&self) -> bool {
        self.name.starts_with("stock-machine")
    }
}

/// What a kernel needs before a program can use the disk and the network.
#[derive(Clone, Debug, Default)]
pub struct Support {
    /// Kernel modules in the order of loading; empty for a kernel with everything
    /// built in.
    pub modules: Vec<PathBuf>,
}

/// The programs that a measurement needs, built for it.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The plugin for QEMU.
    pub plugin: PathBuf,
    /// The program that makes system calls.
    pub syscalls: PathBuf,
    /// `/init` of a kernel with modules: loads what `/modules/order` lists, then
    /// executes `/init.next`.
    pub load_modules: PathBuf,
    /// `/init` of a kernel with several I/O schedulers: gives the disk the one that
    /// `/scheduler` names, then executes `/init.next`.
    pub choose_scheduler: PathBuf,
}
