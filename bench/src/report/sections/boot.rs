//! Starts, by firmware and phase.

use std::collections::BTreeSet;

use super::{Row, View, taken};
use crate::data::{Boot, Measured, Phase};
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::number::grouped;
use crate::report::svg::{Bar, Bars, Group};

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let report = view.report;
    let mut firmwares: Vec<&str> = report
        .subjects
        .iter()
        .flat_map(|subject| subject.boot.keys())
        .map(String::as_str)
        .collect();
    firmwares.sort_by_key(|firmware| (*firmware != "direct", *firmware));
    firmwares.dedup();
    if firmwares.is_empty() {
        return Vec::new();
    }
    let plots: Vec<Plot> =
        [starts(view, &firmwares), own_phases(view, &firmwares)].into_iter().flatten().collect();
    let mut blocks = Vec::new();
    if !plots.is_empty() {
        blocks.push(Block::Plots(plots));
    }
    blocks.push(Block::Table(totals(view, &firmwares)));
    blocks.extend(phases(view, &firmwares).map(Block::Table));
    blocks.extend(turns(view).map(Block::Text));
    blocks.extend(behind(view).map(Block::Text));
    blocks
}

/// What the direct start still does behind the first answer.
fn behind(view: &View) -> Option<String> {
    let of = |subject: &Measured| {
        let boot = subject.boot.get("direct")?;
        Some((taken(boot.at_rest as f64)? / 1e6, boot.instructions as f64 / 1e6))
    };
    let ((own, own_first), (other, other_first)) = (of(view.own?)?, of(view.reference?)?);
    let (own_name, other_name) = (&view.own?.name, &view.reference?.name);
    Some(format!(
        "Threads of a kernel may go on behind that: when they rest, {own_name} has executed {} \
         million, {} of them behind the first answer, and {other_name} {} million, {} behind it. \
         In Debian's kernel these are tests that its cryptography makes of itself while the \
         programs start; how much of them is done by then depends on the clock, their sum does \
         not.",
        grouped(own, 1),
        grouped(own - own_first, 1),
        grouped(other, 0),
        grouped(other - other_first, 0),
    ))
}

/// What a count of every turn under `rep` says of the direct start, for who compares with
/// figures that were taken so.
fn turns(view: &View) -> Option<String> {
    let of = |subject: &Measured| {
        let boot = subject.boot.get("direct")?;
        Some((taken(boot.turns_too as f64)?, boot.instructions as f64))
    };
    let ((own, own_once), (other, other_once)) = (of(view.own?)?, of(view.reference?)?);
    let millions = |count: f64| grouped(count / 1e6, 0);
    Some(format!(
        "A clock of instructions, which counts each turn of an instruction under rep, the idle \
         task and the timer, shows {} million at the server's first wait in {}, and {} million \
         in {}: {} million fewer, where the count above, which takes an instruction under rep \
         once, has {} million fewer.",
        millions(own),
        view.own?.name,
        millions(other),
        view.reference?.name,
        millions(other - own),
        millions(other_once - own_once)
    ))
}

/// The names of the phases in their order, over all starts.
fn phase_names(subjects: &[Measured]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let boots = subjects.iter().flat_map(|subject| subject.boot.values());
    let mut longest: Vec<&Boot> = boots.collect();
    longest.sort_by_key(|boot| std::cmp::Reverse(boot.phases.len()));
    let names = longest.iter().flat_map(|boot| &boot.phases).map(|phase| phase.name.as_str());
    names.filter(|name| seen.insert(*name)).collect()
}

/// Every start by phase.
fn starts(view: &View, firmwares: &[&str]) -> Option<Plot> {
    let names = phase_names(&view.report.subjects);
    let mut groups = Vec::new();
    for firmware in firmwares {
        for subject in view.subjects() {
            let Some(boot) = subject.boot.get(*firmware).filter(|boot| boot.instructions > 0)
            else {
                continue;
            };
            let note = view.multiple(subject, |it| total(it, firmware)).unwrap_or_default();
            groups.push(Group {
                label: match *firmware {
                    "direct" => subject.name.clone(),
                    firmware => format!("{} {firmware}", subject.name),
                },
                bars: vec![Bar { parts: parts(boot, &names), note }],
            });
        }
    }
    let legend = names.iter().map(|name| (*name).to_owned()).collect();
    let bars = Bars { unit: "instructions to the first HTTP 200", legend, groups };
    let caption = "All starts, by phase; direct where nothing else is said".to_owned();
    (!bars.groups.is_empty()).then(|| Plot { caption, svg: bars.draw() })
}

