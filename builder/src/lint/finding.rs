//! What lint says: rules, and where a file breaks them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; nothing has to be done.
    Note,
    /// A product complains, or ignores what the file asks for; or the file departs
    /// from a specification where the products look away.
    Warning,
    /// A product refuses the file or makes another machine or disk of it.
    Error,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Product {
    /// A host of its own, through its web client or `ovftool`.
    #[serde(rename = "ESXi")]
    Esxi,
    /// Hosts that vCenter manages.
    #[serde(rename = "vCenter")]
    Vcenter,
    /// VMware Workstation and Fusion.
    #[serde(rename = "Workstation")]
    Workstation,
    /// Oracle's VirtualBox.
    VirtualBox,
}

impl Product {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esxi => "ESXi",
            Self::Vcenter => "vCenter",
            Self::Workstation => "Workstation/Fusion",
            Self::VirtualBox => "VirtualBox",
        }
    }
}

/// Everybody.
pub(super) const ALL: &[Product] =
    &[Product::Esxi, Product::Vcenter, Product::Workstation, Product::VirtualBox];
/// VMware's products.
pub(super) const VMWARE: &[Product] = &[Product::Esxi, Product::Vcenter, Product::Workstation];
/// VMware's servers.
pub(super) const SERVERS: &[Product] = &[Product::Esxi, Product::Vcenter];
/// A host without vCenter.
pub(super) const ESXI: &[Product] = &[Product::Esxi];
/// VMware's programs for desktops.
pub(super) const DESKTOP: &[Product] = &[Product::Workstation];
/// VirtualBox.
pub(super) const VIRTUALBOX: &[Product] = &[Product::VirtualBox];

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "text", rename_all = "kebab-case")]
pub enum Source {
    /// A specification, by name and section.
    Specification(&'static str),
    /// What a program is known to do: its source, its message, or an article of
    /// its maker.
    Behaviour(&'static str),
    /// What people have met; at most a warning.
    Experience(&'static str),
    /// What lint itself does not read, since it could not do so within limits.
    Limit(&'static str),
}

impl Source {
    /// The text, marked where it is weaker than a specification.
    pub fn text(self) -> String {
        match self {
            Self::Specification(text) | Self::Behaviour(text) => text.to_owned(),
            Self::Experience(text) => format!("experience: {text}"),
            Self::Limit(text) => format!("limit of lint: {text}"),
        }
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name, which stays.
    pub id: &'static str,
    /// How bad it is to break it.
    pub severity: Severity,
    /// Who is concerned.
    pub products: &'static [Product],
    /// What it asks for.
    pub rule: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// How to mend a file that breaks it.
    pub mend: &'static str,
}

/// Defines rules, and the list of them.
macro_rules! rules {
    ($($name:ident = $id:literal: $severity:ident, $products:expr, $source:expr, $rule:literal, $mend:literal;)*) => {
        $(pub(in crate::lint) static $name: $crate::lint::finding::Rule = $crate::lint::finding::Rule {
            id: $id,
            severity: $crate::lint::finding::Severity::$severity,
            products: $products,
            rule: $rule,
            source: $source,
            mend: $mend,
        };)*
        /// The rules of this group.
        pub(in crate::lint) static RULES: &[&$crate::lint::finding::Rule] = &[$(&$name),*];
    };
}
pub(super) use rules;

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The offset in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The element of a descriptor or the field of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
}

impl Place {
    /// The file as a whole.
    pub fn file() -> Self {
        Self::default()
    }

    /// A byte.
    pub fn offset(offset: u64) -> Self {
        Self { offset: Some(offset), ..Self::default() }
    }

    /// A line.
    pub fn line(line: usize) -> Self {
        Self { line: Some(line), ..Self::default() }
    }

    /// A field of a header.
    pub fn field(name: &str) -> Self {
        Self { element: Some(name.to_owned()), ..Self::default() }
    }

    /// Adds the element or field.
    #[must_use]
    pub fn element(self, name: &str) -> Self {
        Self { element: Some(shown(name)), ..self }
    }
}

/// A rule that a file breaks.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The rule.
    #[serde(flatten)]
    pub rule: &'static Rule,
    /// The file, or the member of an archive.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What was found there.
    pub found: String,
}

/// The longest piece of a file that a finding quotes, in characters.
const SHOWN: usize = 60;

/// A piece of a file as it can be shown: short, and without characters that a
/// terminal would obey.
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// How many findings of one rule are kept.
const KEPT: u64 = 8;

/// Collects findings. Of one rule it keeps the first few and counts the others, so
/// that a file of nothing but mistakes takes no memory.
#[derive(Debug, Default)]
pub(super) struct Findings {
    file: String,
    /// The rules that this file breaks.
    broken: BTreeSet<&'static str>,
    list: Vec<Finding>,
    counts: BTreeMap<&'static str, u64>,
}

impl Findings {
    /// Findings in this file, until another is named.
    pub(super) fn file(&mut self, name: &str) {
        self.file = shown(name);
        self.broken.clear();
    }

    /// Adds one.
    pub(super) fn add(&mut self, rule: &'static Rule, place: Place, found: impl Into<String>) {
        self.broken.insert(rule.id);
        let count = self.counts.entry(rule.id).or_default();
        *count += 1;
        if *count <= KEPT {
            self.list.push(Finding { rule, file: self.file.clone(), place, found: found.into() });
        }
    }

    /// Whether the present file broke a rule so far.
    pub(super) fn has(&self, rule: &Rule) -> bool {
        self.broken.contains(rule.id)
    }

    /// The findings, and how many more there are of each rule.
    pub(super) fn finish(self) -> (Vec<Finding>, BTreeMap<&'static str, u64>) {
        let more = self.counts.into_iter().filter(|(_, count)| *count > KEPT);
        (self.list, more.map(|(id, count)| (id, count - KEPT)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    rules! {
        FIRST = "first": Error, ALL, Source::Limit("a test"), "be short", "cut it";
    }

    #[test]
    fn of_many_findings_a_few_are_kept() {
        let mut findings = Findings::default();
        for offset in 0..100 {
            findings.add(&FIRST, Place::offset(offset), "long");
        }
        let (list, more) = findings.finish();
        assert_eq!((list.len(), more["first"]), (8, 92));
        assert_eq!(RULES, [&FIRST]);
    }

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(shown("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN + 1);
    }
}
