//! VMDK images: a sparse file with a descriptor in it, or a descriptor that names
//! the files of a disk.

mod descriptor;
mod extents;
mod header;
mod stream;
mod tables;

use anyhow::Result;

use super::finding::{ALL, Findings, Place, Rule, Source, rules, shown};
use super::input::{Input, Package, len, read_at};
use descriptor::Descriptor;
use header::Header;
use images::vmdk::MAGIC;

/// The unit of places in a VMDK, in bytes.
const SECTOR: u64 = SECTOR_LEN as u64;
/// The same as a length in memory.
const SECTOR_LEN: usize = 512;
/// How a descriptor of its own starts.
const DESCRIPTOR_MAGIC: &[u8] = b"# Disk Desc";
/// How an extent of ESX starts.
const ESX_MAGIC: &[u8] = b"COWD";
/// The longest embedded descriptor, in bytes; other tools give it 10 KiB.
const EMBEDDED: usize = 64 << 10;
/// The longest descriptor of its own, in bytes.
const ALONE: usize = 4 << 20;

const FORMAT: Source = Source::Specification("Virtual Disk Format 5.0");

rules! {
    FORMAT_UNKNOWN = "vmdk-format": Error, ALL, FORMAT,
        "a VMDK starts with KDMV or with a descriptor",
        "convert the disk: qemu-img convert -O vmdk -o subformat=streamOptimized";
    ESX = "vmdk-esx-sparse": Error, ALL, FORMAT,
        "the disk is no extent of a datastore (COWD)",
        "export the machine instead of copying the files of its datastore";
    DESCRIPTOR_MISSING = "vmdk-descriptor-missing": Error, ALL, FORMAT,
        "a sparse VMDK that stands alone has an embedded descriptor",
        "name the descriptor of the disk; this is one of its extents";
    TYPE_DIFFERS = "vmdk-type-differs": Error, ALL, FORMAT,
        "createType is what the header says: streamOptimized with compressed grains, monolithicSparse without",
        "set createType to what the file is, or convert the disk";
    SIZE_DIFFERS = "vmdk-size-differs": Error, ALL, FORMAT,
        "the extents of the descriptor are as long as the header's capacity",
        "write the descriptor again; the extent's number of sectors is the capacity";
}

/// What a VMDK says about the disk.
#[derive(Debug)]
pub(super) struct Disk {
    /// Its size in bytes.
    pub(super) capacity: u64,
    /// Its subformat.
    pub(super) subformat: Option<String>,
    /// On which controller it was made.
    pub(super) adapter: Option<String>,
    /// For which virtual hardware.
    pub(super) hardware: Option<u32>,
}

/// The rules of all that belongs to a VMDK.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    let groups = [RULES, header::RULES, descriptor::RULES, extents::RULES, tables::RULES];
    groups.into_iter().chain([stream::RULES]).flatten().copied()
}

/// Checks a VMDK that stands alone; `package` has the files that it may name.
pub(super) fn check_alone(
    package: &mut dyn Package,
    name: &str,
    findings: &mut Findings,
) -> Result<()> {
    let Some(mut file) = package.open(name)? else { return Ok(()) };
    let disk = check(file.as_mut(), findings)?;
    drop(file);
    if let Some((descriptor, alone)) = disk {
        if alone {
            extents::check(package, name, &descriptor, findings)?;
        } else if descriptor.create_type.as_deref() == Some("monolithicSparse") {
            let found = "createType is monolithicSparse";
            findings.add(&header::SERVER_SUBFORMAT, Place::field("createType"), found);
        }
    }
    Ok(())
}

/// Checks a VMDK in a package; gives what it says if it can be read.
pub(super) fn check_packed(file: &mut dyn Input, findings: &mut Findings) -> Result<Option<Disk>> {
    let Some((descriptor, _)) = check(file, findings)? else { return Ok(None) };
    let sectors = descriptor.sectors().and_then(|sectors| sectors.checked_mul(SECTOR));
    let head = read_at(file, 0, SECTOR_LEN)?;
    let capacity = Header::parse(&head).and_then(|header| header.capacity.checked_mul(SECTOR));
    Ok(capacity.or(sectors).map(|capacity| Disk {
        capacity,
        subformat: descriptor.create_type,
        adapter: descriptor.adapter,
        hardware: descriptor.hardware,
    }))
}

