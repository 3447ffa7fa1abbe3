//! Every rule is broken by a package that breaks nothing else.

use std::collections::BTreeSet;

use appliance::lint::{Severity, Source, rules};

use crate::package::{Files, broken};

/// A defect: the rules that it breaks, of which the first is the one that it is
/// there for, and the files.
pub(crate) struct Defect {
    pub(crate) rules: &'static str,
    pub(crate) files: Files,
    /// The file that is checked.
    pub(crate) name: &'static str,
}

impl Defect {
    /// A defect of a single file.
    pub(crate) fn of(rules: &'static str, name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { rules, files: Files::one(name, bytes), name }
    }
}

fn defects() -> Vec<Defect> {
    let mut defects = crate::archives::defects();
    defects.extend(crate::descriptors::defects());
    defects.extend(crate::disks::defects());
    defects
}

#[test]
fn each_defect_breaks_its_rule_and_no_other() {
    let defects = defects();
    println!("{} defects", defects.len());
    let mut wrong = Vec::new();
    for Defect { rules, mut files, name } in defects {
        let expected: BTreeSet<&str> = rules.split(' ').collect();
        let found = broken(&mut files, name);
        if found != expected {
            wrong.push(format!("the defect for {rules} breaks {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_defect() {
    let defects = defects();
    let seeded: BTreeSet<&str> =
        defects.iter().filter_map(|defect| defect.rules.split(' ').next()).collect();
    // These are in the good package, by intent.
    let ours = ["hw-pvscsi", "hw-vmxnet3"];
    // Tried with a file of its own (tests/lint/hostile.rs).
    let large = ["vmdk-large"];
    let missing: Vec<&str> = rules()
        .map(|rule| rule.id)
        .filter(|id| !seeded.contains(id) && !ours.contains(id) && !large.contains(id))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_rules_are_in_order() {
    let mut seen = BTreeSet::new();
    for rule in rules() {
        assert!(seen.insert(rule.id), "{} twice", rule.id);
        assert!(!rule.products.is_empty(), "{}", rule.id);
        if let Source::Experience(_) = rule.source {
            assert!(rule.severity < Severity::Error, "{} rests on experience only", rule.id);
        }
    }
}
