//! The devices of a machine: what an image is made for, and what else it could
//! find.

use std::path::PathBuf;

use anyhow::Result;
use host::Command;

use crate::QEMU;

/// The controller that a disk hangs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskBus {
    /// Paravirtual, of QEMU and KVM.
    #[default]
    Virtio,
    /// Paravirtual, of VMware.
    Pvscsi,
    /// LSI Logic 53C895A, emulated.
    Lsi,
    /// LSI SAS 1068, emulated; VMware's "LSI Logic SAS".
    LsiSas,
    /// AHCI, emulated.
    Ahci,
    /// IDE, emulated; only the chipset of 1996 has it.
    Ide,
    /// NVMe, emulated.
    Nvme,
    /// A stick on a USB 3 controller (xHCI), emulated.
    Usb,
}

/// A network interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nic {
    /// Paravirtual, of QEMU and KVM.
    #[default]
    Virtio,
    /// Paravirtual, of VMware.
    Vmxnet3,
    /// Intel 82540EM, emulated.
    E1000,
    /// Intel 82574L, emulated.
    E1000e,
    /// Intel 82576, emulated.
    Igb,
}

/// What slows a disk down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Operations per second.
    pub operations: u32,
    /// Bytes per second.
    pub bytes: u64,
}

/// A clock for the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The host's.
    #[default]
    Real,
    /// So many nanoseconds for each instruction of the guest, as a power of two, so
    /// that a run can be repeated; only under emulation.
    Instructions(u8),
}

/// A plugin of QEMU's translator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The shared object.
    pub file: PathBuf,
    /// What it is told, as names and values.
    pub arguments: Vec<(String, String)>,
}

impl DiskBus {
    /// The values of `-device` for a drive `disk`, in their order.
    pub(crate) fn devices(self) -> &'static [&'static str] {
        // QEMU takes index 0 itself for a kernel that it loads.
        match self {
            Self::Virtio => &["virtio-blk-pci,drive=disk,bootindex=1"],
            Self::Pvscsi => &["pvscsi,id=scsi", "scsi-hd,bus=scsi.0,drive=disk,bootindex=1"],
            Self::Lsi => &["lsi53c895a,id=scsi", "scsi-hd,bus=scsi.0,drive=disk,bootindex=1"],
            // A disk on SAS is found by its address.
            Self::LsiSas => &[
                "mptsas1068,id=scsi",
                "scsi-hd,bus=scsi.0,drive=disk,bootindex=1,wwn=0x5000000000000001",
            ],
            Self::Ahci => &["ich9-ahci,id=ahci", "ide-hd,bus=ahci.0,drive=disk,bootindex=1"],
            Self::Ide => &["ide-hd,bus=ide.0,drive=disk,bootindex=1"],
            Self::Nvme => &["nvme,serial=appliance,drive=disk,bootindex=1"],
            Self::Usb => &["qemu-xhci,id=usb", "usb-storage,bus=usb.0,drive=disk,bootindex=1"],
        }
    }
}

impl Nic {
    /// Whether the QEMU of this host has it: [`Nic::Igb`] came with version 8.0.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn is_known(self) -> Result<bool> {
        let known = Command::new(QEMU).args(["-device", "help"]).output()?;
        let line = format!("name \"{}\",", self.device());
        Ok(String::from_utf8_lossy(&known).contains(&line))
    }

    /// The name of QEMU's device.
    pub(crate) fn device(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-net-pci",
            Self::Vmxnet3 => "vmxnet3",
            Self::E1000 => "e1000",
            Self::E1000e => "e1000e",
            Self::Igb => "igb",
        }
    }
}