/// Checks one file; gives its descriptor, and whether that is all it holds.
fn check(file: &mut dyn Input, findings: &mut Findings) -> Result<Option<(Descriptor, bool)>> {
    let head = read_at(file, 0, SECTOR_LEN)?;
    if head.starts_with(&MAGIC) {
        return Ok(sparse(file, &head, findings)?.map(|descriptor| (descriptor, false)));
    }
    if head.starts_with(DESCRIPTOR_MAGIC) {
        let text = read_at(file, 0, ALONE)?;
        if text.len() == ALONE {
            findings.add(&descriptor::TOO_LONG, Place::file(), "more than 4 MiB");
        }
        return Ok(Some((descriptor::read(&text, findings), true)));
    }
    if head.starts_with(ESX_MAGIC) {
        findings.add(&ESX, Place::offset(0), "COWD");
    } else {
        let start = String::from_utf8_lossy(&head[..head.len().min(8)]);
        let found = format!("it starts with \"{}\"", shown(&start));
        findings.add(&FORMAT_UNKNOWN, Place::offset(0), found);
    }
    Ok(None)
}

fn sparse(
    file: &mut dyn Input,
    head: &[u8],
    findings: &mut Findings,
) -> Result<Option<Descriptor>> {
    let Some(header) = Header::parse(head) else {
        findings.add(&header::TRUNCATED, Place::offset(0), format!("{} bytes", head.len()));
        return Ok(None);
    };
    let sectors = len(file)? / SECTOR;
    let readable = header::check(&header, sectors, findings);
    let descriptor = embedded(file, &header, findings)?;
    if let Some(descriptor) = &descriptor {
        compare(&header, descriptor, findings);
    }
    if readable && header.is_stream() {
        stream::check(file, sectors, &header, findings)?;
    } else if readable {
        tables::check(file, sectors, &header, findings)?;
    }
    Ok(descriptor)
}

fn embedded(
    file: &mut dyn Input,
    header: &Header,
    findings: &mut Findings,
) -> Result<Option<Descriptor>> {
    if header.descriptor == 0 {
        findings.add(&DESCRIPTOR_MISSING, Place::field("descriptorOffset"), "it is 0");
        return Ok(None);
    }
    if findings.has(&header::DESCRIPTOR_PLACE) {
        return Ok(None);
    }
    let bytes = header.descriptor_len.saturating_mul(SECTOR);
    let read = usize::try_from(bytes).unwrap_or(EMBEDDED).min(EMBEDDED);
    if bytes > EMBEDDED as u64 {
        findings.add(
            &descriptor::TOO_LONG,
            Place::field("descriptorSize"),
            format!("{bytes} bytes"),
        );
    }
    let bytes = read_at(file, header.descriptor.saturating_mul(SECTOR), read)?;
    let descriptor = descriptor::read(&bytes, findings);
    let unread = [&descriptor::SIGNATURE, &descriptor::EXTENT_LINE];
    if descriptor.extents.len() != 1 && !unread.iter().any(|rule| findings.has(rule)) {
        let found = format!("{} extents", descriptor.extents.len());
        findings.add(&descriptor::EXTENTS, Place::file(), found);
    }
    Ok(Some(descriptor))
}

/// Compares what the header says with what the descriptor says.
fn compare(header: &Header, descriptor: &Descriptor, findings: &mut Findings) {
    let place = || Place::field("createType");
    match (descriptor.create_type.as_deref(), header.is_stream()) {
        (Some("streamOptimized"), true) | (Some("monolithicSparse"), false) | (None, _) => {}
        (Some(found), true) => {
            findings.add(&TYPE_DIFFERS, place(), format!("{found} with compressed grains"));
        }
        (Some(found), false) => {
            findings.add(&TYPE_DIFFERS, place(), format!("{found} without compressed grains"));
        }
    }
    let sectors = descriptor.sectors();
    if descriptor.extents.len() == 1 && sectors != Some(header.capacity) {
        let found = format!("{} sectors, {} in the header", sectors.unwrap_or(0), header.capacity);
        findings.add(&SIZE_DIFFERS, Place::field("extent"), found);
    }
}
