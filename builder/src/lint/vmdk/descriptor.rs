//! The description of a disk in words (Virtual Disk Format 5.0, "The Descriptor
//! File"), embedded in a sparse extent or a file of its own.

use crate::lint::finding::{
    ALL, DESKTOP, Findings, Place, SERVERS, Source, VIRTUALBOX, VMWARE, rules, shown,
};

const DESCRIPTOR: Source = Source::Specification("Virtual Disk Format 5.0, The Descriptor File");

rules! {
    SIGNATURE = "vmdk-descriptor-signature": Error, ALL, DESCRIPTOR,
        "a descriptor starts with the line \"# Disk DescriptorFile\"",
        "write the descriptor again";
    TEXT = "vmdk-descriptor-text": Warning, ALL, DESCRIPTOR,
        "a descriptor is text of comments, `key = value` and extents",
        "remove the line, or write it as the specification has it";
    TOO_LONG = "vmdk-descriptor-long": Warning, ALL,
        Source::Limit("64 KiB of an embedded descriptor are read, 4 MiB of one of its own"),
        "a descriptor is short",
        "write the descriptor again; those of other tools take less than 20 sectors";
    DESCRIPTOR_VERSION = "vmdk-descriptor-version": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox, VMDK.cpp, vmdkParseDescriptor: \"unsupported format version in descriptor\""),
        "the descriptor's version is 1",
        "set `version=1`";
    CID = "vmdk-cid": Warning, VMWARE, DESCRIPTOR,
        "CID is a content ID of up to 8 hexadecimal digits other than ffffffff",
        "set CID to any other number";
    PARENT = "vmdk-parent": Error, ALL, DESCRIPTOR,
        "the disk stands alone: parentCID is ffffffff",
        "consolidate the snapshots of the machine and export it again";
    CREATE_TYPE = "vmdk-create-type": Error, ALL, DESCRIPTOR,
        "createType names one of the subformats",
        "set createType to what the file is, such as streamOptimized";
    EXTENTS = "vmdk-extents": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox, VMDK.cpp: \"monolithic image may only have one extent\""),
        "a disk in one file has exactly one extent",
        "write the descriptor again with one extent line";
    EXTENT_LINE = "vmdk-extent-line": Error, ALL, DESCRIPTOR,
        "an extent is `ACCESS SECTORS TYPE \"FILE\" [OFFSET]`",
        "write the line as the specification has it";
    ADAPTER = "vmdk-adapter": Error, VMWARE, DESCRIPTOR,
        "ddb.adapterType is ide, buslogic, lsilogic or legacyESX",
        "set it to lsilogic, for pvscsi too";
    ADAPTER_PVSCSI = "vmdk-adapter-pvscsi": Warning, VMWARE,
        Source::Experience("VMware's own disks on pvscsi say lsilogic; the specification has no other word"),
        "ddb.adapterType is not pvscsi",
        "set it to lsilogic";
    ADAPTER_MISSING = "vmdk-adapter-missing": Warning, VMWARE, DESCRIPTOR,
        "ddb.adapterType says on which controller the disk was made",
        "add ddb.adapterType = \"lsilogic\"";
    HARDWARE = "vmdk-hardware-version": Warning, VMWARE, DESCRIPTOR,
        "ddb.virtualHWVersion is a version of VMware's virtual hardware",
        "set it to the version of the machine, such as 14, or to 4";
    GEOMETRY = "vmdk-geometry": Warning, VMWARE, DESCRIPTOR,
        "the geometry has 1 to 255 heads, 1 to 63 sectors and no more cylinders than the disk",
        "set ddb.geometry as for a disk of this size: 255 heads and 63 sectors on SCSI";
    GEOMETRY_MISSING = "vmdk-geometry-missing": Warning, DESKTOP, DESCRIPTOR,
        "ddb.geometry.cylinders, .heads and .sectors are there",
        "add them: 255 heads and 63 sectors on SCSI";
    LONG_ID = "vmdk-long-content-id": Warning, SERVERS,
        Source::Behaviour("open-vmdk writes 32 hexadecimal digits that end with the CID"),
        "ddb.longContentID has 32 hexadecimal digits and ends with the CID",
        "remove the line, or write both from one number";
    ENCODING = "vmdk-encoding": Warning, VMWARE,
        Source::Behaviour("VMware writes the encoding that the names of the extents have"),
        "encoding is UTF-8, or one of Windows",
        "set encoding=\"UTF-8\"";
}

