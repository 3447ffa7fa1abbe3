//! OVF descriptors (DMTF DSP0243): what they say, and whether products take it.

mod config;
mod disks;
mod guest;
mod hardware;
mod networks;
mod product;
mod references;
mod structure;

pub(super) use disks::check_file;
pub(super) use references::{FileRef, MISSING, SIZE};

use images::ovf::names;

use super::finding::{Findings, Rule};
use super::xml::Element;
use disks::DiskRef;

/// What a descriptor says that has to do with its files.
#[derive(Debug)]
pub(super) struct Document {
    /// The files that it refers to, in their order.
    pub(super) files: Vec<FileRef>,
    /// The disks.
    disks: Vec<DiskRef>,
    /// The newest virtual hardware that it asks for.
    hardware: Option<u8>,
}

/// The rules of descriptors.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    let groups = [structure::RULES, references::RULES, disks::RULES, networks::RULES];
    let further = [hardware::RULES, guest::RULES, config::RULES, product::RULES];
    groups.into_iter().chain(further).flatten().copied()
}

/// Checks a descriptor; none where it is none.
pub(super) fn check(root: &Element, findings: &mut Findings) -> Option<Document> {
    if !structure::check(root, findings) {
        return None;
    }
    let files = references::read(root, findings);
    let disks = disks::read(root, &files, findings);
    let networks = networks::read(root, findings);
    let known = hardware::Known {
        files: files.iter().map(|file| file.id.as_str()).collect(),
        disks: disks.iter().map(|disk| disk.id.as_str()).collect(),
        networks: &networks,
    };
    let mut newest = None;
    for system in systems(root) {
        let version = hardware::check(system, &known, findings);
        guest::check(system, version, findings);
        config::check(system, version, findings);
        product::check(system, findings);
        newest = newest.max(version);
    }
    disks::check_use(root, &disks, findings);
    networks::check_use(root, &networks, findings);
    Some(Document { files, disks, hardware: newest })
}

/// The virtual systems of a package, in whatever collections they are.
fn systems(root: &Element) -> Vec<&Element> {
    let mut found = Vec::new();
    for child in &root.children {
        if child.name.is(names::OVF, "VirtualSystem") {
            found.push(child);
        } else if child.name.is(names::OVF, "VirtualSystemCollection") {
            found.extend(systems(child));
        }
    }
    found
}

/// The devices of a virtual system: the items of every hardware section.
fn devices(system: &Element) -> impl Iterator<Item = &Element> {
    system
        .all(names::OVF, "VirtualHardwareSection")
        .flat_map(|section| section.all(names::OVF, "Item"))
}

/// An attribute in the namespace of OVF, also where its prefix was forgotten:
/// [`structure`] speaks of that.
fn attribute<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    element.attribute(names::OVF, name).or_else(|| element.attribute("", name))
}

/// The text of a device's element.
fn rasd<'a>(item: &'a Element, name: &str) -> Option<&'a str> {
    item.child(names::RASD, name).map(Element::text).filter(|text| !text.is_empty())
}

/// Whether what an element says has to be carried out.
fn is_required(element: &Element) -> bool {
    attribute(element, "required") != Some("false")
}

/// What a unit stands for in bytes (DSP0004, "Programmatic Units", as far as
/// descriptors use them; and the words of OVF 0.9).
fn unit(text: &str) -> Option<u64> {
    match text {
        "KB" | "KiloBytes" => return Some(1 << 10),
        "MB" | "MegaBytes" => return Some(1 << 20),
        "GB" | "GigaBytes" => return Some(1 << 30),
        _ => {}
    }
    let factor: String = text.strip_prefix("byte")?.split_whitespace().collect();
    if factor.is_empty() {
        return Some(1);
    }
    let (base, power) = factor.strip_prefix('*')?.split_once('^')?;
    base.parse::<u64>().ok()?.checked_pow(power.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::unit;

    #[test]
    fn units() {
        for (text, bytes) in
            [("byte", 1), ("byte * 2^20", 1 << 20), ("byte*10^3", 1000), ("MB", 1 << 20)]
        {
            assert_eq!(unit(text), Some(bytes), "{text}");
        }
        for text in ["", "bit", "byte 2", "byte * 2^64", "byte * x^2", "byte * 2"] {
            assert_eq!(unit(text), None, "{text}");
        }
    }
}
