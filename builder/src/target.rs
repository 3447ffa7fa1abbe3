//! What an image can be built for.

use anyhow::Result;
use host::refused;

use crate::disk::Format;

/// A hypervisor, or a machine without one, that an image is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// QEMU and KVM: virtio devices, KVM's paravirtual clock.
    Kvm,
    /// VMware: pvscsi, vmxnet3, VMware's clock.
    Vmware,
    /// A real PC or server: AHCI, NVMe, USB sticks, Intel's and Realtek's network chips.
    Host,
}

impl Target {
    /// Every target, for tests that must not leave one out.
    pub const ALL: &[Self] = &[Self::Kvm, Self::Vmware, Self::Host];

    /// The target of this name.
    ///
    /// # Errors
    /// Refused when there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|target| target.name() == name).ok_or_else(|| {
            refused(format!("the image was built for `{name}`, which this version does not know"))
                .hint("build it again with `appliance build`")
                .into()
        })
    }

    /// The disk images that are written unless others are asked for. A package has
    /// one of its own.
    pub fn formats(self) -> Vec<Format> {
        match self {
            Self::Kvm => vec![Format::Qcow2],
            Self::Vmware => Vec::new(),
            // To be written to a disk or a stick.
            Self::Host => vec![Format::Raw],
        }
    }

    /// The name on the command line and in directories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Vmware => "vmware",
            Self::Host => "host",
        }
    }
}
