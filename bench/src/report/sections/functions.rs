//! The kernel functions in which most instructions are spent.

use super::{View, load_title, loads};
use crate::data::{Measured, Requests};
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::number::{grouped, short};
use crate::report::svg::{Bar, Bars, Group};

/// How many functions are shown.
const SHOWN: usize = 15;

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let mut blocks = Vec::new();
    for load in loads(view.report) {
        let subjects = [view.own, view.reference].into_iter().flatten().enumerate();
        let plots: Vec<Plot> = subjects
            .filter_map(|(colour, subject)| {
                let requests = subject.requests.get(load)?;
                (!requests.functions.is_empty()).then(|| plot(subject, load, requests, colour))
            })
            .collect();
        if !plots.is_empty() {
            blocks.push(Block::Plots(plots));
        }
        blocks.extend(view.own.and_then(|own| table(own, load)).map(Block::Table));
    }
    if !blocks.is_empty() {
        let text = format!("The {SHOWN} hottest functions, with their share of the kernel's part.");
        blocks.insert(0, Block::Text(text));
    }
    blocks
}

/// The own subject's functions with their whole names.
fn table(own: &Measured, load: &str) -> Option<Table> {
    let requests = own.requests.get(load)?;
    let head = ["function", "instructions per request", "share of the kernel, %"];
    let caption = format!("{}, per {}", own.name, load_title(load));
    let mut table = Table::folded(caption, head.map(str::to_owned).to_vec());
    for (name, instructions) in requests.functions.iter().take(SHOWN) {
        let share = 100.0 * instructions / requests.kernel;
        table.rows.push(vec![
            Cell::Code(name.clone()),
            Cell::Number(short(*instructions)),
            Cell::figure(share, 1),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

fn plot(subject: &Measured, load: &str, requests: &Requests, colour: usize) -> Plot {
    let share = |instructions: f64| match 100.0 * instructions / requests.kernel {
        share if share.is_finite() => format!("{} · {} %", short(instructions), grouped(share, 1)),
        _ => short(instructions),
    };
    let group = |(name, instructions): &(String, f64)| Group {
        label: name.clone(),
        bars: vec![Bar::plain(colour, *instructions, share(*instructions))],
    };
    let bars = Bars {
        unit: "instructions per request",
        legend: Vec::new(),
        groups: requests.functions.iter().take(SHOWN).map(group).collect(),
    };
    Plot { caption: format!("{}, per {}", subject.name, load_title(load)), svg: bars.draw() }
}
