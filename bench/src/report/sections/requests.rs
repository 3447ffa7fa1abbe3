//! What a request costs in each load, and which calls it is made of.

use std::collections::BTreeMap;

use super::{Row, View, load_title, loads, taken};
use crate::data::{Measured, Requests};
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::number::grouped;
use crate::report::svg::{Bar, Bars, Group};

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let loads = loads(view.report);
    let plots: Vec<Plot> = loads.iter().filter_map(|load| plot(view, load)).collect();
    let mut blocks = Vec::new();
    if !plots.is_empty() {
        blocks.push(Block::Text(format!(
            "Instructions per request: the kernel's for the request, its interrupts, and the \
             server's own, which no multiple includes.{}",
            view.legend()
        )));
        blocks.push(Block::Plots(plots));
    }
    blocks.extend(loads.iter().map(|load| Block::Table(figures(view, load))));
    blocks.extend(loads.iter().filter_map(|load| calls(view, load)).map(Block::Table));
    blocks
}

fn kernel(subject: &Measured, load: &str) -> Option<f64> {
    subject.requests.get(load).and_then(|requests| taken(requests.kernel))
}

fn plot(view: &View, load: &str) -> Option<Plot> {
    let mut subjects = view.subjects();
    subjects.retain(|subject| kernel(subject, load).is_some());
    let group = |subject: &&Measured| {
        let requests = &subject.requests[load];
        let parts = [requests.kernel - requests.interrupts, requests.interrupts, requests.user];
        let note = view.multiple(subject, |it| kernel(it, load)).unwrap_or_default();
        let parts = parts.map(|part| part.max(0.0)).into_iter().enumerate().collect();
        Group { label: subject.name.clone(), bars: vec![Bar { parts, note }] }
    };
    let bars = Bars {
        unit: "instructions per request",
        legend: ["kernel", "interrupts", "server"].map(str::to_owned).to_vec(),
        groups: subjects.iter().map(group).collect(),
    };
    (!subjects.is_empty())
        .then(|| Plot { caption: format!("Per {}", load_title(load)), svg: bars.draw() })
}

fn figures(view: &View, load: &str) -> Table {
    type Figure = (&'static str, fn(&Requests) -> f64, usize);
    let figures: [Figure; 5] = [
        ("kernel, instructions", |it| it.kernel, 0),
        ("of these in interrupts", |it| it.interrupts, 0),
        ("server, instructions", |it| it.user, 0),
        ("exits of the virtual machine", |it| it.exits, 2),
        ("bytes moved under rep", |it| it.rep_bytes, 0),
    ];
    let value = |subject: &Measured, of: fn(&Requests) -> f64| {
        // A count of 0 is one, where others of the same load are not.
        let requests = subject.requests.get(load)?;
        (requests.kernel > 0.0 || of(requests) > 0.0).then(|| of(requests))
    };
    let row = |(what, of, decimals): (&str, fn(&Requests) -> f64, usize)| {
        Row::new(Cell::Text(what.to_owned()), decimals, move |subject| value(subject, of))
    };
    let mut rows: Vec<Row> = figures.into_iter().map(row).collect();
    let what = Cell::Text("requests per second, as the host saw it".to_owned());
    let speed = |it: &Measured| it.requests.get(load).and_then(|it| taken(it.per_second));
    rows.push(Row { multiple: false, ..Row::new(what, 0, speed) });
    let made = view.own.and_then(|own| own.requests.get(load)).map_or(0, |it| it.requests);
    let mean = match made {
        0 => String::new(),
        made => format!(", mean of {}", grouped(made as f64, 0)),
    };
    view.compare(format!("Per {}{mean}", load_title(load)), "figure", rows)
}

/// The system calls of a request, the most expensive first.
fn calls(view: &View, load: &str) -> Option<Table> {
    let own = view.own?.requests.get(load)?;
    let empty = BTreeMap::new();
    let reference =
        view.reference.and_then(|it| it.requests.get(load)).map_or(&empty, |it| &it.calls);
    let mut calls: Vec<_> = own.calls.iter().filter(|(_, call)| call.count > 0.0).collect();
    calls.sort_by(|a, b| (b.1.count * b.1.instructions).total_cmp(&(a.1.count * a.1.instructions)));
    let caption = format!("System calls per {}", load_title(load));
    let mut head = ["call", "calls", "instructions each"].map(str::to_owned).to_vec();
    if let Some(it) = view.reference {
        head.push(format!("{}, each", it.name));
        head.push("multiple".to_owned());
    }
    let mut table = Table::new(caption, head);
    for (name, call) in calls {
        let mut cells = vec![
            Cell::Code(name.clone()),
            Cell::figure(call.count, 2),
            Cell::figure(call.instructions, 0),
        ];
        if view.reference.is_some() {
            let other = reference.get(name).map(|call| call.instructions);
            cells.push(other.map_or(Cell::Empty, |other| Cell::figure(other, 0)));
            cells.push(Cell::times(other, Some(call.instructions)));
        }
        table.rows.push(cells);
    }
    (!table.rows.is_empty()).then_some(table)
}
