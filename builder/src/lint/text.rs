//! Findings and rules as a person reads them.

use std::fmt::Write as _;

use super::Report;
use super::finding::{Finding, Place, Product, Rule, Severity};

/// A report: errors first, one paragraph for each finding.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for finding in report.findings.iter().filter(|finding| finding.rule.severity == severity) {
            paragraph(finding, &mut text);
            if let Some(more) = report.more.get(finding.rule.id)
                && is_last(report, finding)
            {
                let _ = writeln!(text, "    and {more} more of {}", finding.rule.id);
            }
        }
    }
    let count = |severity| {
        let listed = report.findings.iter().filter(|finding| finding.rule.severity == severity);
        listed.count()
    };
    let [errors, warnings, notes] = [Severity::Error, Severity::Warning, Severity::Note].map(count);
    let _ = writeln!(text, "{}: {errors} errors, {warnings} warnings, {notes} notes", report.file);
    text
}

fn is_last(report: &Report, finding: &Finding) -> bool {
    let last = report.findings.iter().rev().find(|other| other.rule == finding.rule);
    last.is_some_and(|last| std::ptr::eq(last, finding))
}

fn paragraph(finding: &Finding, text: &mut String) {
    let Finding { rule, file, place: at, found } = finding;
    let _ = writeln!(text, "{}: {file}{}: {found} [{}]", rule.severity.name(), place(at), rule.id);
    let _ = writeln!(text, "    for {}: {}", products(rule), rule.rule);
    let _ = writeln!(text, "    source: {}", rule.source.text());
    let _ = writeln!(text, "    mend: {}", rule.mend);
}

fn place(place: &Place) -> String {
    let mut text = String::new();
    if let Some(line) = place.line {
        let _ = write!(text, ":{line}");
    }
    if let Some(offset) = place.offset {
        let _ = write!(text, " at byte {offset}");
    }
    if let Some(element) = &place.element {
        let _ = write!(text, " ({element})");
    }
    text
}

fn products(rule: &Rule) -> String {
    let names: Vec<_> = rule.products.iter().copied().map(Product::name).collect();
    names.join(", ")
}

/// The table of rules.
pub(super) fn table(rules: &[&Rule]) -> String {
    let rows = rules.iter().map(|rule| {
        let source = rule.source.text();
        let Rule { id, severity, rule: asks, .. } = rule;
        format!(
            "{id:28} {:8} {}\n{:37} {asks}\n{:37} {source}",
            severity.name(),
            products(rule),
            "",
            ""
        )
    });
    rows.collect::<Vec<_>>().join("\n")
}