/// The phases of the own subject's shortest way, which are too small to be seen
/// beside the others.
fn own_phases(view: &View, firmwares: &[&str]) -> Option<Plot> {
    let own = view.own?;
    let (firmware, boot) =
        firmwares.iter().find_map(|firmware| Some((firmware, own.boot.get(*firmware)?)))?;
    let millions = |phase: &Phase| grouped(phase.instructions as f64 / 1e6, 2);
    let group = |phase: &Phase| Group {
        label: phase.name.clone(),
        bars: vec![Bar::plain(
            0,
            phase.instructions as f64,
            format!("{} million", millions(phase)),
        )],
    };
    let counted = boot.phases.iter().filter(|phase| phase.instructions > 0);
    let groups: Vec<Group> = counted.map(group).collect();
    let bars = Bars { unit: "instructions", legend: Vec::new(), groups };
    let caption = format!("{}, {firmware} start", own.name);
    (!bars.groups.is_empty()).then(|| Plot { caption, svg: bars.draw() })
}

/// The phases with their colours; what no phase holds stands at the end.
fn parts(boot: &Boot, names: &[&str]) -> Vec<(usize, f64)> {
    let place = |name: &str| names.iter().position(|it| *it == name).unwrap_or(names.len());
    let mut parts: Vec<(usize, f64)> =
        boot.phases.iter().map(|phase| (place(&phase.name), phase.instructions as f64)).collect();
    let rest = boot.instructions as f64 - parts.iter().map(|(_, part)| part).sum::<f64>();
    if rest > 0.0 {
        parts.push((names.len(), rest));
    }
    parts
}

/// The instructions of a start.
fn total(subject: &Measured, firmware: &str) -> Option<f64> {
    taken(subject.boot.get(firmware)?.instructions as f64)
}

fn totals(view: &View, firmwares: &[&str]) -> Table {
    let time = |subject: &Measured, firmware: &str| {
        taken(subject.boot.get(firmware)?.phases.iter().map(|phase| phase.milliseconds).sum())
    };
    let mut rows = Vec::new();
    for firmware in firmwares {
        let what = Cell::Text(format!("{firmware}, million instructions"));
        rows.push(Row::new(what, 1, |it| Some(total(it, firmware)? / 1e6)));
        let what = Cell::Text(format!("{firmware}, milliseconds on this host"));
        rows.push(Row::new(what, 0, move |it| time(it, firmware)));
    }
    view.compare("From reset to the first HTTP 200".to_owned(), "start", rows)
}

/// The phases of the own starts.
fn phases(view: &View, firmwares: &[&str]) -> Option<Table> {
    let own = view.own?;
    let names = phase_names(std::slice::from_ref(own));
    let boots: Vec<(&str, &Boot)> = firmwares
        .iter()
        .filter_map(|firmware| Some((*firmware, own.boot.get(*firmware)?)))
        .collect();
    let mut head = vec!["phase".to_owned()];
    for (firmware, _) in &boots {
        head.push(format!("{firmware}, million instructions"));
        head.push(format!("{firmware}, ms"));
    }
    let mut table = Table::new(format!("Phases of {}", own.name), head);
    for name in names {
        let mut cells = vec![Cell::Text(name.to_owned())];
        for (_, boot) in &boots {
            let phase = boot.phases.iter().find(|phase| phase.name == name);
            let millions = phase.and_then(|phase| taken(phase.instructions as f64 / 1e6));
            cells.push(millions.map_or(Cell::Empty, |millions| Cell::figure(millions, 2)));
            let time = phase.and_then(|phase| taken(phase.milliseconds));
            cells.push(time.map_or(Cell::Empty, |time| Cell::figure(time, 1)));
        }
        table.rows.push(cells);
    }
    (!table.rows.is_empty()).then_some(table.without_empty_columns())
}
