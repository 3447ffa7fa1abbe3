//! The guest operating system of a machine (DSP0243, "OperatingSystemSection").

use images::ovf::{known, names};

use super::attribute;
use crate::lint::finding::{Findings, SERVERS, Source, VIRTUALBOX, VMWARE, rules, shown};
use crate::lint::xml::Element;

rules! {
    SECTION = "os-section": Warning, VMWARE,
        Source::Specification("DSP0243 1.1.0, OperatingSystemSection"),
        "the machine says what its operating system is",
        "add an OperatingSystemSection with ovf:id and vmw:osType";
    ID = "os-id": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox says \"missing or invalid 'ovf:id' attribute in operating system section\" (ovfreader.cpp)"),
        "ovf:id is a number of CIM_OperatingSystem.OSType",
        "set it, for 64-bit Linux to 101";
    TYPE_MISSING = "os-type-missing": Warning, SERVERS,
        Source::Behaviour("open-vmdk's templates have vmw:osType; without it the number has to do"),
        "vmw:osType says which guest it is",
        "add vmw:osType=\"other4xLinux64Guest\" or another";
    TYPE = "os-type": Warning, VMWARE,
        Source::Specification("vSphere Web Services API, VirtualMachineGuestOsIdentifier"),
        "vmw:osType is a guest that VMware knows",
        "take one of the list, such as other4xLinux64Guest; an unknown one becomes \"other\"";
    TYPE_NEW = "os-type-new": Warning, VMWARE,
        Source::Experience("hosts offer a guest from the virtual hardware that came with it"),
        "the guest is not newer than the virtual hardware",
        "raise the hardware version, or take an older guest such as other3xLinux64Guest";
}

/// Guests of Linux, and the virtual hardware that came with them.
const SINCE: [(&str, u8); 4] =
    [("other4xLinux", 14), ("other5xLinux", 17), ("other6xLinux", 20), ("other7xLinux", 22)];

/// Checks the guest of a machine on virtual hardware of this version.
pub(super) fn check(system: &Element, version: Option<u8>, findings: &mut Findings) {
    let Some(section) = system.child(names::OVF, "OperatingSystemSection") else {
        findings.add(&SECTION, system.place(), "there is none");
        return;
    };
    let id = attribute(section, "id").unwrap_or("");
    if id.trim().parse::<u32>().is_err() {
        findings.add(&ID, section.place(), format!("\"{}\"", shown(id)));
    }
    let Some(guest) = section.attribute(names::VMW, "osType") else {
        findings.add(&TYPE_MISSING, section.place(), "there is none");
        return;
    };
    if !known::GUEST_IDS.contains(&guest) {
        findings.add(&TYPE, section.place(), shown(guest));
        return;
    }
    let since = SINCE.iter().find(|(start, _)| guest.starts_with(start));
    if let (Some((_, since)), Some(version)) = (since, version)
        && version < *since
    {
        let found = format!("{guest} on vmx-{version:02}; it came with vmx-{since}");
        findings.add(&TYPE_NEW, section.place(), found);
    }
}
