//! The virtual hardware of a machine (DSP0243, "Virtual Hardware Description").

use std::collections::{BTreeMap, BTreeSet};

use images::ovf::known;
use images::ovf::names::{self, resource};

use super::{devices, is_required, networks, rasd, unit};
use crate::lint::finding::{ALL, Findings, SERVERS, Source, VIRTUALBOX, VMWARE, rules, shown};
use crate::lint::xml::Element;

const HARDWARE: Source = Source::Specification("DSP0243 1.1.0, Virtual Hardware Description");
const SCHEMA: Source = Source::Specification(
    "DSP8023 1.1, the XML schema of OVF, with that of CIM_ResourceAllocationSettingData",
);

rules! {
    SECTION = "hw-section": Error, ALL, HARDWARE,
        "every machine has a VirtualHardwareSection",
        "add it with processor, memory, controller and disk";
    FAMILY = "hw-family": Error, VMWARE,
        Source::Behaviour("VMware's products say \"Unsupported hardware family\""),
        "VirtualSystemType is a version of VMware's virtual hardware",
        "set it to vmx-14, or let `ovftool --lax` convert the package";
    VERSION_DESKTOP = "hw-version-desktop": Warning, SERVERS,
        Source::Behaviour("Broadcom's article 315655: versions that came with no ESXi"),
        "the version is one of ESXi",
        "set it to vmx-14 or another that came with an ESXi";
    VERSION_NEW = "hw-version-new": Note, SERVERS,
        Source::Behaviour("Broadcom's article 315655"),
        "every host from ESXi 6.7 takes the version",
        "nothing, if all hosts are new enough; otherwise set it to vmx-14";
    TYPE = "hw-type": Error, ALL,
        Source::Behaviour("VirtualBox says \"Empty element ResourceType\" (ovfreader.cpp); DSP0243"),
        "every Item has a ResourceType, which is a number",
        "add it: 3 for processors, 4 for memory, 17 for a disk";
    TYPE_UNKNOWN = "hw-type-unknown": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox says \"Unknown resource type\" (ovfreader.cpp)"),
        "devices beyond the common ones say ovf:required=\"false\"",
        "add ovf:required=\"false\" to the Item";
    INSTANCE = "hw-instance": Error, ALL, HARDWARE,
        "every Item has an InstanceID of its own",
        "number the Items through";
    ELEMENT_NAME = "hw-element-name": Warning, VMWARE, SCHEMA,
        "every Item has an ElementName",
        "add it; it is the name that people see";
    ORDER = "hw-order": Warning, VMWARE, SCHEMA,
        "the elements of an Item are in the order of their names",
        "sort them, those of other namespaces last";
    PROCESSORS = "hw-processors": Error, ALL, HARDWARE,
        "there is an Item for processors, with at least one and 768 at most",
        "add an Item of type 3 with VirtualQuantity";
    MEMORY = "hw-memory": Error, ALL, HARDWARE,
        "there is an Item for memory, with a quantity and a unit",
        "add an Item of type 4 with AllocationUnits `byte * 2^20`";
    MEMORY_UNITS = "hw-memory-units": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox says \"Invalid allocation unit\" (ovfreader.cpp)"),
        "memory is counted in `byte * 2^20` or `byte * 2^30`",
        "write `byte * 2^20`, with the spaces";
    MEMORY_STEP = "hw-memory-step": Warning, VMWARE,
        Source::Specification("vSphere Virtual Machine Administration: memory in multiples of 4 MB"),
        "the memory is a multiple of 4 MiB",
        "round it up";
    PARENT = "hw-parent": Error, ALL,
        Source::Behaviour("VirtualBox says \"specifies invalid parent\" (ovfreader.cpp); DSP0243"),
        "the Parent of a disk or drive is the InstanceID of a controller",
        "correct it";
    ADDRESS = "hw-address": Error, VMWARE, HARDWARE,
        "no two disks or drives have the same AddressOnParent",
        "number them through";
    ADDRESS_MISSING = "hw-address-missing": Warning, VMWARE, HARDWARE,
        "a disk or drive has an AddressOnParent, which is a number",
        "add it, from 0";
    ADDRESS_SEVEN = "hw-address-seven": Error, VMWARE,
        Source::Behaviour("address 7 of a SCSI bus is the controller's (open-vmdk, mkova.sh)"),
        "no disk is at address 7 of a SCSI controller",
        "take another address";
    HOST_RESOURCE = "hw-host-resource": Error, ALL,
        Source::Behaviour("VirtualBox says \"specifies invalid host resource\" (ovfreader.cpp); DSP0243"),
        "HostResource of a disk is ovf:/disk/ID or ovf:/file/ID",
        "write it so, with the ovf:diskId of a Disk";
    SCSI = "hw-scsi": Error, VMWARE,
        Source::Behaviour("VMware's products say \"Unsupported virtual hardware device\""),
        "the subtype of a SCSI controller is one of VMware's",
        "take lsilogic, or VirtualSCSI for pvscsi";
    SCSI_MISSING = "hw-scsi-missing": Warning, VMWARE,
        Source::Experience("the products choose one then, which the guest may not know"),
        "a SCSI controller has a ResourceSubType",
        "add lsilogic, or VirtualSCSI for pvscsi";
    SCSI_BOX = "hw-pvscsi": Note, VIRTUALBOX,
        Source::Experience("VirtualBox has no pvscsi and attaches the disk to a controller of its own"),
        "the SCSI controller is one that VirtualBox has",
        "nothing for VMware; for VirtualBox choose a controller that the guest knows after importing";
    STORAGE = "hw-storage": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox says \"is supported with SATA AHCI or Virtio-SCSI or NVMe controllers only\" (ovfreader.cpp)"),
        "a controller of type 20 is AHCI or NVMe",
        "set its ResourceSubType to AHCI";
    NIC = "hw-nic": Warning, VMWARE,
        Source::Behaviour("VMware's products say \"Unsupported virtual hardware device\" or take another"),
        "the subtype of a network adapter is one of VMware's",
        "take VmxNet3 or E1000";
    NIC_BOX = "hw-vmxnet3": Note, VIRTUALBOX,
        Source::Experience("VirtualBox has no vmxnet3 and takes its default adapter"),
        "the network adapter is one that VirtualBox has",
        "nothing for VMware; for VirtualBox choose an adapter that the guest knows after importing";
    CONNECTION = "hw-connection": Error, SERVERS, HARDWARE,
        "a network adapter has a Connection",
        "add the name of a Network";
    DEVICE_NEW = "hw-device-new": Warning, VMWARE,
        Source::Experience("devices came with a version of virtual hardware"),
        "the hardware version has the devices that are asked for",
        "raise the version, or take an older device";
}

