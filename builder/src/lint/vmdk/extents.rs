//! The files of a disk whose descriptor is a file of its own (Virtual Disk Format
//! 5.0, "Simple Extents").

use std::collections::BTreeSet;

use anyhow::Result;

use super::descriptor::{Descriptor, Extent};
use super::header::{Header, SERVER_SUBFORMAT};
use super::{SECTOR, SECTOR_LEN};
use crate::lint::finding::{ALL, Findings, Place, Source, rules, shown};
use crate::lint::input::{Package, is_inside, len, read_at};

const SIMPLE: Source = Source::Specification("Virtual Disk Format 5.0, Simple Extents");

rules! {
    NO_EXTENT = "vmdk-no-extent": Error, ALL, SIMPLE,
        "a descriptor has at least one extent",
        "write the descriptor again";
    EXTENT_NAME = "vmdk-extent-name": Error, ALL,
        Source::Limit("no file outside of the descriptor's directory is opened"),
        "an extent is a file beside the descriptor",
        "put the file there and name it without a directory";
    EXTENT_CYCLE = "vmdk-extent-cycle": Error, ALL, SIMPLE,
        "an extent is another file than the descriptor, and no file serves two extents from its start",
        "write the descriptor again";
    EXTENT_MISSING = "vmdk-extent-missing": Error, ALL, SIMPLE,
        "every extent is there",
        "copy the file too";
    EXTENT_SHORT = "vmdk-extent-short": Error, ALL, SIMPLE,
        "a flat extent is as long as the descriptor says",
        "copy the file again; it was cut";
    EXTENT_SPARSE = "vmdk-extent-sparse": Error, ALL, SIMPLE,
        "a sparse extent has a header with the capacity that the descriptor says",
        "copy the file again, or correct the line of the extent";
}

/// Checks the files that a descriptor names.
pub(super) fn check(
    package: &mut dyn Package,
    name: &str,
    descriptor: &Descriptor,
    findings: &mut Findings,
) -> Result<()> {
    if descriptor.extents.is_empty() {
        findings.add(&NO_EXTENT, Place::file(), "no extent");
    }
    if let Some(kind) = &descriptor.create_type
        && (kind.ends_with("Sparse") || kind.starts_with("twoGb"))
    {
        let found = format!("createType is {kind}");
        findings.add(&SERVER_SUBFORMAT, Place::field("createType"), found);
    }
    let mut seen = BTreeSet::new();
    for extent in descriptor.extents.iter().filter(|extent| !extent.name.is_empty()) {
        host::check_interrupt()?;
        let place = || Place::line(extent.line).element("extent");
        if extent.name == name || !seen.insert((extent.name.as_str(), extent.offset)) {
            findings.add(&EXTENT_CYCLE, place(), shown(&extent.name));
        } else if is_inside(&extent.name) {
            file(package, extent, findings)?;
        } else {
            findings.add(&EXTENT_NAME, place(), shown(&extent.name));
        }
    }
    Ok(())
}

fn file(package: &mut dyn Package, extent: &Extent, findings: &mut Findings) -> Result<()> {
    let place = || Place::line(extent.line).element("extent");
    let Some(mut file) = package.open(&extent.name)? else {
        findings.add(&EXTENT_MISSING, place(), shown(&extent.name));
        return Ok(());
    };
    if extent.kind == "FLAT" || extent.kind == "VMFS" {
        let end = extent.offset.checked_add(extent.sectors);
        let end = end.and_then(|sectors| sectors.checked_mul(SECTOR));
        let len = len(file.as_mut())?;
        if end.is_none_or(|end| end > len) {
            let found = format!("{} has {len} bytes", shown(&extent.name));
            findings.add(&EXTENT_SHORT, place(), found);
        }
    } else if extent.kind == "SPARSE" {
        let head = read_at(file.as_mut(), 0, SECTOR_LEN)?;
        let capacity = Header::parse(&head).map(|header| header.capacity);
        if capacity != Some(extent.sectors) {
            let found = match capacity {
                Some(capacity) => format!("{} sectors in its header", capacity),
                None => "no header".to_owned(),
            };
            findings.add(&EXTENT_SPARSE, place(), found);
        }
    }
    Ok(())
}
