//! What an appliance asks of its kernel.

use crate::tailor::Tailor;

/// What the kernel has to be able to do. Starting by BIOS and directly needs
/// nothing that a kernel could be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Whose guest it is.
    pub hypervisor: Hypervisor,
    /// The disk, if there is one.
    pub disk: Option<Disk>,
    /// Whether there is an IPv6 address.
    pub ipv6: bool,
    /// Whether it is started by UEFI.
    pub efi: bool,
    /// Whether it protects itself from the server, at the price of speed.
    pub hardened: bool,
    /// What is left out of it.
    pub tailor: Tailor,
    /// Whether the server runs in ring 0; never with `hardened`.
    pub kml: bool,
}

/// A program that runs virtual machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypervisor {
    /// KVM, or QEMU's own emulation, with virtio devices on PCI.
    Kvm,
    /// VMware, with a pvscsi controller and a vmxnet3 interface.
    Vmware,
    /// None: a real machine.
    None,
}

impl Hypervisor {
    /// Every hypervisor.
    pub const ALL: &[Self] = &[Self::Kvm, Self::Vmware, Self::None];
}

/// A disk with an ext3 or ext4 file system; one driver serves both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Whether the file system is mounted for writing.
    pub writable: bool,
}
