//! The disks of a descriptor (DSP0243, "DiskSection"), and whether their files hold
//! what it says.

use std::collections::BTreeSet;

use images::ovf::names;

use super::references::FileRef;
use super::{Document, attribute, unit};
use crate::lint::finding::{
    ALL, Findings, Place, SERVERS, Source, VIRTUALBOX, VMWARE, rules, shown,
};
use crate::lint::vmdk::Disk;
use crate::lint::xml::Element;

const DISKS: Source = Source::Specification("DSP0243 1.1.0, DiskSection");

rules! {
    ATTRIBUTE = "disk-attribute": Error, ALL, DISKS,
        "every Disk has ovf:diskId and ovf:capacity",
        "add what is missing";
    DUPLICATE = "disk-duplicate": Error, ALL, DISKS,
        "no two Disks have the same ovf:diskId",
        "give each its own";
    FORMAT_MISSING = "disk-format-missing": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox says \"missing or invalid attribute 'format'\" (ovfreader.cpp)"),
        "every Disk has ovf:format",
        "add ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"";
    FORMAT = "disk-format": Error, ALL,
        Source::Specification("DSP0243 1.1.0, Virtual Disk Formats; the URIs are VMware's"),
        "ovf:format is the URI of a format that products know",
        "convert the disk to a streamOptimized VMDK and set its URI";
    FORMAT_HOSTED = "disk-format-hosted": Warning, SERVERS,
        Source::Behaviour("VMware's tools write #streamOptimized; #sparse and #compressed are of older ones"),
        "ovf:format ends with #streamOptimized",
        "convert the disk to a streamOptimized VMDK and set its URI";
    CAPACITY = "disk-capacity": Error, ALL, DISKS,
        "ovf:capacity is a number of units, neither zero nor beyond 2^64 bytes",
        "set it to the size of the disk in bytes, with units of `byte`";
    UNITS = "disk-units": Error, ALL, DISKS,
        "ovf:capacityAllocationUnits is `byte` or `byte * 2^N`",
        "write it so";
    FILE_REF = "disk-file-ref": Error, ALL,
        Source::Behaviour("VirtualBox says \"cannot find References/File element for ID\" (ovfreader.cpp); DSP0243, DiskSection"),
        "ovf:fileRef is the ovf:id of a File",
        "correct one of the two";
    SHARED = "disk-shared": Warning, ALL, DISKS,
        "no two Disks have the same file",
        "give each its own file";
    POPULATED = "disk-populated": Warning, VMWARE, DISKS,
        "ovf:populatedSize is a number of bytes up to the capacity",
        "set it to the bytes in use, or remove it";
    UNUSED = "disk-unused": Warning, ALL, DISKS,
        "every Disk is attached to a machine",
        "add an Item of type 17 with ovf:/disk/ID, or remove the Disk";
    CAPACITY_SMALL = "disk-capacity-small": Error, ALL, DISKS,
        "the capacity is at least that of the VMDK",
        "set it to the VMDK's: what is beyond would be cut off";
    CAPACITY_LARGE = "disk-capacity-large": Warning, VMWARE,
        Source::Experience("products take the one or the other; partitions that end at the disk's end tell the difference"),
        "the capacity is that of the VMDK, rounded up to the unit",
        "set it to the VMDK's";
    SUBFORMAT = "disk-subformat": Error, SERVERS,
        Source::Behaviour("VMware's servers take streamOptimized VMDKs from packages (open-vmdk, README)"),
        "the VMDK in a package is streamOptimized",
        "convert it: qemu-img convert -O vmdk -o subformat=streamOptimized,adapter_type=lsilogic";
    HARDWARE = "disk-hardware-version": Warning, VMWARE,
        Source::Experience("a disk of newer hardware than the machine's is refused by older products"),
        "ddb.virtualHWVersion is not above that of the machine",
        "set it to the machine's version in the VMDK's descriptor";
    ADAPTER = "disk-adapter": Note, VMWARE,
        Source::Experience("a disk that says ide is attached to the controller of the descriptor all the same"),
        "ddb.adapterType goes with the controller",
        "write the VMDK with adapter_type=lsilogic for a SCSI controller";
}

/// How URIs of VMware's formats end, behind `vmdk.html`.
const KNOWN: [&str; 4] = ["#streamOptimized", "#sparse", "#compressed", ""];

/// A disk that a descriptor has.
#[derive(Debug)]
pub(super) struct DiskRef {
    pub(super) id: String,
    file: Option<String>,
    /// Its size and the unit of it, in bytes.
    capacity: Option<(u64, u64)>,
    line: usize,
}

impl DiskRef {
    fn place(&self) -> Place {
        Place::line(self.line).element("Disk")
    }
}

fn elements(root: &Element) -> impl Iterator<Item = &Element> {
    root.all(names::OVF, "DiskSection").flat_map(|section| section.all(names::OVF, "Disk"))
}

