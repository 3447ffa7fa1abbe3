//! The frame of a descriptor: which elements there are, in which order.

use images::ovf::names;

use super::systems;
use crate::lint::finding::{ALL, ESXI, Findings, Place, Source, VIRTUALBOX, VMWARE, rules, shown};
use crate::lint::xml::Element;

const ENVELOPE: Source = Source::Specification("DSP0243 1.1.0, Envelope Element");
const SCHEMA: Source = Source::Specification("DSP8023 1.1, the XML schema of OVF");

rules! {
    ROOT = "ovf-root": Error, ALL, ENVELOPE,
        "the root element is Envelope",
        "name the descriptor of a package; this is another document";
    NAMESPACE = "ovf-namespace": Error, ALL, ENVELOPE,
        "Envelope is in the namespace http://schemas.dmtf.org/ovf/envelope/1",
        "set xmlns to it";
    NAMESPACE_2 = "ovf-version-2": Error, VMWARE,
        Source::Behaviour("VMware's products read OVF 0.9, 1.0 and 1.1 (vSphere's documentation on OVF templates)"),
        "the descriptor is OVF 1.x",
        "write it in the namespace http://schemas.dmtf.org/ovf/envelope/1, with Items only";
    PREFIX = "ovf-attribute-prefix": Warning, ALL, SCHEMA,
        "the attributes of OVF's elements have OVF's namespace",
        "write ovf:id instead of id, and so on";
    REFERENCES = "ovf-references": Error, ALL, SCHEMA,
        "Envelope begins with References",
        "add a References element, empty if there is no file";
    CONTENT = "ovf-content": Error, ALL, ENVELOPE,
        "there is one VirtualSystem or one VirtualSystemCollection",
        "put several machines into a VirtualSystemCollection";
    COLLECTION = "ovf-collection": Warning, ESXI,
        Source::Behaviour("a VirtualSystemCollection becomes a vApp, which only vCenter has"),
        "the package holds one machine, for a host without vCenter",
        "import it through vCenter, or pack each machine on its own";
    ORDER = "ovf-order": Warning, ALL, SCHEMA,
        "References, sections, content and strings are in this order",
        "put References first, then DiskSection and NetworkSection, then the machine";
    INFO = "ovf-info": Warning, ALL, SCHEMA,
        "every section and the machine begin with Info",
        "add <Info> with a few words as the first element";
    SYSTEM_ID = "ovf-system-id": Error, ALL, SCHEMA,
        "every VirtualSystem has an ovf:id",
        "add one, such as the machine's name";
    SECTION_UNKNOWN = "ovf-section-unknown": Error, ALL,
        Source::Specification("DSP0243 1.1.0, Extensibility: a required section that is not understood fails the import"),
        "a section of another maker says ovf:required=\"false\"",
        "add ovf:required=\"false\", or remove the section";
    SECTION_TWICE = "ovf-section-twice": Warning, VIRTUALBOX,
        Source::Behaviour("of two sections of a kind VirtualBox keeps what the last one says (ovfreader.cpp)"),
        "a machine has one section of a kind, apart from products, licences and hardware",
        "put them into one";
    MESSAGE = "ovf-message": Warning, VMWARE,
        Source::Specification("DSP0243 1.1.0, Internationalization"),
        "every ovf:msgid is in Strings",
        "add the message, or remove the attribute: the text in the element is taken then";
}

/// The sections of a package.
const OUTER: [&str; 3] = ["DeploymentOptionSection", "DiskSection", "NetworkSection"];
/// The sections of a machine or a collection.
const INNER: [&str; 9] = [
    "AnnotationSection",
    "EulaSection",
    "InstallSection",
    "NetworkSection",
    "OperatingSystemSection",
    "ProductSection",
    "ResourceAllocationSection",
    "StartupSection",
    "VirtualHardwareSection",
];
/// Sections of which there can be several.
const SEVERAL: [&str; 3] = ["EulaSection", "ProductSection", "VirtualHardwareSection"];
/// Elements beside sections.
const OTHERS: [&str; 4] = ["Info", "Name", "References", "Strings"];
const SYSTEM: &str = "VirtualSystem";
const COLLECTIONS: &str = "VirtualSystemCollection";