/// The subformats.
const CREATE_TYPES: [&str; 14] = [
    "custom",
    "fullDevice",
    "monolithicFlat",
    "monolithicSparse",
    "partitionedDevice",
    "streamOptimized",
    "twoGbMaxExtentFlat",
    "twoGbMaxExtentSparse",
    "vmfs",
    "vmfsPassthroughRawDeviceMap",
    "vmfsRaw",
    "vmfsRawDeviceMap",
    "vmfsSparse",
    "vmfsThin",
];
const ADAPTERS: [&str; 4] = ["buslogic", "ide", "legacyesx", "lsilogic"];
const EXTENT_TYPES: [&str; 8] =
    ["FLAT", "SPARSE", "ZERO", "VMFS", "VMFSSPARSE", "VMFSRAW", "VMFSRDM", "SESPARSE"];
/// `parentCID` of a disk that has no parent.
const NO_PARENT: u32 = u32::MAX;

/// A part of a disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its size in sectors.
    pub(super) sectors: u64,
    /// How it is stored.
    pub(super) kind: String,
    /// The file; empty where it is none.
    pub(super) name: String,
    /// Where in the file it starts, in sectors.
    pub(super) offset: u64,
    /// The line that says so.
    pub(super) line: usize,
}

/// What a descriptor says.
#[derive(Debug, Default)]
pub(super) struct Descriptor {
    pub(super) create_type: Option<String>,
    pub(super) adapter: Option<String>,
    pub(super) hardware: Option<u32>,
    pub(super) extents: Vec<Extent>,
    cid: Option<u32>,
    long_id: Option<String>,
    geometry: [Option<u64>; 3],
}

impl Descriptor {
    /// The size of all extents in sectors.
    pub(super) fn sectors(&self) -> Option<u64> {
        self.extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(extent.sectors))
    }
}

/// Reads a descriptor. Line numbers count from its start.
pub(super) fn read(bytes: &[u8], findings: &mut Findings) -> Descriptor {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut descriptor = Descriptor::default();
    if !text.trim_start().to_ascii_lowercase().starts_with("# disk descriptorfile") {
        let found = format!("it starts with \"{}\"", shown(text.lines().next().unwrap_or("")));
        findings.add(&SIGNATURE, Place::line(1), found);
        return descriptor;
    }
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let access = ["RW ", "RDONLY ", "NOACCESS "].into_iter();
        if let Some(rest) = access.filter_map(|access| line.strip_prefix(access)).next() {
            match extent(rest, number) {
                Some(extent) => descriptor.extents.push(extent),
                None => findings.add(&EXTENT_LINE, Place::line(number), shown(line)),
            }
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim().trim_matches('"');
            entry(&mut descriptor, key.trim(), value, number, findings);
        } else {
            findings.add(&TEXT, Place::line(number), shown(line));
        }
    }
    whole(&descriptor, findings);
    descriptor
}

/// `SECTORS TYPE ["FILE" [OFFSET]]`.
fn extent(text: &str, line: usize) -> Option<Extent> {
    let (sectors, rest) = text.split_once(' ')?;
    let sectors = sectors.parse().ok()?;
    let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let kind = EXTENT_TYPES.contains(&kind).then(|| kind.to_owned())?;
    if kind == "ZERO" {
        return rest.trim().is_empty().then(|| Extent {
            sectors,
            kind,
            name: String::new(),
            offset: 0,
            line,
        });
    }
    let (name, offset) = rest.strip_prefix('"')?.split_once('"')?;
    let offset = match offset.split_whitespace().next() {
        None => 0,
        Some(offset) => offset.parse().ok()?,
    };
    Some(Extent { sectors, kind, name: name.to_owned(), offset, line })
}

