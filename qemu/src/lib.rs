//! Starts one virtual machine and talks to it: its console, its power button,
//! its network. No other place of the workspace starts QEMU.
//!
//! A [`Machine`] says what to start, [`Machine::boot`] starts it, and the
//! [`Guest`] that comes of it runs until it ends by itself, is stopped, or is
//! dropped. Images are opened so that a guest cannot change them.

mod accelerator;
mod console;
mod devices;
mod firmware;
mod guest;
mod machine;
mod network;
mod plain;
mod qmp;
mod serving;

pub use accelerator::{Accelerator, Engine};
pub use devices::{Clock, DiskBus, Nic, Plugin, Throttle};
pub use guest::{Ended, Guest, WaitError};
pub use machine::{Chipset, Disk, DiskFormat, Kernel, Machine, Start};
pub use network::{LocalPort, Network, Tap, UserNetwork};
pub use serving::Serving;

/// The program that is started.
pub(crate) const QEMU: &str = "qemu-system-x86_64";
