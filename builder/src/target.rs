//! What an image can be built for.

/// A hypervisor that an image is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// QEMU and KVM: virtio devices, KVM's paravirtual clock.
    Kvm,
}

impl Target {
    /// Every target, for tests that must not leave one out.
    pub const ALL: &[Self] = &[Self::Kvm];

    /// The name on the command line and in directories.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
        }
    }
}
