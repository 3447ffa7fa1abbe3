//! The files that a descriptor refers to (DSP0243, "File References").

use std::collections::BTreeSet;

use images::ovf::names;

use super::attribute;
use crate::lint::finding::{ALL, Findings, Place, SERVERS, Source, VIRTUALBOX, rules, shown};
use crate::lint::input::is_inside;
use crate::lint::xml::Element;

const FILES: Source = Source::Specification("DSP0243 1.1.0, File References");

rules! {
    ATTRIBUTE = "ref-attribute": Error, ALL, FILES,
        "every File has ovf:id and ovf:href",
        "add what is missing";
    DUPLICATE = "ref-duplicate": Error, ALL, FILES,
        "no two Files have the same ovf:id",
        "give each its own";
    OUTSIDE = "ref-outside": Error, ALL, FILES,
        "ovf:href stays within the package",
        "put the file beside the descriptor and name it without a directory";
    URL = "ref-url": Warning, SERVERS,
        Source::Experience("hosts without a way to the Internet cannot fetch it; it is not checked here"),
        "the file is in the package",
        "put the file beside the descriptor";
    MISSING = "ref-missing": Error, ALL, FILES,
        "every file is in the package",
        "add the file, or remove the reference";
    SIZE = "ref-size": Error, SERVERS,
        Source::Behaviour("vSphere aborts the import (gardenlinux issue 2322); ovftool warns of a wrong file size"),
        "ovf:size is the size of the file",
        "set ovf:size to the file's length in bytes";
    SIZE_MISSING = "ref-size-missing": Note, SERVERS, FILES,
        "ovf:size is there",
        "add it, so that the progress of an import can be shown";
    COMPRESSION = "ref-compression": Warning, VIRTUALBOX,
        Source::Behaviour("VirtualBox reads ovf:compression and does not act on it (ovfreader.cpp)"),
        "files are not compressed beyond what VMDK does",
        "unpack the file, and remove ovf:compression";
    CHUNKS = "ref-chunks": Warning, VIRTUALBOX,
        Source::Behaviour("VirtualBox does not read ovf:chunkSize (ovfreader.cpp)"),
        "files are in one piece",
        "put the pieces together, and remove ovf:chunkSize";
    UNUSED = "ref-unused": Note, ALL, FILES,
        "every File is used by a disk or a device",
        "remove the reference, unless a tool needs the file";
}

/// A file that a descriptor refers to.
#[derive(Debug)]
pub(in crate::lint) struct FileRef {
    /// Its name for the rest of the descriptor.
    pub(in crate::lint) id: String,
    /// Its name in the package; none where it is elsewhere.
    pub(in crate::lint) name: Option<String>,
    /// Its size in bytes, as the descriptor says.
    pub(in crate::lint) size: Option<u64>,
    /// Whether it is in one piece, and not compressed.
    pub(in crate::lint) is_plain: bool,
    line: usize,
}

impl FileRef {
    /// Where the descriptor says so.
    pub(in crate::lint) fn place(&self) -> Place {
        Place::line(self.line).element("File")
    }
}

/// Reads the references.
pub(super) fn read(root: &Element, findings: &mut Findings) -> Vec<FileRef> {
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    let elements = root.all(names::OVF, "References").flat_map(|all| all.all(names::OVF, "File"));
    for element in elements {
        let (id, href) = (attribute(element, "id"), attribute(element, "href"));
        let (Some(id), Some(href)) = (id, href) else {
            let found = if id.is_none() { "no ovf:id" } else { "no ovf:href" };
            findings.add(&ATTRIBUTE, element.place(), found);
            continue;
        };
        if !seen.insert(id) {
            findings.add(&DUPLICATE, element.place(), shown(id));
        }
        files.push(file(element, id, href, findings));
    }
    check_use(root, &files, findings);
    files
}

fn file(element: &Element, id: &str, href: &str, findings: &mut Findings) -> FileRef {
    let compression = attribute(element, "compression").filter(|word| *word != "identity");
    if let Some(word) = compression {
        findings.add(&COMPRESSION, element.place(), shown(word));
    }
    let chunks = attribute(element, "chunkSize");
    if let Some(size) = chunks {
        findings.add(&CHUNKS, element.place(), format!("pieces of {}", shown(size)));
    }
    let is_url = ["http://", "https://"].iter().any(|scheme| href.starts_with(scheme));
    if is_url {
        findings.add(&URL, element.place(), shown(href));
    } else if !is_inside(href) {
        findings.add(&OUTSIDE, element.place(), shown(href));
    }
    let size = attribute(element, "size");
    let number = size.and_then(|size| size.trim().parse().ok());
    match (size, number) {
        (None, _) => findings.add(&SIZE_MISSING, element.place(), "there is none"),
        (Some(size), None) => findings.add(&SIZE, element.place(), format!("\"{}\"", shown(size))),
        _ => {}
    }
    FileRef {
        id: id.to_owned(),
        name: (!is_url && is_inside(href)).then(|| href.to_owned()),
        size: number,
        is_plain: compression.is_none() && chunks.is_none(),
        line: element.line,
    }
}

/// Looks for files that nothing names.
fn check_use(root: &Element, files: &[FileRef], findings: &mut Findings) {
    let mut used = BTreeSet::new();
    collect_uses(root, &mut used);
    for file in files.iter().filter(|file| !used.contains(file.id.as_str())) {
        findings.add(&UNUSED, file.place(), shown(&file.id));
    }
}

/// Disks name files by `ovf:fileRef`, devices and VMware's settings by
/// `ovf:/file/ID`.
fn collect_uses<'a>(element: &'a Element, used: &mut BTreeSet<&'a str>) {
    let values = element.attributes.iter().map(|(_, value)| value.as_str());
    for text in values.chain([element.text()]) {
        used.extend(text.split_once("ovf:/file/").map(|(_, id)| id));
    }
    used.extend(attribute(element, "fileRef"));
    for child in &element.children {
        collect_uses(child, used);
    }
}
