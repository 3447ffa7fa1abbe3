//! VMware's settings of a machine: `vmw:Config` and `vmw:ExtraConfig`.

use images::ovf::{known, names};

use crate::lint::finding::{Findings, SERVERS, Source, VIRTUALBOX, VMWARE, rules, shown};
use crate::lint::xml::Element;

const TEMPLATES: Source =
    Source::Behaviour("VMware's open-vmdk, templates: vmw:Config of the hardware section");

rules! {
    ATTRIBUTE = "cfg-attribute": Error, VMWARE, TEMPLATES,
        "a vmw:Config has vmw:key and vmw:value",
        "add what is missing";
    FIRMWARE = "cfg-firmware": Error, VMWARE, TEMPLATES,
        "the firmware is bios or efi",
        "set vmw:value to one of the two";
    FIRMWARE_PLACE = "cfg-firmware-place": Warning, VMWARE, TEMPLATES,
        "the firmware is a setting of the hardware section, not of a device",
        "move the vmw:Config to the end of VirtualHardwareSection";
    FIRMWARE_VERSION = "cfg-firmware-version": Warning, VMWARE,
        Source::Experience("UEFI came with vmx-08"),
        "a machine that starts by UEFI has vmx-08 or later",
        "raise the hardware version";
    FIRMWARE_IGNORED = "cfg-firmware-ignored": Note, VIRTUALBOX,
        Source::Behaviour("VirtualBox does not read vmw:Config (ovfreader.cpp)"),
        "the machine starts by BIOS, whoever reads the package",
        "choose EFI in the settings of the machine after importing it";
    SECURE_BOOT = "cfg-secure-boot": Warning, VMWARE,
        Source::Experience("secure boot is a setting of the UEFI firmware"),
        "secure boot is on only with the firmware efi",
        "set the firmware to efi, or leave secure boot out";
    DUPLICATE = "cfg-duplicate": Warning, VMWARE, TEMPLATES,
        "every key of vmw:Config is there once",
        "remove the other";
    REQUIRED = "cfg-required": Warning, VMWARE,
        Source::Experience("a product that does not know a required setting refuses the package"),
        "settings say ovf:required=\"false\"",
        "add ovf:required=\"false\"";
    EXTRA = "cfg-extra": Warning, SERVERS,
        Source::Experience("vCenter asks whether the advanced configuration options of a package are trusted"),
        "the package has no vmw:ExtraConfig",
        "leave it out, unless the machine does not start without";
}

const SECURE_BOOT_KEY: &str = "bootOptions.efiSecureBootEnabled";

/// A setting: its key, its value, where it is.
type Setting<'a> = (&'a str, &'a str, &'a Element);

/// Checks the settings of a machine on virtual hardware of this version.
pub(super) fn check(system: &Element, version: Option<u8>, findings: &mut Findings) {
    for section in system.all(names::OVF, "VirtualHardwareSection") {
        let mut settings = std::collections::BTreeMap::new();
        for config in section.all(names::VMW, "Config") {
            let Some((key, value)) = read(config, findings) else { continue };
            if settings.insert(key, (key, value, config)).is_some() {
                findings.add(&DUPLICATE, config.place(), shown(key));
            }
        }
        for item in section.all(names::OVF, "Item") {
            for config in item.all(names::VMW, "Config") {
                let setting = read(config, findings);
                if setting.is_some_and(|(key, _)| key == names::FIRMWARE_KEY) {
                    findings.add(&FIRMWARE_PLACE, config.place(), "in a device");
                }
            }
        }
        for extra in section.all(names::VMW, "ExtraConfig") {
            let key = extra.attribute(names::VMW, "key").unwrap_or("");
            findings.add(&EXTRA, extra.place(), shown(key));
        }
        let is_efi = check_firmware(settings.get(names::FIRMWARE_KEY), version, findings);
        if let Some((_, "true", config)) = settings.get(SECURE_BOOT_KEY)
            && !is_efi
        {
            findings.add(&SECURE_BOOT, config.place(), "the firmware is not efi");
        }
    }
}

fn read<'a>(config: &'a Element, findings: &mut Findings) -> Option<(&'a str, &'a str)> {
    if super::is_required(config) {
        findings.add(&REQUIRED, config.place(), "it is required");
    }
    let key = config.attribute(names::VMW, "key");
    let value = config.attribute(names::VMW, "value");
    if key.is_none() || value.is_none() {
        findings.add(&ATTRIBUTE, config.place(), "one of the two is missing");
    }
    key.zip(value)
}

/// Checks the firmware; gives whether it is UEFI.
fn check_firmware(
    firmware: Option<&Setting<'_>>,
    version: Option<u8>,
    findings: &mut Findings,
) -> bool {
    let [bios, efi] = names::FIRMWARES;
    let Some((_, value, config)) = firmware else { return false };
    if *value != efi {
        if *value != bios {
            findings.add(&FIRMWARE, config.place(), format!("\"{}\"", shown(value)));
        }
        return false;
    }
    findings.add(&FIRMWARE_IGNORED, config.place(), "the firmware is efi");
    if let Some(version) = version.filter(|version| *version < known::UEFI_SINCE) {
        findings.add(&FIRMWARE_VERSION, config.place(), format!("vmx-{version:02}"));
    }
    true
}
