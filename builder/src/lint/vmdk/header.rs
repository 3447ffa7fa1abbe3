//! The header of a sparse extent (Virtual Disk Format 5.0, "Hosted Sparse
//! Extents" and "Stream-Optimized Compressed Sparse Extents").

use images::field;
use images::vmdk::{MAGIC, header};

use super::SECTOR;
use crate::lint::finding::{
    ALL, ESXI, Findings, Place, SERVERS, Source, VIRTUALBOX, VMWARE, rules,
};

const SPARSE: Source = Source::Specification("Virtual Disk Format 5.0, Hosted Sparse Extents");
const STREAM: Source =
    Source::Specification("Virtual Disk Format 5.0, Stream-Optimized Compressed Sparse Extents");

rules! {
    TRUNCATED = "vmdk-truncated": Error, ALL, SPARSE,
        "a sparse VMDK starts with a header of 512 bytes",
        "copy the file again; it was cut";
    NEWLINE = "vmdk-newline": Error, ALL, SPARSE,
        "the header's four newline characters are as they were written",
        "transfer the file again in binary mode";
    VERSION = "vmdk-version": Error, ALL, SPARSE,
        "the header's version is 1, 2 or 3",
        "convert the disk: qemu-img convert -O vmdk -o subformat=streamOptimized";
    VERSION_OLD = "vmdk-version-old": Error, ESXI,
        Source::Behaviour("COT issue 65: ESXi says \"Not a supported disk format (sparse VMDK version too old)\""),
        "a streamOptimized VMDK has header version 3",
        "write it with a current tool, or set the version at offset 4 to 3";
    VERSION_2 = "vmdk-version-2": Error, VIRTUALBOX,
        Source::Behaviour("VirtualBox, VMDK.cpp, vmdkValidateHeader: versions 1 and 3"),
        "the header's version is not 2 (zeroed grains)",
        "convert the disk to one without zeroed grains";
    FLAGS = "vmdk-flags": Error, ALL, SPARSE,
        "the upper half of the flags has no bits but 16 (compressed) and 17 (markers)",
        "write the file again with a tool that keeps to the format";
    COMPRESSION = "vmdk-compression": Error, ALL, STREAM,
        "compressed grains, their markers and the algorithm DEFLATE go together",
        "write the file again; its flags at offset 8 and the algorithm at offset 77 contradict each other";
    CAPACITY_ZERO = "vmdk-capacity-zero": Error, ALL, SPARSE,
        "the capacity is not zero",
        "write the file again from a disk that has a size";
    CAPACITY_LIMIT = "vmdk-capacity-limit": Error, VMWARE,
        Source::Specification("vSphere Configuration Maximums: virtual disk size 62 TB"),
        "a disk has at most 62 TiB",
        "make the disk smaller";
    CAPACITY_GRAIN = "vmdk-capacity-grain": Warning, VMWARE, SPARSE,
        "the capacity is a multiple of the grain size",
        "make the raw disk a multiple of 64 KiB long before converting it";
    GRAIN_SIZE = "vmdk-grain-size": Error, ALL, SPARSE,
        "the grain size is a power of two and at least 8 sectors",
        "write the file again with grains of 128 sectors";
    GRAIN_SIZE_UNUSUAL = "vmdk-grain-size-unusual": Warning, VMWARE,
        Source::Behaviour("open-vmdk writes and VMware's tools expect 128 sectors, the default of the specification"),
        "the grain size is 128 sectors",
        "write the file again with grains of 128 sectors";
    TABLE_SIZE = "vmdk-table-size": Error, ALL, SPARSE,
        "a grain table has 512 entries",
        "write the file again; numGTEsPerGT at offset 44 is 512";
    UNCLEAN = "vmdk-unclean": Warning, VMWARE, SPARSE,
        "the disk was closed in order",
        "start the machine that it belonged to once more and shut it down, or convert the disk";
    OVERHEAD = "vmdk-overhead": Error, ALL, SPARSE,
        "the metadata that the header announces lies within the file",
        "copy the file again; it was cut";
    DESCRIPTOR_PLACE = "vmdk-descriptor-place": Error, ALL, SPARSE,
        "the embedded descriptor lies behind the header, in the metadata, and has a size",
        "write the file again; descriptorOffset is at offset 28, descriptorSize at 36";
    FOOTER = "vmdk-footer": Error, ALL, STREAM,
        "where the header leaves the grain directory to the footer, the last but one sector is one",
        "copy the file again; its end is missing";
    FOOTER_DIFFERS = "vmdk-footer-differs": Error, ALL, STREAM,
        "the footer repeats the header in all but the place of the grain directory",
        "write the file again";
    SERVER_SUBFORMAT = "vmdk-hosted": Warning, SERVERS,
        Source::Experience("ESXi says \"Unsupported or invalid disk type 2\" when a machine with such a disk starts"),
        "a disk for a datastore is no hosted sparse file",
        "import it with `vmkfstools -i`, or ship it as streamOptimized in an OVA";
}

