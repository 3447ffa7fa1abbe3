//! A load with a fixed number of requests, counted.
//!
//! Each request is counted from rest to rest: the client waits at each step until the
//! guest idles, so that every packet finds it idle, and what the guest sends leaves when
//! it idles again. The clock is one of instructions. Then a request costs the same on
//! any host, up to what comes around seldom, such as a page of memory that is to be had
//! anew, and what a clock that ticks in between does: the mean of the cheaper half of
//! the requests is taken, without the cheapest of them.

use anyhow::{Context, Result};
use host::failed;
use qemu::Clock;

use crate::counts::{CallCounts, Counter, Counts};
use crate::data::{CallShare, Requests};
use crate::loads::{self, Link, Outcome, Step, Target, Watch, in_guest, unwatched};
use crate::{Subject, Tools};

use super::{SHIFT, quantity};

/// How many requests are made for what one costs. The server ends a connection after
/// 1000.
pub const REQUESTS: u64 = 300;
/// Requests before counting begins: caches fill, and what is done once is done.
const WARM_UP: u64 = 100;
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

    fn run(self, target: &Target, requests: u64, watch: Watch) -> Result<Outcome> {
        let outcome = match self {
            Self::Keepalive => loads::keepalive(target, requests, 1, watch),
            Self::Connect => loads::connect(target, requests, watch),
            Self::Http2 => loads::http2(target, requests, watch),
        };
        complete(outcome?)
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

/// Makes so many requests of a server.
type Make<'a> = &'a (dyn Fn(&Target, u64, Watch) -> Result<Outcome> + Sync);

/// Boots a subject, warms it up, and counts what one of so many requests costs.
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
    let make: Make = &|target, requests, watch| load.run(target, requests, watch);
    counted(subject, tools, link, make, (WARM_UP, count))
}

/// The same for pages of the subject's site, asked for one after the other over a
/// connection that stays open. They differ, so what a request costs is the mean of all.
///
/// # Errors
/// As [`requests`]; also when there is no page or one is none of the site's.
pub fn pages(subject: &Subject, tools: &Tools, link: &Link, pages: &[String]) -> Result<Counted> {
    let make: Make =
        &|target, requests, watch| complete(loads::in_turn(target, pages, requests, 1, watch)?);
    let round = pages.len().max(1) as u64;
    let whole_rounds = |requests: u64| requests.div_ceil(round) * round;
    let number = (whole_rounds(WARM_UP), whole_rounds(REQUESTS));
    let Counted { requests, counts } = counted(subject, tools, link, make, number)?;
    let requests = match &counts {
        Some(counts) => per_request(counts, requests.requests, requests),
        None => requests,
    };
    Ok(Counted { requests, counts })
}

/// Makes requests to warm a subject up, and those that count.
fn counted(
    subject: &Subject,
    tools: &Tools,
    link: &Link,
    make: Make,
    (warm_up, count): (u64, u64),
) -> Result<Counted> {
    let mut subject = subject.clone();
    let mut counter = super::count(&mut subject, tools)?;
    if counter.is_some() && !subject.is_whole_machine() {
        subject.machine.clock = Clock::Instructions(SHIFT);
    }
    let (mut guest, target) = loads::boot_at_rest(&subject, link)?;
    in_guest(&mut guest, &subject.name, |guest| {
        let warm_up = guest.in_its_network(|| make(&target, warm_up, &mut unwatched))??;
        let Some(counter) = &mut counter else {
            let outcome = guest.in_its_network(|| make(&target, count, &mut unwatched))??;
            return Ok(Counted { requests: speed(&outcome), counts: None });
        };
        guest.in_its_network(|| with_laps(make, &target, count, counter))??;
        let laps = counter.usual_laps()?;
        // The speed is that of a load without rests.
        let requests = Requests { requests: count, ..speed(&warm_up) };
        let requests = per_request(&laps, laps.laps, requests);
        Ok(Counted { requests, counts: Some(counter.read()?) })
    })
}

/// Makes requests with a rest at each step and a lap for each of them.
fn with_laps(make: Make, target: &Target, requests: u64, counter: &mut Counter) -> Result<()> {
    counter.rest()?;
    counter.start()?;
    let mut over = 0;
    let made = make(target, requests, &mut |step| {
        counter.rest()?;
        if let Step::Done(done) = step {
            counter.lap()?;
            over = done;
        }
        Ok(())
    });
    made.with_context(|| format!("after {over} of {requests} requests"))?;
    counter.stop()
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

/// What is known of a load that was not counted.
pub(super) fn speed(outcome: &Outcome) -> Requests {
    Requests { requests: outcome.requests, per_second: outcome.per_second(), ..Requests::default() }
}

/// Adds the counts of so many requests to what is known of a load, per request.
pub(super) fn per_request(counts: &Counts, requests: u64, known: Requests) -> Requests {
    let each = |count: u64| quantity(count) / quantity(requests.max(1));
    let functions = counts.functions.iter();
    let mut functions: Vec<(String, f64)> =
        functions.map(|(name, count)| (name.clone(), each(*count))).collect();
    functions.sort_by(|one, other| other.1.total_cmp(&one.1));
    functions.truncate(FUNCTIONS);
    let share = |(name, call): (&String, &CallCounts)| {
        let per_call = |sum: u64| quantity(sum) / quantity(call.count.max(1));
        let share = CallShare {
            count: each(call.count),
            instructions: per_call(call.sum),
            softirqs: per_call(call.softirqs),
        };
        (name.clone(), share)
    };
    Requests {
        kernel: each(counts.of_requests()),
        interrupts: each(counts.interrupts + counts.softirqs),
        user: each(counts.user),
        exits: each(counts.exits()),
        rep_bytes: each(counts.rep_bytes),
        calls: counts.calls.iter().map(share).collect(),
        functions,
        ..known
    }
}