fn entry(
    descriptor: &mut Descriptor,
    key: &str,
    value: &str,
    line: usize,
    findings: &mut Findings,
) {
    let place = || Place::line(line).element(key);
    let found = || format!("\"{}\"", shown(value));
    match key {
        "version" if value != "1" => findings.add(&DESCRIPTOR_VERSION, place(), found()),
        "CID" => match u32::from_str_radix(value, 16) {
            Ok(cid) if cid != NO_PARENT => descriptor.cid = Some(cid),
            _ => findings.add(&CID, place(), found()),
        },
        "parentCID" if u32::from_str_radix(value, 16) != Ok(NO_PARENT) => {
            findings.add(&PARENT, place(), found());
        }
        "createType" if CREATE_TYPES.contains(&value) => {
            descriptor.create_type = Some(value.to_owned());
        }
        "createType" => findings.add(&CREATE_TYPE, place(), found()),
        "encoding" if !is_encoding(value) => findings.add(&ENCODING, place(), found()),
        "ddb.adapterType" => {
            let adapter = value.to_ascii_lowercase();
            match adapter.as_str() {
                "pvscsi" => findings.add(&ADAPTER_PVSCSI, place(), found()),
                known if ADAPTERS.contains(&known) => {}
                _ => findings.add(&ADAPTER, place(), found()),
            }
            descriptor.adapter = Some(adapter);
        }
        "ddb.virtualHWVersion" => match value.parse() {
            Ok(version @ 1..=22) => descriptor.hardware = Some(version),
            _ => findings.add(&HARDWARE, place(), found()),
        },
        "ddb.longContentID" => descriptor.long_id = Some(value.to_owned()),
        "ddb.geometry.cylinders" => descriptor.geometry[0] = value.parse().ok(),
        "ddb.geometry.heads" => descriptor.geometry[1] = value.parse().ok(),
        "ddb.geometry.sectors" => descriptor.geometry[2] = value.parse().ok(),
        _ => {}
    }
}

fn is_encoding(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value == "utf-8" || value.starts_with("windows-") || value.starts_with("iso-8859-")
}

/// What can be said only when everything is read.
fn whole(descriptor: &Descriptor, findings: &mut Findings) {
    if descriptor.create_type.is_none() && !findings.has(&CREATE_TYPE) {
        findings.add(&CREATE_TYPE, Place::field("createType"), "there is none");
    }
    if descriptor.cid.is_none() && !findings.has(&CID) {
        findings.add(&CID, Place::field("CID"), "there is none");
    }
    if descriptor.adapter.is_none() {
        findings.add(&ADAPTER_MISSING, Place::field("ddb.adapterType"), "there is none");
    }
    let cid = descriptor.cid.map(|cid| format!("{cid:08x}")).unwrap_or_default();
    if let Some(id) = &descriptor.long_id {
        let digits = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || !id.to_ascii_lowercase().ends_with(&cid) {
            let found = format!("\"{}\" with CID {cid}", shown(id));
            findings.add(&LONG_ID, Place::field("ddb.longContentID"), found);
        }
    }
    geometry(descriptor, findings);
}

fn geometry(descriptor: &Descriptor, findings: &mut Findings) {
    let place = || Place::field("ddb.geometry");
    let [Some(cylinders), Some(heads), Some(sectors)] = descriptor.geometry else {
        findings.add(&GEOMETRY_MISSING, place(), "not all three numbers are there");
        return;
    };
    if !(1..=255).contains(&heads) || !(1..=63).contains(&sectors) {
        findings.add(&GEOMETRY, place(), format!("{heads} heads, {sectors} sectors"));
        return;
    }
    // Tools round the cylinders up or down.
    let before = cylinders.saturating_sub(1).checked_mul(heads * sectors);
    let fits = before.zip(descriptor.sectors()).is_some_and(|(before, disk)| before <= disk);
    if !fits {
        let found = format!("{cylinders} cylinders, {heads} heads, {sectors} sectors");
        findings.add(&GEOMETRY, place(), found);
    }
}