/// The types of devices that VirtualBox imports.
const COMMON: [u16; 11] = [
    resource::PROCESSOR,
    resource::MEMORY,
    resource::IDE_CONTROLLER,
    resource::SCSI_CONTROLLER,
    resource::ETHERNET,
    resource::FLOPPY,
    resource::CD_DRIVE,
    resource::DISK,
    resource::STORAGE_CONTROLLER,
    resource::USB_CONTROLLER,
    SOUND,
];
/// A sound card.
const SOUND: u16 = 35;
/// A DVD drive, as some tools have it.
const DVD_DRIVE: u16 = 16;
/// The newest version that every ESXi from 6.7 has.
const EVERYWHERE: u8 = 14;
/// The most processors of a machine (vSphere 8).
const MOST_PROCESSORS: u64 = 768;

/// What devices can refer to.
pub(super) struct Known<'a> {
    pub(super) files: BTreeSet<&'a str>,
    pub(super) disks: BTreeSet<&'a str>,
    pub(super) networks: &'a BTreeSet<String>,
}

/// What the devices of a machine are checked against.
struct Machine<'a> {
    version: Option<u8>,
    /// The types of devices by their InstanceID.
    types: BTreeMap<&'a str, u16>,
    known: &'a Known<'a>,
    /// The places that are taken: Parent and AddressOnParent.
    taken: BTreeSet<(&'a str, &'a str)>,
}

/// Checks the hardware of a machine; gives its version.
pub(super) fn check(system: &Element, known: &Known<'_>, findings: &mut Findings) -> Option<u8> {
    let Some(section) = system.child(names::OVF, "VirtualHardwareSection") else {
        findings.add(&SECTION, system.place(), "there is none");
        return None;
    };
    let version = check_family(section, findings);
    let pairs = devices(system).filter_map(|item| Some((rasd(item, "InstanceID")?, kind(item)?)));
    let mut machine = Machine { version, types: pairs.collect(), known, taken: BTreeSet::new() };
    check_instances(system, findings);
    for item in devices(system) {
        check_form(item, findings);
        match kind(item) {
            Some(kind) => machine.check(item, kind, findings),
            None => {
                let found = format!("\"{}\"", shown(rasd(item, "ResourceType").unwrap_or("")));
                findings.add(&TYPE, item.place(), found);
            }
        }
    }
    let has = |wanted| devices(system).any(|item| kind(item) == Some(wanted));
    for (wanted, rule) in [(resource::PROCESSOR, &PROCESSORS), (resource::MEMORY, &MEMORY)] {
        if !has(wanted) {
            findings.add(rule, section.place(), "there is none");
        }
    }
    version
}