/// In place of the directory's sector: see the footer.
pub(super) const AT_END: u64 = u64::MAX;
/// The entries of a grain table.
pub(super) const TABLE_ENTRIES: u64 = 512;
/// The size that every tool gives to grains, in sectors.
const USUAL_GRAIN: u64 = 128;
/// The largest grain that is read, in sectors: 1 MiB.
const LARGEST_GRAIN: u64 = 2048;
/// The largest disk of vSphere, in sectors.
const LARGEST_DISK: u64 = (62 << 40) / SECTOR;

/// Bits of the header's flags.
pub(super) mod flag {
    /// The newline characters are there.
    pub(super) const NEWLINE: u32 = 1;
    /// There is a redundant grain directory.
    pub(in crate::lint::vmdk) const REDUNDANT: u32 = 1 << 1;
    /// An entry of 1 stands for a grain of zeros.
    pub(in crate::lint::vmdk) const ZEROED: u32 = 1 << 2;
    /// Grains are compressed.
    pub(super) const COMPRESSED: u32 = 1 << 16;
    /// Grains and metadata have markers.
    pub(super) const MARKERS: u32 = 1 << 17;
}

/// The header's fields; sizes and places are in sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) flags: u32,
    pub(super) capacity: u64,
    pub(super) grain: u64,
    pub(super) descriptor: u64,
    pub(super) descriptor_len: u64,
    table_entries: u32,
    pub(super) redundant: u64,
    pub(super) directory: u64,
    pub(super) overhead: u64,
    unclean: u8,
    newline: [u8; 4],
    compression: u16,
}

impl Header {
    /// Reads a header; none where its mark is missing.
    pub(super) fn parse(sector: &[u8]) -> Option<Self> {
        let word = |at| u32::from_le_bytes(field(sector, at));
        let long = |at| u64::from_le_bytes(field(sector, at));
        (sector.starts_with(&MAGIC) && sector.len() as u64 == SECTOR).then(|| Self {
            version: word(header::VERSION),
            flags: word(header::FLAGS),
            capacity: long(header::CAPACITY),
            grain: long(header::GRAIN),
            descriptor: long(header::DESCRIPTION),
            descriptor_len: long(header::DESCRIPTION_SECTORS),
            table_entries: word(header::TABLE_ENTRIES),
            redundant: long(header::SECOND_DIRECTORY),
            directory: long(header::DIRECTORY),
            overhead: long(header::OVERHEAD),
            unclean: field::<1>(sector, header::UNCLEAN)[0],
            newline: field(sector, header::NEWLINES),
            compression: u16::from_le_bytes(field(sector, header::COMPRESSION)),
        })
    }

    /// Whether it is a stream of compressed grains.
    pub(super) fn is_stream(&self) -> bool {
        self.flags & (flag::COMPRESSED | flag::MARKERS) != 0
    }

    /// How many grains the disk has.
    pub(super) fn grains(&self) -> u64 {
        self.capacity.div_ceil(self.grain)
    }
}

fn offset_of(field: usize) -> Place {
    Place::offset(field as u64)
}

/// Checks the header of a file of `sectors`; gives whether the rest can be read by
/// it.
pub(super) fn check(header: &Header, sectors: u64, findings: &mut Findings) -> bool {
    let before =
        [&VERSION, &FLAGS, &COMPRESSION, &CAPACITY_ZERO, &CAPACITY_LIMIT, &GRAIN_SIZE, &TABLE_SIZE];
    check_version(header, findings);
    check_sizes(header, findings);
    check_places(header, sectors, findings);
    if header.flags & flag::NEWLINE != 0 && header.newline != *b"\n \r\n" {
        findings.add(&NEWLINE, offset_of(header::NEWLINES), format!("{:?}", header.newline));
    }
    if header.unclean != 0 {
        findings.add(&UNCLEAN, offset_of(header::UNCLEAN), "uncleanShutdown is set");
    }
    !before.iter().any(|rule| findings.has(rule)) && header.grain <= LARGEST_GRAIN
}

