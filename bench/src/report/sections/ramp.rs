//! The ramp, as in the thesis's figures 3.5 and 5.12.

use super::View;
use crate::data::{Measured, RampPoint};
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::svg::{Lines, Point, Series};
use crate::report::thesis;

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let subjects = view.few(|subject| !subject.ramp.is_empty());
    if subjects.is_empty() {
        return Vec::new();
    }
    let plots = vec![
        plot(&subjects, "Replies", "replies per second", |point| point.reply_rate.0),
        plot(&subjects, "Client timeouts", "per cent of connections", |point| {
            share(point.timeouts, point)
        }),
        plot(&subjects, "Errors", "per cent of connections", |point| share(point.errors, point)),
        plot(&subjects, "Network", "KiB per second", |point| point.network),
        plot(&subjects, "Time to a reply", "milliseconds", |point| point.reply_time),
    ];
    let mut blocks = vec![Block::Text(thesis::RAMP.to_owned()), Block::Plots(plots)];
    let measured = view.report.subjects.iter().filter(|subject| !subject.ramp.is_empty());
    blocks.extend(measured.map(|subject| Block::Table(table(subject))));
    blocks
}

/// A count in per cent of the connections that were offered.
fn share(count: u64, point: &RampPoint) -> f64 {
    100.0 * count as f64 / point.connections.max(1) as f64
}

fn plot(subjects: &[&Measured], caption: &str, y: &str, of: fn(&RampPoint) -> f64) -> Plot {
    let point =
        |it: &RampPoint| Point { x: f64::from(it.rate), y: of(it), hollow: it.client_limit > 0 };
    let series = |subject: &&Measured| Series {
        name: subject.name.clone(),
        points: subject.ramp.iter().map(point).collect(),
    };
    let lines = Lines {
        x: "offered connections per second",
        y,
        hollow: "limit of the client",
        series: subjects.iter().map(series).collect(),
    };
    Plot { caption: caption.to_owned(), svg: lines.draw() }
}

fn table(subject: &Measured) -> Table {
    let head = [
        "connections per second",
        "replies per second",
        "smallest",
        "largest",
        "ms to a reply",
        "KiB/s",
        "client timeouts",
        "errors",
        "client's limit",
    ];
    let head = head.map(str::to_owned).to_vec();
    let mut table = Table::folded(format!("The ramp of {}", subject.name), head);
    for point in &subject.ramp {
        let (mean, smallest, largest) = point.reply_rate;
        let limit = match point.client_limit {
            0 => Cell::Empty,
            calls => Cell::figure(calls as f64, 0),
        };
        table.rows.push(vec![
            Cell::figure(f64::from(point.rate), 0),
            Cell::figure(mean, 1),
            Cell::figure(smallest, 1),
            Cell::figure(largest, 1),
            Cell::figure(point.reply_time, 1),
            Cell::figure(point.network, 1),
            Cell::figure(point.timeouts as f64, 0),
            Cell::figure(point.errors as f64, 0),
            limit,
        ]);
    }
    table
}