/// The type of a device.
fn kind(item: &Element) -> Option<u16> {
    rasd(item, "ResourceType")?.parse().ok()
}

fn check_family(section: &Element, findings: &mut Findings) -> Option<u8> {
    let kind = section
        .child(names::OVF, "System")
        .and_then(|system| system.child(names::VSSD, "VirtualSystemType"));
    let text = kind.map_or("", Element::text);
    let place = kind.unwrap_or(section).place();
    // Several are alternatives.
    let known = text.split_whitespace().filter_map(|word| {
        let number: u8 = word.strip_prefix("vmx-")?.parse().ok()?;
        known::HARDWARE_VERSIONS.into_iter().find(|version| version.number == number)
    });
    let Some(oldest) = known.min() else {
        findings.add(&FAMILY, place, format!("\"{}\"", shown(text)));
        return None;
    };
    let found = format!("{} came with {}", oldest.name(), oldest.since);
    if !oldest.since.contains("ESX") {
        findings.add(&VERSION_DESKTOP, place, found);
    } else if oldest.number > EVERYWHERE {
        findings.add(&VERSION_NEW, place, found);
    }
    Some(oldest.number)
}

fn check_instances(system: &Element, findings: &mut Findings) {
    let mut instances = BTreeSet::new();
    for item in devices(system) {
        let id = rasd(item, "InstanceID").unwrap_or("");
        if id.is_empty() || !instances.insert(id) {
            findings.add(&INSTANCE, item.place(), format!("\"{}\"", shown(id)));
        }
    }
}

/// Checks what all devices have in common.
fn check_form(item: &Element, findings: &mut Findings) {
    if rasd(item, "ElementName").is_none() {
        findings.add(&ELEMENT_NAME, item.place(), "there is none");
    }
    let own = item.children.iter().filter(|child| &*child.name.namespace == names::RASD);
    let order: Vec<&str> = own.map(|child| child.name.local.as_str()).collect();
    if let Some(pair) = order.windows(2).find(|pair| pair[0] > pair[1]) {
        findings.add(&ORDER, item.place(), shown(&format!("{} before {}", pair[0], pair[1])));
    }
}

impl<'a> Machine<'a> {
    fn check(&mut self, item: &'a Element, kind: u16, findings: &mut Findings) {
        match kind {
            resource::PROCESSOR => check_processors(item, findings),
            resource::MEMORY => check_memory(item, findings),
            resource::SCSI_CONTROLLER => self.check_scsi(item, findings),
            resource::STORAGE_CONTROLLER => self.check_storage(item, findings),
            resource::ETHERNET => self.check_nic(item, findings),
            resource::DISK | resource::CD_DRIVE | DVD_DRIVE => {
                self.check_drive(item, kind, findings);
            }
            kind if COMMON.contains(&kind) || !is_required(item) => {}
            kind => findings.add(&TYPE_UNKNOWN, item.place(), format!("type {kind}")),
        }
    }

    fn check_scsi(&self, item: &Element, findings: &mut Findings) {
        let Some(subtype) = rasd(item, "ResourceSubType") else {
            findings.add(&SCSI_MISSING, item.place(), "there is none");
            return;
        };
        if !is_one_of(&names::SCSI_CONTROLLERS, subtype) {
            findings.add(&SCSI, item.place(), shown(subtype));
        } else if subtype.eq_ignore_ascii_case(names::PVSCSI) {
            findings.add(&SCSI_BOX, item.place(), shown(subtype));
            self.needs(item, subtype, known::PARAVIRTUAL_SINCE, findings);
        }
    }

    fn check_storage(&self, item: &Element, findings: &mut Findings) {
        let subtype = rasd(item, "ResourceSubType").unwrap_or("");
        if is_one_of(&names::STORAGE_CONTROLLERS, subtype) {
            let since = if subtype.to_ascii_lowercase().contains("nvm") { 13 } else { 10 };
            self.needs(item, subtype, since, findings);
        } else {
            findings.add(&STORAGE, item.place(), format!("\"{}\"", shown(subtype)));
        }
    }

