//! The steps as tables.

use std::collections::BTreeSet;

use super::super::syscalls::is_of_the_nine;
use super::super::{load_title, taken};
use super::{change_of, label, sides};
use crate::data::{Cost, Stage};
use crate::report::document::{Cell, Table};
use crate::report::number::{change, percent, short};
use crate::report::thesis;

/// The loads whose change stands beside that of the calls.
const LOADS: [&str; 2] = ["keepalive", "connect"];

/// Every table of a group.
pub(super) fn all(stages: &[&Stage]) -> Vec<Table> {
    let mut tables = vec![steps(stages)];
    tables.extend(nine(stages));
    tables.extend(stages.iter().filter_map(|stage| figures(stage)));
    tables.extend(side_by_side(stages));
    tables
}

fn total(total: f64) -> Cell {
    taken(total).map_or(Cell::Empty, |total| Cell::Number(short(total.round())))
}

/// Before and after, with the thesis's change beside.
fn steps(stages: &[&Stage]) -> Table {
    let head = [
        "step",
        "nine calls",
        "thesis",
        "keep-alive request",
        "new connection",
        "nine calls before",
        "after",
        "what it changes",
        "in the thesis",
    ];
    let mut table = Table::new("What each step changes", head.map(str::to_owned).to_vec());
    for stage in stages {
        let thesis = thesis::change(&stage.name);
        let of_load = |load: &str| {
            let before = stage.before.kernel.get(load)?;
            change(*before, taken(*stage.after.kernel.get(load)?)?)
        };
        let [keepalive, connect] = LOADS
            .map(|load| of_load(load).map_or(Cell::Empty, |change| Cell::Number(percent(change))));
        table.rows.push(vec![
            Cell::Code(label(stage)),
            change_of(stage).map_or(Cell::Empty, |change| Cell::Ratio(percent(change))),
            thesis.map_or(Cell::Empty, |change| Cell::Number(percent(change.percent))),
            keepalive,
            connect,
            total(stage.before.total),
            total(stage.after.total),
            Cell::Text(stage.title.clone()),
            thesis.map_or(Cell::Empty, |change| Cell::Text(change.source.to_owned())),
        ]);
    }
    table.without_empty_columns()
}

/// A figure of a side, with what it is.
type Figure<'a> = (String, Box<dyn Fn(&Cost) -> Option<f64> + 'a>);

/// The nine calls, each and together, and the two loads before and after each step, and
/// at the end what changed, here and in the thesis.
fn nine(stages: &[&Stage]) -> Option<Table> {
    let mut stages = stages.to_vec();
    stages.retain(|stage| !stage.before.calls.is_empty() && !stage.after.calls.is_empty());
    let mut names: BTreeSet<&String> =
        stages.iter().flat_map(|it| it.before.calls.keys().chain(it.after.calls.keys())).collect();
    names.retain(|name| is_of_the_nine(name));
    let each = names
        .into_iter()
        .map(|name| -> Figure { (name.clone(), Box::new(move |it| it.calls.get(name).copied())) });
    let loads = LOADS.map(|load| -> Figure {
        (format!("per {}", load_title(load)), Box::new(move |it| it.kernel.get(load).copied()))
    });
    let figures = each.chain([weighted()]).chain(loads);
    let mut head = vec!["kernel instructions, before → after".to_owned()];
    head.extend(stages.iter().map(|stage| label(stage)));
    let mut table = Table::new("The nine calls with each step", head);
    for (what, of) in figures {
        let cells = stages.iter().map(|stage| {
            let both = of(&stage.before).and_then(taken).zip(of(&stage.after).and_then(taken));
            both.map_or(Cell::Empty, |(before, after)| {
                let [before, after] = [before, after].map(|it| short(it.round()));
                Cell::Number(format!("{before} → {after}"))
            })
        });
        table.rows.push(std::iter::once(Cell::Text(what)).chain(cells).collect());
    }
    let here = stages.iter().map(|stage| change_of(stage));
    let thesis = stages.iter().map(|stage| thesis::change(&stage.name).map(|it| it.percent));
    let changes: [(&str, Vec<Option<f64>>); 2] =
        [("change of the nine", here.collect()), ("in the thesis", thesis.collect())];
    for (what, changes) in changes {
        let cells =
            changes.into_iter().map(|it| it.map_or(Cell::Empty, |it| Cell::Ratio(percent(it))));
        table.rows.push(std::iter::once(Cell::Text(what.to_owned())).chain(cells).collect());
    }
    (!stages.is_empty()).then(|| table.without_empty_rows())
}

