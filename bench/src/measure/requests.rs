//! A load with a fixed number of requests, counted.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use host::failed;
use qemu::Guest;

use crate::counts::{CallCounts, Counts};
use crate::data::{CallShare, Requests};
use crate::loads::{self, Link, Outcome, Target, in_guest};
use crate::{Subject, Tools};

use super::quantity;

/// Requests before counting begins: caches fill, and what is done once is done.
const WARM_UP: u64 = 100;
/// A load is counted in so many parts, and the one with the fewest instructions is
/// taken: how packets meet interrupts depends on what else the host does.
const PARTS: u64 = 10;
/// How many functions are kept.
const FUNCTIONS: usize = 60;

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// One page over a connection that stays open.
    Keepalive,
    /// One page over a connection of its own each time.
    Connect,
    /// One page over HTTP/2.
    Http2,
}

impl Load {
    /// Every load.
    pub const ALL: &[Self] = &[Self::Keepalive, Self::Connect, Self::Http2];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keepalive => "keepalive",
            Self::Connect => "connect",
            Self::Http2 => "http2",
        }
    }

    fn run(self, target: &Target, requests: u64) -> Result<Outcome> {
        // None of them takes longer than a user wants to wait without a word.
        let progress = &mut |_, _| {};
        match self {
            Self::Keepalive => loads::keepalive(target, requests, 1, progress),
            Self::Connect => loads::connect(target, requests, progress),
            Self::Http2 => loads::http2(target, requests, progress),
        }
    }
}

/// A counted load, and everything that was counted.
#[derive(Debug)]
pub struct Counted {
    /// Per request, for the report.
    pub requests: Requests,
    /// In all; nothing where the processor itself executed the guest.
    pub counts: Option<Counts>,
}

/// Boots a subject, warms it up, and counts what so many requests cost.
///
/// # Errors
/// When the guest does not come up or dies, an answer is wrong or missing, or the
/// user interrupts.
pub fn requests(
    subject: &Subject,
    tools: &Tools,
    link: &Link,
    load: Load,
    count: u64,
) -> Result<Counted> {
    let mut subject = subject.clone();
    let mut counter = super::count(&mut subject, tools)?;
    let (mut guest, target) = loads::boot_at_rest(&subject, link)?;
    let run = |guest: &Guest, count| {
        guest.in_its_network(|| load.run(&target, count))?.and_then(complete)
    };
    in_guest(&mut guest, &subject.name, |guest| {
        run(guest, WARM_UP)?;
        let Some(counter) = &mut counter else {
            let requests = per_request(&run(guest, count)?, None);
            return Ok(Counted { requests, counts: None });
        };
        let mut best: Option<(Outcome, Counts)> = None;
        for _ in 0..PARTS {
            counter.start()?;
            let outcome = run(guest, count / PARTS)?;
            counter.stop()?;
            let counts = counter.read()?;
            if best.as_ref().is_none_or(|(_, best)| counts.of_requests() < best.of_requests()) {
                best = Some((outcome, counts));
            }
        }
        let (outcome, counts) = best.context("a load without a part")?;
        Ok(Counted { requests: per_request(&outcome, Some(&counts)), counts: Some(counts) })
    })
}

/// A load in which a request failed says nothing of what a request costs.
pub(super) fn complete(outcome: Outcome) -> Result<Outcome> {
    if outcome.failed() == 0 {
        return Ok(outcome);
    }
    let errors: Vec<String> =
        outcome.errors.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    Err(failed(format!("requests failed under the load: {}", errors.join(", "))).into())
}

fn per_request(outcome: &Outcome, counts: Option<&Counts>) -> Requests {
    let mut requests = Requests {
        requests: outcome.requests,
        per_second: outcome.per_second(),
        ..Requests::default()
    };
    let Some(counts) = counts else { return requests };
    let each = |count: u64| quantity(count) / quantity(outcome.requests.max(1));
    requests.kernel = each(counts.of_requests());
    requests.interrupts = each(counts.interrupts + counts.softirqs);
    requests.user = each(counts.user);
    requests.exits = each(counts.exits());
    requests.rep_bytes = each(counts.rep_bytes);
    requests.calls = shares(counts, outcome.requests);
    let mut functions: Vec<(String, f64)> =
        counts.functions.iter().map(|(name, count)| (name.clone(), each(*count))).collect();
    functions.sort_by(|one, other| other.1.total_cmp(&one.1));
    functions.truncate(FUNCTIONS);
    requests.functions = functions;
    requests
}

fn shares(counts: &Counts, requests: u64) -> BTreeMap<String, CallShare> {
    let share = |(name, call): (&String, &CallCounts)| {
        let share = CallShare {
            count: quantity(call.count) / quantity(requests.max(1)),
            instructions: quantity(call.sum) / quantity(call.count.max(1)),
            softirqs: quantity(call.softirqs) / quantity(call.count.max(1)),
        };
        (name.clone(), share)
    };
    counts.calls.iter().map(share).collect()
}