    fn check_nic(&self, item: &Element, findings: &mut Findings) {
        let subtype = rasd(item, "ResourceSubType").unwrap_or("");
        if !is_one_of(&names::ETHERNET_ADAPTERS, subtype) {
            findings.add(&NIC, item.place(), format!("\"{}\"", shown(subtype)));
        } else if subtype.eq_ignore_ascii_case(names::VMXNET3) {
            findings.add(&NIC_BOX, item.place(), shown(subtype));
            self.needs(item, subtype, known::PARAVIRTUAL_SINCE, findings);
        } else if subtype.eq_ignore_ascii_case("E1000e") {
            self.needs(item, subtype, 8, findings);
        }
        match rasd(item, "Connection") {
            None => findings.add(&CONNECTION, item.place(), "there is none"),
            Some(network) if !self.known.networks.contains(network) => {
                findings.add(&networks::UNKNOWN, item.place(), shown(network));
            }
            Some(_) => {}
        }
    }

    fn needs(&self, item: &Element, device: &str, since: u8, findings: &mut Findings) {
        if let Some(version) = self.version.filter(|version| *version < since) {
            let found = format!("{} with vmx-{version:02}", shown(device));
            findings.add(&DEVICE_NEW, item.place(), found);
        }
    }

    fn check_drive(&mut self, item: &'a Element, kind: u16, findings: &mut Findings) {
        let parent = rasd(item, "Parent").unwrap_or("");
        let controller = self.types.get(parent).copied();
        let controllers =
            [resource::IDE_CONTROLLER, resource::SCSI_CONTROLLER, resource::STORAGE_CONTROLLER];
        if !controller.is_some_and(|kind| controllers.contains(&kind)) {
            findings.add(&PARENT, item.place(), format!("\"{}\"", shown(parent)));
        }
        let address = rasd(item, "AddressOnParent").unwrap_or("");
        if address.parse::<u32>().is_err() {
            findings.add(&ADDRESS_MISSING, item.place(), format!("\"{}\"", shown(address)));
        } else if !self.taken.insert((parent, address)) {
            let found = format!("address {} of controller {}", shown(address), shown(parent));
            findings.add(&ADDRESS, item.place(), found);
        } else if address == "7" && controller == Some(resource::SCSI_CONTROLLER) {
            findings.add(&ADDRESS_SEVEN, item.place(), "address 7");
        }
        self.check_resource(item, kind, findings);
    }

    /// A drive may be empty, a disk may not. `ovf://disk/` is of OVF 0.9.
    fn check_resource(&self, item: &Element, kind: u16, findings: &mut Findings) {
        let resource = rasd(item, "HostResource").unwrap_or("");
        let path = resource.strip_prefix("ovf:").unwrap_or(resource);
        let path = path.strip_prefix('/').unwrap_or(path).trim_start_matches('/');
        let known = match path.split_once('/') {
            Some(("disk", id)) => self.known.disks.contains(id),
            Some(("file", id)) => self.known.files.contains(id),
            _ => kind != resource::DISK,
        };
        if !known {
            findings.add(&HOST_RESOURCE, item.place(), format!("\"{}\"", shown(resource)));
        }
    }
}

/// Products do not tell upper from lower case there.
fn is_one_of(known: &[&str], word: &str) -> bool {
    known.iter().any(|name| name.eq_ignore_ascii_case(word))
}

fn quantity(item: &Element) -> Option<u64> {
    rasd(item, "VirtualQuantity")?.parse().ok()
}

fn check_processors(item: &Element, findings: &mut Findings) {
    if !quantity(item).is_some_and(|count| (1..=MOST_PROCESSORS).contains(&count)) {
        let found = format!("\"{}\"", shown(rasd(item, "VirtualQuantity").unwrap_or("")));
        findings.add(&PROCESSORS, item.place(), found);
    }
}

fn check_memory(item: &Element, findings: &mut Findings) {
    let text = rasd(item, "AllocationUnits").unwrap_or("");
    let bytes = quantity(item).zip(unit(text)).and_then(|(count, unit)| count.checked_mul(unit));
    match bytes {
        None | Some(0) => {
            let count = rasd(item, "VirtualQuantity").unwrap_or("");
            let found = format!("\"{}\" of \"{}\"", shown(count), shown(text));
            findings.add(&MEMORY, item.place(), found);
            return;
        }
        Some(bytes) if !bytes.is_multiple_of(4 << 20) => {
            findings.add(&MEMORY_STEP, item.place(), format!("{bytes} bytes"));
        }
        Some(_) => {}
    }
    let understood = ["MegaBytes", "MB", "byte * 2^20", "GigaBytes", "GB", "byte * 2^30"];
    if !understood.contains(&text) {
        findings.add(&MEMORY_UNITS, item.place(), format!("\"{}\"", shown(text)));
    }
}