/// Reads the disks.
pub(super) fn read(root: &Element, files: &[FileRef], findings: &mut Findings) -> Vec<DiskRef> {
    let known: BTreeSet<&str> = files.iter().map(|file| file.id.as_str()).collect();
    let mut disks = Vec::new();
    let (mut ids, mut used) = (BTreeSet::new(), BTreeSet::new());
    for element in elements(root) {
        let (id, capacity) = (attribute(element, "diskId"), attribute(element, "capacity"));
        let (Some(id), Some(capacity)) = (id, capacity) else {
            let found = if id.is_none() { "no ovf:diskId" } else { "no ovf:capacity" };
            findings.add(&ATTRIBUTE, element.place(), found);
            continue;
        };
        if !ids.insert(id) {
            findings.add(&DUPLICATE, element.place(), shown(id));
        }
        let file = attribute(element, "fileRef");
        match file {
            Some(file) if !known.contains(file) => {
                findings.add(&FILE_REF, element.place(), shown(file));
            }
            Some(file) if !used.insert(file) => {
                findings.add(&SHARED, element.place(), shown(file));
            }
            _ => {}
        }
        check_format(element, findings);
        let capacity = size(element, capacity, findings);
        check_populated(element, capacity.map(|(bytes, _)| bytes), findings);
        let file = file.map(str::to_owned);
        disks.push(DiskRef { id: id.to_owned(), file, capacity, line: element.line });
    }
    disks
}

fn check_format(element: &Element, findings: &mut Findings) {
    let Some(format) = attribute(element, "format") else {
        findings.add(&FORMAT_MISSING, element.place(), "there is none");
        return;
    };
    let vmware = ["http://www.vmware.com/", "https://www.vmware.com/"];
    let rest = vmware.iter().find_map(|start| format.strip_prefix(start));
    match rest.and_then(|rest| rest.split_once("vmdk.html")).map(|(_, kind)| kind) {
        Some("#streamOptimized") => {}
        Some(kind) if KNOWN.contains(&kind) => {
            findings.add(&FORMAT_HOSTED, element.place(), shown(kind));
        }
        _ => findings.add(&FORMAT, element.place(), shown(format)),
    }
}

/// The size in bytes, and the unit.
fn size(element: &Element, capacity: &str, findings: &mut Findings) -> Option<(u64, u64)> {
    // A capacity may also be chosen when the package is imported: `${KEY}`.
    if capacity.starts_with("${") {
        return None;
    }
    let units = attribute(element, "capacityAllocationUnits").unwrap_or("byte");
    let Some(unit) = unit(units) else {
        findings.add(&UNITS, element.place(), shown(units));
        return None;
    };
    let number = capacity.trim().parse::<u64>().ok().filter(|number| *number > 0);
    let bytes = number.and_then(|number| number.checked_mul(unit));
    if bytes.is_none() {
        let found = format!("\"{}\" in units of {unit} bytes", shown(capacity));
        findings.add(&CAPACITY, element.place(), found);
    }
    bytes.map(|bytes| (bytes, unit))
}

fn check_populated(element: &Element, capacity: Option<u64>, findings: &mut Findings) {
    let Some(text) = attribute(element, "populatedSize") else { return };
    let populated = text.trim().parse::<u64>().ok();
    if populated.is_none_or(|size| capacity.is_some_and(|capacity| size > capacity)) {
        findings.add(&POPULATED, element.place(), format!("\"{}\"", shown(text)));
    }
}

/// Looks for disks that no device has.
pub(super) fn check_use(root: &Element, disks: &[DiskRef], findings: &mut Findings) {
    let mut used = BTreeSet::new();
    for system in super::systems(root) {
        let resources = super::devices(system).filter_map(|item| super::rasd(item, "HostResource"));
        used.extend(resources.filter_map(|resource| resource.rsplit('/').next()));
    }
    for disk in disks.iter().filter(|disk| !used.contains(disk.id.as_str())) {
        findings.add(&UNUSED, disk.place(), shown(&disk.id));
    }
}

/// Compares what a descriptor says about a file with the disk in it.
pub(in crate::lint) fn check_file(
    document: &Document,
    file: &FileRef,
    found: &Disk,
    findings: &mut Findings,
) {
    for disk in document.disks.iter().filter(|disk| disk.file.as_ref() == Some(&file.id)) {
        check_capacity(disk, found.capacity, findings);
        if let Some(format) = found.subformat.as_ref().filter(|kind| *kind != "streamOptimized") {
            findings.add(&SUBFORMAT, disk.place(), format.clone());
        }
        if let (Some(own), Some(machine)) = (found.hardware, document.hardware.map(u32::from))
            && own > machine
        {
            let text = format!("version {own}, the machine has {machine}");
            findings.add(&HARDWARE, disk.place(), text);
        }
        if found.adapter.as_deref() == Some("ide") {
            findings.add(&ADAPTER, disk.place(), "ide");
        }
    }
}

fn check_capacity(disk: &DiskRef, found: u64, findings: &mut Findings) {
    let Some((bytes, unit)) = disk.capacity else { return };
    let text = format!("{bytes} bytes, the VMDK has {found}");
    if bytes < found {
        findings.add(&CAPACITY_SMALL, disk.place(), text);
    } else if bytes - found >= unit {
        findings.add(&CAPACITY_LARGE, disk.place(), text);
    }
}

impl Document {
    /// Whether a file is that of a disk.
    pub(in crate::lint) fn is_disk(&self, file: &FileRef) -> bool {
        self.disks.iter().any(|disk| disk.file.as_ref() == Some(&file.id))
    }
}
