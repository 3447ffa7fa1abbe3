//! The cost of system calls: a comparison, and the histogram of one.

use std::collections::BTreeSet;

use super::{Row, View, capital, taken};
use crate::data::{Call, Measured};
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::number::{grouped, short};
use crate::report::svg::{Bar, Bars, Group, histogram};
use crate::report::thesis;

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let names = names(view);
    if names.is_empty() {
        return Vec::new();
    }
    let (nine, beyond): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| is_of_the_nine(name));
    let mut plots = Vec::new();
    for (caption, names) in
        [("The thesis's nine system calls", &nine), ("Calls beyond the nine", &beyond)]
    {
        if !names.is_empty() {
            plots.push(Plot { caption: caption.to_owned(), svg: bars(view, names) });
        }
    }
    let names: Vec<&str> = nine.into_iter().chain(beyond).collect();
    let mut blocks = vec![
        Block::Text(format!(
            "{} from a call to its return, on warm caches: the fewest of many. What softirqs \
             do inside it, such as receiving over loopback, is interrupt work and stands \
             apart. The total is of the thesis's nine calls, weighted by how often the server makes each under load \
             on the stock kernel.{}",
            capital(view.unit()),
            view.legend()
        )),
        Block::Plots(plots),
        Block::Table(costs(view, &names)),
    ];
    blocks.extend(beside(view, &names).map(Block::Table));
    blocks.extend(weights(view).map(Block::Table));
    blocks.extend(histograms(view));
    blocks
}

/// What a call costs: instructions where they are counted, else the clock.
fn cost(call: &Call) -> Option<f64> {
    // Counts are far below 2^53.
    taken(call.instructions as f64).or_else(|| taken(call.clock))
}

fn cost_of(subject: &Measured, name: &str) -> Option<f64> {
    subject.syscalls.as_ref().and_then(|syscalls| syscalls.calls.get(name)).and_then(cost)
}

/// Whether a measurement is of one of the nine: `close`, `read_4096`.
pub(super) fn is_of_the_nine(name: &str) -> bool {
    let call = name.split_once('_').map_or(name, |(call, _)| call);
    thesis::CALLS.contains(&call)
}

fn names<'a>(view: &View<'a>) -> BTreeSet<&'a str> {
    let measured = view.report.subjects.iter().filter_map(|subject| subject.syscalls.as_ref());
    measured.flat_map(|syscalls| syscalls.calls.keys()).map(String::as_str).collect()
}

fn bars(view: &View, names: &[&str]) -> String {
    let subjects = view.few(|subject| subject.syscalls.is_some());
    let bar = |place: usize, subject: &Measured, name: &str| {
        let cost = cost_of(subject, name);
        let note = match (cost, view.multiple(subject, |it| cost_of(it, name))) {
            (None, _) => "not measured".to_owned(),
            (Some(cost), Some(multiple)) => format!("{} · {multiple}", short(cost)),
            (Some(cost), None) => short(cost),
        };
        Bar::plain(place, cost.unwrap_or(0.0), note)
    };
    let group = |name: &&str| Group {
        label: (*name).to_owned(),
        bars: subjects.iter().enumerate().map(|(place, it)| bar(place, it, name)).collect(),
    };
    Bars {
        unit: &format!("{} per call", view.unit()),
        legend: subjects.iter().map(|subject| subject.name.clone()).collect(),
        groups: names.iter().map(group).collect(),
    }
    .draw()
}

fn costs(view: &View, names: &[&str]) -> Table {
    let mut rows: Vec<Row> = Vec::new();
    for name in names {
        let cost = |subject: &Measured| cost_of(subject, name);
        rows.push(Row::new(Cell::Code((*name).to_owned()), 0, cost));
    }
    let what = Cell::Text("the nine, weighted".to_owned());
    rows.push(Row::new(what, 0, |it| it.syscalls.as_ref().and_then(|it| taken(it.total))));
    view.compare(format!("{} per call", capital(view.unit())), "call", rows)
}

/// What stands beside the cost of a call and is no part of it.
fn beside(view: &View, names: &[&str]) -> Option<Table> {
    let mut rows = Vec::new();
    for name in names {
        let rep_bytes = |subject: &Measured| {
            let call = subject.syscalls.as_ref()?.calls.get(*name)?;
            (call.instructions > 0).then_some(call.rep_bytes as f64)
        };
        let softirqs = |subject: &Measured| {
            let call = subject.syscalls.as_ref()?.calls.get(*name)?;
            (call.instructions > 0).then_some(call.softirqs as f64)
        };
        let subjects = &view.report.subjects;
        if subjects.iter().filter_map(rep_bytes).any(|bytes| bytes > 0.0) {
            let what = Cell::Text(format!("{name}, bytes moved under rep"));
            rows.push(Row { multiple: false, ..Row::new(what, 0, rep_bytes) });
        }
        if subjects.iter().filter_map(softirqs).any(|softirqs| softirqs > 0.0) {
            let what = Cell::Text(format!("{name}, softirqs inside, apart"));
            rows.push(Row { multiple: false, ..Row::new(what, 0, softirqs) });
        }
    }
    let caption = "Bytes moved under rep, and softirqs inside of a call".to_owned();
    let table = view.compare(caption, "call", rows).without_empty_columns();
    (!table.rows.is_empty()).then_some(Table { folded: true, ..table })
}

/// How often the server makes each call: what the total is weighted by.
fn weights(view: &View) -> Option<Table> {
    let weights = &view.own?.syscalls.as_ref()?.weights;
    let head = ["call", "calls per request"].map(str::to_owned).to_vec();
    let mut table = Table::folded("Weights of the total", head);
    let row =
        |(name, weight): (&String, &f64)| vec![Cell::Code(name.clone()), Cell::figure(*weight, 3)];
    table.rows.extend(weights.iter().map(row));
    (!table.rows.is_empty()).then_some(table)
}

/// The distribution of one call, as in the thesis's figure 5.1.
fn histograms(view: &View) -> Vec<Block> {
    let seen = |subject: &Measured, name: &str| -> Option<Vec<(u64, u64)>> {
        let call = subject.syscalls.as_ref()?.calls.get(name)?;
        (!call.histogram.is_empty()).then(|| call.histogram.clone())
    };
    let Some(own) = view.own else { return Vec::new() };
    let mut names = names(view);
    names.retain(|name| seen(own, name).is_some());
    let Some(name) = names.get("writev").or(names.first()) else { return Vec::new() };
    let mut plots = Vec::new();
    for (colour, subject) in [Some(own), view.reference].into_iter().flatten().enumerate() {
        if let Some(values) = seen(subject, name) {
            let calls: u64 =
                values.iter().fold(0, |sum, (_, count)| u64::saturating_add(sum, *count));
            let mut caption =
                format!("{name} on {}, {} calls", subject.name, grouped(calls as f64, 0));
            // One call that met a long interrupt would leave no room for the others.
            let least = values.first().map_or(0, |(value, _)| *value);
            let (values, beyond): (Vec<_>, Vec<_>) =
                values.into_iter().partition(|(value, _)| *value / 5 <= least);
            let beyond: u64 = beyond.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count));
            if beyond > 0 {
                caption.push_str(&format!(", {} beyond the axis", grouped(beyond as f64, 0)));
            }
            let unit = "steps of the time-stamp counter";
            plots.push(Plot { caption, svg: histogram(&values, unit, colour) });
        }
    }
    vec![
        Block::Text(format!("How {name} is distributed. {}", thesis::HISTOGRAM)),
        Block::Plots(plots),
    ]
}