fn check_version(header: &Header, findings: &mut Findings) {
    let Header { version, flags, compression, .. } = *header;
    let place = || offset_of(header::VERSION).element("version");
    match version {
        1 if header.is_stream() => findings.add(&VERSION_OLD, place(), "version 1"),
        2 => findings.add(&VERSION_2, place(), "version 2"),
        1 | 3 => {}
        _ => findings.add(&VERSION, place(), format!("version {version}")),
    }
    let place = || offset_of(header::FLAGS).element("flags");
    if flags >> 16 & !3 != 0 {
        findings.add(&FLAGS, place(), format!("flags {flags:#x}"));
    }
    let together = match (flags & flag::COMPRESSED != 0, flags & flag::MARKERS != 0) {
        (true, true) => compression == 1,
        (false, false) => compression == 0,
        _ => false,
    };
    if !together {
        let found = format!("flags {flags:#x} with compressAlgorithm {compression}");
        findings.add(&COMPRESSION, place(), found);
    }
}

fn check_sizes(header: &Header, findings: &mut Findings) {
    let Header { capacity, grain, table_entries, .. } = *header;
    let place = || offset_of(header::CAPACITY).element("capacity");
    if capacity == 0 {
        findings.add(&CAPACITY_ZERO, place(), "a capacity of 0 sectors");
    } else if capacity > LARGEST_DISK {
        findings.add(&CAPACITY_LIMIT, place(), format!("{capacity} sectors"));
    }
    let place = || offset_of(header::GRAIN).element("grainSize");
    if grain < 8 || !grain.is_power_of_two() {
        findings.add(&GRAIN_SIZE, place(), format!("grains of {grain} sectors"));
    } else {
        if grain != USUAL_GRAIN {
            findings.add(&GRAIN_SIZE_UNUSUAL, place(), format!("grains of {grain} sectors"));
        }
        if !capacity.is_multiple_of(grain) {
            let found = format!("{capacity} sectors in grains of {grain}");
            findings.add(&CAPACITY_GRAIN, offset_of(header::CAPACITY).element("capacity"), found);
        }
    }
    if u64::from(table_entries) != TABLE_ENTRIES {
        let place = offset_of(header::TABLE_ENTRIES).element("numGTEsPerGT");
        findings.add(&TABLE_SIZE, place, format!("{table_entries} entries"));
    }
}

fn check_places(header: &Header, sectors: u64, findings: &mut Findings) {
    if header.overhead > sectors {
        let found = format!("{} sectors of metadata in {sectors} sectors", header.overhead);
        findings.add(&OVERHEAD, offset_of(header::OVERHEAD).element("overHead"), found);
    }
    let Header { descriptor, descriptor_len, .. } = *header;
    let end = descriptor.checked_add(descriptor_len);
    if (descriptor != 0) != (descriptor_len != 0) || end.is_none_or(|end| end > sectors) {
        let found = format!("{descriptor_len} sectors at sector {descriptor} of {sectors}");
        findings.add(
            &DESCRIPTOR_PLACE,
            offset_of(header::DESCRIPTION).element("descriptorOffset"),
            found,
        );
    }
}

/// Compares the footer with the header; gives the directory's sector.
pub(super) fn check_footer(
    header: &Header,
    sector: &[u8],
    offset: u64,
    findings: &mut Findings,
) -> Option<u64> {
    let Some(footer) = Header::parse(sector) else {
        findings.add(&FOOTER, Place::offset(offset), "no footer there");
        return None;
    };
    let expected = Header { directory: footer.directory, ..header.clone() };
    if (Header { redundant: header.redundant, ..footer.clone() }) != expected {
        findings.add(&FOOTER_DIFFERS, Place::offset(offset), "another header than the first");
        return None;
    }
    if footer.directory == AT_END {
        findings.add(&FOOTER, Place::offset(offset), "a footer without the directory's place");
        return None;
    }
    Some(footer.directory)
}
