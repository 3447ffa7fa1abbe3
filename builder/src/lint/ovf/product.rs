//! Products and their properties (DSP0243, "ProductSection"), and how they reach
//! the guest.

use std::collections::BTreeSet;

use images::ovf::names;

use super::attribute;
use crate::lint::finding::{ALL, Findings, SERVERS, Source, rules, shown};
use crate::lint::xml::Element;

const PRODUCT: Source = Source::Specification("DSP0243 1.1.0, ProductSection");
const ENVIRONMENT: Source = Source::Specification("DSP0243 1.1.0, OVF Environment");

rules! {
    KEY = "prop-key": Error, SERVERS, PRODUCT,
        "every Property has an ovf:key without periods and colons",
        "put what stands before the period into ovf:class of the ProductSection";
    TYPE = "prop-type": Error, SERVERS, PRODUCT,
        "ovf:type of a Property is one of the types of the specification",
        "take string, boolean, uint16 or another of its table";
    DUPLICATE = "prop-duplicate": Error, SERVERS, PRODUCT,
        "class, key and instance of a Property are there once",
        "remove the other";
    CLASS = "prop-class": Error, SERVERS, PRODUCT,
        "no two ProductSections have the same class and instance",
        "give one of them another ovf:class or ovf:instance";
    VALUE = "prop-value": Error, SERVERS, PRODUCT,
        "ovf:value fits the type",
        "write a value of that type, or none";
    CONFIGURABLE = "prop-configurable": Warning, SERVERS, PRODUCT,
        "ovf:userConfigurable and ovf:password are true or false",
        "write one of the two";
    TRANSPORT_MISSING = "prop-transport-missing": Warning, SERVERS, ENVIRONMENT,
        "a machine with properties says how they reach it",
        "add ovf:transport=\"com.vmware.guestInfo\" to VirtualHardwareSection";
    TRANSPORT = "prop-transport": Warning, SERVERS, ENVIRONMENT,
        "ovf:transport is iso, com.vmware.guestInfo or both",
        "take one of the two";
    LICENCE = "eula-text": Warning, ALL,
        Source::Specification("DSP0243 1.1.0, EulaSection"),
        "an EulaSection has a License with a text",
        "add the text, or remove the section";
}

/// The types of properties.
const TYPES: [&str; 13] = [
    "boolean", "int", "real32", "real64", "sint16", "sint32", "sint64", "sint8", "string",
    "uint16", "uint32", "uint64", "uint8",
];

/// Checks the products of a machine.
pub(super) fn check(system: &Element, findings: &mut Findings) {
    let (mut classes, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut has_properties = false;
    for section in system.all(names::OVF, "ProductSection") {
        let class = attribute(section, "class").unwrap_or("");
        let instance = attribute(section, "instance").unwrap_or("");
        if !classes.insert((class, instance)) {
            findings.add(&CLASS, section.place(), format!("\"{}\"", shown(class)));
        }
        for property in section.all(names::OVF, "Property") {
            has_properties |= attribute(property, "userConfigurable") == Some("true");
            let key = attribute(property, "key").unwrap_or("");
            if key.is_empty() || key.contains(['.', ':']) {
                findings.add(&KEY, property.place(), format!("\"{}\"", shown(key)));
            } else if !keys.insert((class, key, instance)) {
                findings.add(&DUPLICATE, property.place(), shown(key));
            }
            check_property(property, findings);
        }
    }
    check_transport(system, has_properties, findings);
    for section in system.all(names::OVF, "EulaSection") {
        if section.child(names::OVF, "License").is_none_or(|text| text.text().is_empty()) {
            findings.add(&LICENCE, section.place(), "there is none");
        }
    }
}

fn check_property(property: &Element, findings: &mut Findings) {
    let kind = attribute(property, "type").unwrap_or("");
    if !TYPES.contains(&kind) {
        findings.add(&TYPE, property.place(), format!("\"{}\"", shown(kind)));
    }
    let value = attribute(property, "value").unwrap_or("");
    if !value.is_empty() && !fits(kind, value) {
        let found = format!("\"{}\" as {}", shown(value), shown(kind));
        findings.add(&VALUE, property.place(), found);
    }
    for name in ["userConfigurable", "password"] {
        let word = attribute(property, name).unwrap_or("false");
        if !matches!(word, "true" | "false" | "1" | "0") {
            findings.add(&CONFIGURABLE, property.place(), format!("{name}=\"{}\"", shown(word)));
        }
    }
}

/// Whether a value is one of a type; of unknown types every value is.
fn fits(kind: &str, value: &str) -> bool {
    let number = value.parse::<i128>().ok();
    let signed = |bits: u32| {
        let limit = 1_i128 << (bits - 1);
        number.is_some_and(|number| (-limit..limit).contains(&number))
    };
    let unsigned = |bits: u32| number.is_some_and(|number| (0..1_i128 << bits).contains(&number));
    match kind {
        "boolean" => matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
        "uint8" => unsigned(8),
        "uint16" => unsigned(16),
        "uint32" => unsigned(32),
        "uint64" => unsigned(64),
        "sint8" => signed(8),
        "sint16" => signed(16),
        "sint32" | "int" => signed(32),
        "sint64" => signed(64),
        "real32" | "real64" => value.parse::<f64>().is_ok(),
        _ => true,
    }
}

fn check_transport(system: &Element, has_properties: bool, findings: &mut Findings) {
    let Some(section) = system.child(names::OVF, "VirtualHardwareSection") else { return };
    match attribute(section, "transport") {
        None if has_properties => {
            findings.add(&TRANSPORT_MISSING, section.place(), "there is none");
        }
        None => {}
        Some(ways) => {
            let known = |way: &str| way == "iso" || way == names::GUEST_INFO;
            if let Some(way) = ways.split_whitespace().find(|way| !known(way)) {
                findings.add(&TRANSPORT, section.place(), shown(way));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn values_of_types() {
        for (kind, value) in [("boolean", "True"), ("uint16", "65535"), ("sint8", "-128")] {
            assert!(fits(kind, value), "{value} as {kind}");
        }
        for (kind, value) in
            [("boolean", "yes"), ("uint16", "65536"), ("sint8", "128"), ("real32", "x")]
        {
            assert!(!fits(kind, value), "{value} as {kind}");
        }
    }
}