/// Checks the frame; gives whether there is a descriptor to be read.
pub(super) fn check(root: &Element, findings: &mut Findings) -> bool {
    if root.name.local != "Envelope" {
        findings.add(&ROOT, root.place(), shown(&root.name.local));
        return false;
    }
    let namespace = &*root.name.namespace;
    if namespace != names::OVF {
        let rule = if namespace == names::OVF_2 { &NAMESPACE_2 } else { &NAMESPACE };
        findings.add(rule, root.place(), format!("\"{}\"", shown(namespace)));
        return false;
    }
    check_order(root, findings);
    check_content(root, findings);
    check_sections(root, &OUTER, findings);
    for system in systems(root) {
        if system.attribute(names::OVF, "id").is_none() {
            findings.add(&SYSTEM_ID, system.place(), "there is none");
        }
        check_twice(system, findings);
    }
    let strings = root.child(names::OVF, "Strings").map(|strings| {
        let messages = strings.all(names::OVF, "Msg");
        messages.filter_map(|message| message.attribute(names::OVF, "msgid")).collect()
    });
    check_below(root, strings.as_ref(), findings);
    true
}

/// Which place in the order an element has.
fn rank(element: &Element) -> u8 {
    match element.name.local.as_str() {
        "References" => 0,
        SYSTEM | COLLECTIONS => 2,
        "Strings" => 3,
        _ => 1,
    }
}

fn check_order(root: &Element, findings: &mut Findings) {
    if root.child(names::OVF, "References").is_none() {
        findings.add(&REFERENCES, root.place(), "there is none");
    }
    let late = root.children.windows(2).find(|pair| rank(&pair[0]) > rank(&pair[1]));
    if let Some([_, late]) = late {
        findings.add(&ORDER, late.place(), format!("{} too late", shown(&late.name.local)));
    }
}

fn check_content(root: &Element, findings: &mut Findings) {
    let count = root.children.iter().filter(|child| rank(child) == 2).count();
    if count != 1 {
        findings.add(&CONTENT, root.place(), format!("{count} of them"));
    }
    if let Some(collection) = root.child(names::OVF, COLLECTIONS) {
        findings.add(&COLLECTION, collection.place(), "a VirtualSystemCollection");
    }
}

/// Checks the sections of a package or, below, of what it holds.
fn check_sections(parent: &Element, known: &[&str], findings: &mut Findings) {
    for child in &parent.children {
        let local = child.name.local.as_str();
        match &*child.name.namespace {
            names::OVF if matches!(local, SYSTEM | COLLECTIONS) => {
                check_info(child, findings);
                check_sections(child, &INNER, findings);
            }
            names::OVF if known.contains(&local) => check_info(child, findings),
            names::OVF if OTHERS.contains(&local) => {}
            names::VMW => {}
            _ if !super::is_required(child) => {}
            _ => findings.add(&SECTION_UNKNOWN, child.place(), shown(local)),
        }
    }
}

fn check_info(section: &Element, findings: &mut Findings) {
    if section.children.first().is_none_or(|first| !first.name.is(names::OVF, "Info")) {
        findings.add(&INFO, section.place(), "it begins with something else");
    }
}

fn check_twice(system: &Element, findings: &mut Findings) {
    for name in INNER.iter().filter(|name| !SEVERAL.contains(name)) {
        if let Some(second) = system.all(names::OVF, name).nth(1) {
            findings.add(&SECTION_TWICE, second.place(), format!("a second {name}"));
        }
    }
}

/// Attributes whose prefix is forgotten most.
const ATTRIBUTES: [&str; 12] = [
    "capacity",
    "class",
    "diskId",
    "fileRef",
    "format",
    "href",
    "id",
    "key",
    "required",
    "transport",
    "type",
    "userConfigurable",
];

type Messages<'a> = std::collections::BTreeSet<&'a str>;

/// Checks every element below; `strings` are the messages, if they are in this
/// file.
fn check_below(element: &Element, strings: Option<&Messages<'_>>, findings: &mut Findings) {
    for (name, value) in &element.attributes {
        let ours = &*element.name.namespace == names::OVF;
        if ours && name.namespace.is_empty() && ATTRIBUTES.contains(&name.local.as_str()) {
            findings.add(&PREFIX, element.place(), format!("{} without ovf:", name.local));
        }
        let message = name.is(names::OVF, "msgid") && element.name.local != "Msg";
        if message && strings.is_some_and(|strings| !strings.contains(value.as_str())) {
            findings.add(&MESSAGE, Place::line(element.line), shown(value));
        }
    }
    for child in &element.children {
        check_below(child, strings, findings);
    }
}
