//! The part of a plan that a package for VMware needs.

use anyhow::Result;
use host::Problem;
use images::ovf::known::{HardwareVersion, UEFI_SINCE};
use images::ovf::{self, Firmware};

use crate::manifest::Memory;
use crate::spec::{FirmwareKind, Project};
use crate::target::Target;

/// Names that Windows, where Workstation and vSphere's clients run, keeps for
/// devices, whatever follows after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// What a package for VMware says of its virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vmware {
    /// The version of the virtual hardware.
    pub hardware_version: HardwareVersion,
    /// The guest operating system, as VMware names it.
    pub guest_id: &'static str,
    /// The firmware that starts the machine.
    pub firmware: FirmwareKind,
    /// The name of its network.
    pub network: String,
    /// Its memory in MiB.
    pub memory: u32,
}

/// The part of the plan, if there is to be a package.
pub(super) fn plan(project: &Project, target: Target, memory: &Memory) -> Result<Option<Vmware>> {
    if target != Target::Vmware {
        return Ok(None);
    }
    let spec = &project.spec.vmware;
    check_name(project)?;
    let hardware_version = spec.hardware_version.0;
    if spec.firmware == FirmwareKind::Uefi && hardware_version.number < UEFI_SINCE {
        let what = format!("hardware version {} has no UEFI", hardware_version.name());
        let hint = format!("use hardware-version = \"vmx-{UEFI_SINCE:02}\" or a later one");
        return Err(project.refuse("vmware", "firmware", &what).hint(hint).into());
    }
    let memory = match spec.firmware {
        FirmwareKind::Bios => memory.bios,
        FirmwareKind::Uefi => memory.uefi,
    };
    Ok(Some(Vmware {
        hardware_version,
        guest_id: spec.guest_id.0,
        firmware: spec.firmware,
        network: spec.network.as_str().to_owned(),
        memory: ovf::memory(memory),
    }))
}

/// The name of the appliance is the name of the package's files.
fn check_name(project: &Project) -> Result<(), Problem> {
    let name = project.spec.name.as_str().to_lowercase();
    let is_port = |name: &str| {
        let number = name.strip_prefix("com").or_else(|| name.strip_prefix("lpt"));
        number.is_some_and(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    if DEVICES.contains(&name.as_str()) || is_port(&name) {
        let what = format!("Windows keeps `{name}` for a device and cannot have {name}.ova");
        return Err(project.refuse("", "name", &what).hint("choose another name"));
    }
    Ok(())
}

impl Vmware {
    /// The firmware as a descriptor names it.
    pub fn ovf_firmware(&self) -> Firmware {
        match self.firmware {
            FirmwareKind::Bios => Firmware::Bios,
            FirmwareKind::Uefi => Firmware::Efi,
        }
    }
}
