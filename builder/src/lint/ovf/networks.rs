//! The networks of a descriptor (DSP0243, "NetworkSection").

use std::collections::BTreeSet;

use images::ovf::names;

use super::{attribute, devices, rasd, systems};
use crate::lint::finding::{ALL, Findings, SERVERS, Source, VMWARE, rules, shown};
use crate::lint::xml::Element;

const NETWORKS: Source = Source::Specification("DSP0243 1.1.0, NetworkSection");

rules! {
    NAME = "net-name": Error, ALL, NETWORKS,
        "every Network has an ovf:name",
        "add it";
    DUPLICATE = "net-duplicate": Error, VMWARE, NETWORKS,
        "no two Networks have the same name",
        "remove one";
    UNKNOWN = "net-unknown": Error, SERVERS, NETWORKS,
        "the Connection of every network adapter is a Network",
        "add the Network to NetworkSection, or correct the name";
    UNUSED = "net-unused": Note, SERVERS, NETWORKS,
        "every Network has a network adapter",
        "remove it; whoever imports the package is asked for it";
}

fn elements(root: &Element) -> impl Iterator<Item = &Element> {
    root.all(names::OVF, "NetworkSection").flat_map(|section| section.all(names::OVF, "Network"))
}

/// The names of the networks.
pub(super) fn read(root: &Element, findings: &mut Findings) -> BTreeSet<String> {
    let mut networks = BTreeSet::new();
    for element in elements(root) {
        match attribute(element, "name") {
            None | Some("") => findings.add(&NAME, element.place(), "there is none"),
            Some(name) => {
                if !networks.insert(name.to_owned()) {
                    findings.add(&DUPLICATE, element.place(), shown(name));
                }
            }
        }
    }
    networks
}

/// Looks for networks that nobody is connected to.
pub(super) fn check_use(root: &Element, networks: &BTreeSet<String>, findings: &mut Findings) {
    let systems = systems(root);
    let items = systems.iter().flat_map(|system| devices(system));
    let used: BTreeSet<&str> = items.filter_map(|item| rasd(item, "Connection")).collect();
    for element in elements(root) {
        let name = attribute(element, "name").filter(|name| networks.contains(*name));
        if let Some(name) = name.filter(|name| !used.contains(name)) {
            findings.add(&UNUSED, element.place(), shown(name));
        }
    }
}
