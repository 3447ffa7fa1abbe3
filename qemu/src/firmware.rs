//! Where the distributions keep the UEFI firmware OVMF.

use std::path::PathBuf;

use anyhow::Result;
use host::failed;

/// Code and empty variable store, in the order of preference.
const PLACES: &[(&str, &str)] = &[
    // Debian, Ubuntu
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    // Fedora, RHEL
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    // Arch
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    // openSUSE
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
];

/// The two flash images of a UEFI machine.
pub(crate) struct Ovmf {
    pub(crate) code: PathBuf,
    pub(crate) variables: PathBuf,
}

impl Ovmf {
    /// The OVMF of this host.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find() -> Result<Self> {
        PLACES
            .iter()
            .map(|(code, variables)| Self { code: code.into(), variables: variables.into() })
            .find(|ovmf| ovmf.code.is_file() && ovmf.variables.is_file())
            .ok_or_else(|| {
                failed("the UEFI firmware OVMF is not installed")
                    .hint("run `appliance doctor` to see what is missing and how to install it")
                    .into()
            })
    }
}
