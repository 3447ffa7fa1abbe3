//! Section `[vmware]`: what a package for VMware says of the virtual machine.

use std::str::FromStr;

use clap::ValueEnum;
use host::nearest;
use images::ovf::known::{
    GUEST_IDS, HARDWARE_VERSIONS, HardwareVersion as Known, PARAVIRTUAL_SINCE,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// The guest operating system unless another is asked for: a Linux of our kernel's
/// kind that every product since ESXi 6.7 knows.
const GUEST: &str = "other4xLinux64Guest";
/// The network that ESXi sets up when it is installed.
const NETWORK: &str = "VM Network";
/// The longest name of a network, in characters: that of a vSphere inventory.
const NETWORK_MAX: usize = 80;

/// Section `[vmware]`; only `--target vmware` reads it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct VmwareSpec {
    /// The version of the virtual hardware.
    pub hardware_version: HardwareVersion,
    /// The guest operating system, as VMware names it.
    pub guest_id: GuestId,
    /// The firmware that starts the machine.
    pub firmware: FirmwareKind,
    /// The network that the machine is connected to.
    pub network: NetworkName,
}

/// A version of VMware's virtual hardware that has the devices of an appliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardwareVersion(pub Known);

impl HardwareVersion {
    /// Every such version.
    fn all() -> impl Iterator<Item = Known> {
        HARDWARE_VERSIONS.into_iter().filter(|known| known.number >= PARAVIRTUAL_SINCE)
    }

    fn names() -> Vec<String> {
        Self::all().map(Known::name).collect()
    }
}

impl Default for HardwareVersion {
    /// That of ESXi 6.7.
    fn default() -> Self {
        Self(HARDWARE_VERSIONS[10])
    }
}

impl FromStr for HardwareVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Known::from_name(text) {
            Some(known) if known.number >= PARAVIRTUAL_SINCE => Ok(Self(known)),
            Some(_) => Err(format!(
                "hardware version `{text}` has neither pvscsi nor vmxnet3: vmx-{PARAVIRTUAL_SINCE:02} is the first"
            )),
            None => Err(format!(
                "unknown hardware version `{text}`, expected one of `{}`",
                Self::names().join("`, `")
            )),
        }
    }
}

text_value!(HardwareVersion, "HardwareVersion", {
    "type": "string",
    "enum": HardwareVersion::names()
});

/// A guest operating system that VMware knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestId(pub &'static str);

impl Default for GuestId {
    fn default() -> Self {
        Self(GUEST)
    }
}

impl FromStr for GuestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(known) = GUEST_IDS.into_iter().find(|known| *known == text) {
            return Ok(Self(known));
        }
        let near = nearest(text, GUEST_IDS.into_iter()).unwrap_or(GUEST);
        Err(format!("unknown guest id `{text}`, expected one of VMware's such as `{near}`"))
    }
}

text_value!(GuestId, "GuestId", { "type": "string", "enum": GUEST_IDS.to_vec() });

/// The firmware that starts a virtual machine from its disk.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum FirmwareKind {
    /// A BIOS.
    #[default]
    Bios,
    /// UEFI, without Secure Boot.
    Uefi,
}

impl FirmwareKind {
    /// The name in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
        }
    }
}

/// The name of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkName(String);

impl NetworkName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for NetworkName {
    fn default() -> Self {
        Self(NETWORK.to_owned())
    }
}

impl FromStr for NetworkName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |c: char| c.is_control() || "/\\%".contains(c);
        let count = text.chars().count();
        if (1..=NETWORK_MAX).contains(&count) && text == text.trim() && !text.contains(refused) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?} is no network of vSphere: use 1 to {NETWORK_MAX} characters without slash, \
             backslash, percent sign and space at either end"
        ))
    }
}

text_value!(NetworkName, "NetworkName", {
    "type": "string",
    "minLength": 1,
    "maxLength": NETWORK_MAX,
    "pattern": "^[^/\\\\%]+$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_that_of_esxi_6_7() {
        let spec = VmwareSpec::default();
        assert_eq!(Known::from_name("vmx-14"), Some(spec.hardware_version.0));
        assert!(spec.hardware_version.0.since.contains("ESXi 6.7,"));
        assert!(GUEST_IDS.contains(&spec.guest_id.0));
    }

    #[test]
    fn versions_without_our_devices_are_refused() {
        let said = "vmx-04".parse::<HardwareVersion>().unwrap_err();
        assert!(said.contains("neither pvscsi nor vmxnet3: vmx-07 is the first"), "{said}");
        assert!("vmx-07".parse::<HardwareVersion>().is_ok());
    }

    #[test]
    fn names_of_networks() {
        for good in ["VM Network", "R&D", "Netz für Gäste", &"x".repeat(80)] {
            assert!(good.parse::<NetworkName>().is_ok(), "{good}");
        }
        for bad in ["", " a", "a/b", "a\\b", "50%", "a\nb", &"x".repeat(81)] {
            assert!(bad.parse::<NetworkName>().is_err(), "{bad}");
        }
    }
}
