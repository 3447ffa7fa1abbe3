//! Waiting times of the I/O schedulers, as in the thesis's figures 5.5 and 5.6.

use super::View;
use crate::data::Scheduler;
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::svg::{Lines, Point, Series};
use crate::report::thesis;

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let schedulers = &view.report.schedulers;
    if schedulers.iter().all(|it| it.waits.is_empty() && it.timeouts.is_empty()) {
        return Vec::new();
    }
    let waits = "milliseconds in the queue";
    let plots = [
        plot(schedulers, "Mean wait", waits, |it| {
            it.waits.iter().map(|(rate, mean, _)| (*rate, *mean)).collect()
        }),
        plot(schedulers, "Longest wait", waits, |it| {
            it.waits.iter().map(|(rate, _, longest)| (*rate, *longest)).collect()
        }),
        plot(schedulers, "Client timeouts", "clients that gave up", |it| {
            it.timeouts.iter().map(|(rate, timeouts)| (*rate, *timeouts as f64)).collect()
        }),
    ];
    vec![
        Block::Text(thesis::SCHEDULERS.to_owned()),
        Block::Plots(plots.into_iter().flatten().collect()),
        Block::Table(table(schedulers)),
    ]
}

type Figures = Vec<(u32, f64)>;

fn plot(
    schedulers: &[Scheduler],
    caption: &str,
    y: &str,
    of: fn(&Scheduler) -> Figures,
) -> Option<Plot> {
    let point = |(rate, y): &(u32, f64)| Point { x: f64::from(*rate), y: *y, hollow: false };
    let series: Vec<Series> = schedulers
        .iter()
        .map(|it| Series { name: it.name.clone(), points: of(it).iter().map(point).collect() })
        .filter(|series| !series.points.is_empty())
        .collect();
    let lines = Lines { x: "offered connections per second", y, hollow: "", series };
    (!lines.series.is_empty()).then(|| Plot { caption: caption.to_owned(), svg: lines.draw() })
}

fn table(schedulers: &[Scheduler]) -> Table {
    let head = [
        "scheduler",
        "connections per second",
        "mean wait, ms",
        "longest wait, ms",
        "client timeouts",
    ];
    let mut table = Table::folded("Waits by scheduler and rate", head.map(str::to_owned).to_vec());
    for scheduler in schedulers {
        let mut rates: Vec<u32> = scheduler.waits.iter().map(|(rate, ..)| *rate).collect();
        rates.extend(scheduler.timeouts.iter().map(|(rate, _)| *rate));
        rates.sort_unstable();
        rates.dedup();
        for rate in rates {
            let wait = scheduler.waits.iter().find(|(it, ..)| *it == rate);
            let timeouts = scheduler.timeouts.iter().find(|(it, _)| *it == rate);
            table.rows.push(vec![
                Cell::Code(scheduler.name.clone()),
                Cell::figure(f64::from(rate), 0),
                wait.map_or(Cell::Empty, |(_, mean, _)| Cell::figure(*mean, 2)),
                wait.map_or(Cell::Empty, |(.., longest)| Cell::figure(*longest, 1)),
                timeouts.map_or(Cell::Empty, |(_, count)| Cell::figure(*count as f64, 0)),
            ]);
        }
    }
    table
}
