//! Waiting times of the I/O schedulers, as in the thesis's figures 5.5 and 5.6.

use super::{View, measured_by};
use crate::data::{Scheduler, Wait};
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::number::grouped;
use crate::report::svg::{Lines, Point, Series};
use crate::report::thesis;

/// The group that [`crate::data::Report::stage_runs`] has them under.
pub(super) const GROUP: &str = "schedulers";
/// Medians that differ by less than this part give no order: two runs of the same
/// scheduler do too.
const SAME: f64 = 0.05;
/// Below this many milliseconds a median says nothing: httperf tells it to the
/// millisecond, and a disk that keeps up has no queue.
const TOLD: f64 = 20.0;

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let schedulers = &view.report.schedulers;
    if schedulers.iter().all(|it| it.waits.is_empty()) {
        return Vec::new();
    }
    let waits = "milliseconds";
    let plots = [
        plot(schedulers, "Median wait", waits, |it| it.median),
        plot(schedulers, "Mean wait", waits, |it| it.mean),
        plot(schedulers, "Longest wait", waits, |it| it.longest),
        plot(schedulers, "Lost", "clients without an answer", |it| it.lost as f64),
    ];
    let mut blocks = vec![
        Block::Text(thesis::SCHEDULERS.to_owned()),
        Block::Text(
            "Today: what a client waits for a page that the guest has to read from its disk. The \
             site is larger than the guest's memory, every page is asked for once, and QEMU lets \
             the disk do 100 operations per second."
                .to_owned(),
        ),
        Block::Text(verdict(schedulers)),
        Block::Plots(plots.into_iter().collect()),
        Block::Table(table(schedulers)),
    ];
    blocks.extend(measured_by(view, GROUP));
    blocks
}

/// What the medians say, at the rates at which clients wait and none was lost: beyond,
/// they are of those that were lucky.
fn verdict(schedulers: &[Scheduler]) -> String {
    let Some((difference, rate)) = largest_difference(schedulers) else {
        return "There is no rate at which clients had to wait and every one was served, so \
                nothing is said of their order."
            .to_owned();
    };
    let per_cent = grouped(100.0 * difference, 1);
    if difference < SAME {
        return format!(
            "Where clients wait and every one is served, the medians differ by {per_cent} % at \
             most (at {rate} connections per second): there is no order among them, and the thesis's \
             answer is not seen today. A lighttpd that is one process asks its disk for one page \
             at a time, so that a scheduler has nothing to choose from. The default stays \
             what the thesis chose, mq-deadline."
        );
    }
    format!(
        "Where clients wait and every one is served, the medians differ by up to {per_cent} % (at \
         {rate} connections per second)."
    )
}

/// The largest difference of the medians at a rate, as a part of the smallest.
fn largest_difference(schedulers: &[Scheduler]) -> Option<(f64, u32)> {
    let rates = schedulers.first()?.waits.iter().map(|wait| wait.rate);
    let of_rate = |rate: u32| {
        let at = |it: &Scheduler| it.waits.iter().find(|wait| wait.rate == rate).cloned();
        let waits: Vec<Wait> = schedulers.iter().filter_map(at).collect();
        let sound = waits.iter().all(|it| it.lost + it.client_limit == 0 && it.median >= TOLD);
        if waits.len() < 2 || !sound {
            return None;
        }
        let least = waits.iter().map(|it| it.median).fold(f64::INFINITY, f64::min);
        let most = waits.iter().map(|it| it.median).fold(0.0, f64::max);
        Some(((most - least) / least, rate))
    };
    rates.filter_map(of_rate).max_by(|a, b| a.0.total_cmp(&b.0))
}

fn plot(schedulers: &[Scheduler], caption: &str, y: &str, of: fn(&Wait) -> f64) -> Plot {
    let point =
        |wait: &Wait| Point { x: f64::from(wait.rate), y: of(wait), hollow: wait.client_limit > 0 };
    let series = |it: &Scheduler| Series {
        name: it.name.clone(),
        points: it.waits.iter().map(point).collect(),
    };
    let lines = Lines {
        x: "offered connections per second",
        y,
        hollow: "limit of the client",
        series: schedulers.iter().map(series).collect(),
    };
    Plot { caption: caption.to_owned(), svg: lines.draw() }
}

fn table(schedulers: &[Scheduler]) -> Table {
    let head = [
        "scheduler",
        "connections per second",
        "median wait, ms",
        "mean wait, ms",
        "longest wait, ms",
        "lost",
        "client's limit",
    ];
    let mut table = Table::folded("Waits by scheduler and rate", head.map(str::to_owned).to_vec());
    let count = |count: u64| match count {
        0 => Cell::Empty,
        count => Cell::figure(count as f64, 0),
    };
    for scheduler in schedulers {
        table.rows.extend(scheduler.waits.iter().map(|wait| {
            vec![
                Cell::Code(scheduler.name.clone()),
                Cell::figure(f64::from(wait.rate), 0),
                Cell::figure(wait.median, 1),
                Cell::figure(wait.mean, 1),
                Cell::figure(wait.longest, 1),
                count(wait.lost),
                count(wait.client_limit),
            ]
        }));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheduler(waits: &[(u32, f64, u64)]) -> Scheduler {
        let wait = |(rate, median, lost): &(u32, f64, u64)| Wait {
            rate: *rate,
            median: *median,
            lost: *lost,
            ..Wait::default()
        };
        Scheduler { name: "x".into(), waits: waits.iter().map(wait).collect() }
    }

    #[test]
    fn an_order_is_told_where_there_is_one() {
        let alike = [
            scheduler(&[(25, 100.0, 0), (50, 200.0, 0)]),
            scheduler(&[(25, 104.0, 0), (50, 201.0, 0)]),
        ];
        assert!(verdict(&alike).contains("4.0 % at most (at 25"), "{}", verdict(&alike));
        let apart = [scheduler(&[(25, 100.0, 0)]), scheduler(&[(25, 150.0, 0)])];
        assert!(verdict(&apart).contains("up to 50.0 %"), "{}", verdict(&apart));
        // Where clients are lost the medians say nothing.
        let lossy = [scheduler(&[(25, 100.0, 0)]), scheduler(&[(25, 150.0, 3)])];
        assert!(verdict(&lossy).contains("nothing is said"));
        assert!(verdict(&apart[..1]).contains("nothing is said"));
        let quick = [scheduler(&[(25, 1.5, 0)]), scheduler(&[(25, 2.5, 0)])];
        assert!(verdict(&quick).contains("nothing is said"));
    }
}