/// The total of the nine calls.
fn weighted<'a>() -> Figure<'a> {
    ("the nine, weighted".to_owned(), Box::new(|it| Some(it.total)))
}

/// The other figures of a step that the thesis has figures of, as in its table 5.2.
fn figures(stage: &Stage) -> Option<Table> {
    if thesis::PAIRS.iter().all(|pair| pair.step != stage.name) {
        return None;
    }
    let own = stage.before.figures.keys().chain(stage.after.figures.keys());
    let mut names: BTreeSet<&str> = own.map(String::as_str).collect();
    if names.is_empty() {
        return None;
    }
    names.extend(thesis::PAIRS.iter().filter(|it| it.step == stage.name).map(|it| it.figure));
    let head = ["figure", "before", "after", "thesis, before", "thesis, after", "in the thesis"];
    let caption = format!("Figures of {}", stage.name);
    let mut table = Table::new(caption, head.map(str::to_owned).to_vec());
    for name in names {
        let own = |figure: Option<&f64>| {
            figure.map_or(Cell::Empty, |figure| Cell::Number(short(*figure)))
        };
        let mut cells = vec![
            Cell::Text(name.replace('_', " ")),
            own(stage.before.figures.get(name)),
            own(stage.after.figures.get(name)),
        ];
        cells.extend(match thesis::figures(&stage.name, name) {
            Some(pair) => [
                Cell::Number(short(pair.before)),
                Cell::Number(short(pair.after)),
                Cell::Text(pair.source.to_owned()),
            ],
            None => [Cell::Empty, Cell::Empty, Cell::Empty],
        });
        table.rows.push(cells);
    }
    Some(table.without_empty_columns())
}

/// Every side with all that was counted on it.
fn side_by_side(stages: &[&Stage]) -> Option<Table> {
    let sides = sides(stages);
    let mut rows: Vec<Figure> = vec![weighted()];
    let of = |keys: fn(&Cost) -> Vec<&String>| -> BTreeSet<&String> {
        sides.iter().flat_map(|(_, cost)| keys(cost)).collect()
    };
    for load in of(|cost| cost.kernel.keys().collect()) {
        let title = load_title(load);
        rows.push((
            format!("kernel instructions per {title}"),
            Box::new(move |it| it.kernel.get(load).copied()),
        ));
        rows.push((format!("exits per {title}"), Box::new(move |it| it.exits.get(load).copied())));
    }
    for name in of(|cost| cost.calls.keys().collect()) {
        rows.push((format!("{name}, each"), Box::new(move |it| it.calls.get(name).copied())));
    }
    for name in of(|cost| cost.figures.keys().collect()) {
        rows.push((name.replace('_', " "), Box::new(move |it| it.figures.get(name).copied())));
    }
    let mut head = vec!["figure".to_owned()];
    head.extend(sides.iter().map(|(name, _)| (*name).to_owned()));
    let mut table = Table::folded("Side by side", head);
    for (what, value) in rows {
        let figure = |value: Option<f64>| {
            value.and_then(taken).map_or(Cell::Empty, |value| match value.abs() < 1000.0 {
                true => Cell::Number(short(value)),
                false => total(value),
            })
        };
        let figures = sides.iter().map(|(_, cost)| figure(value(cost)));
        table.rows.push(std::iter::once(Cell::Text(what)).chain(figures).collect());
    }
    let table = table.without_empty_rows();
    (!table.rows.is_empty()).then_some(table)
}
