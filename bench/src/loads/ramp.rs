//! Connections at a rising rate until the server breaks (the thesis's figures 3.5
//! and 5.12).
//!
//! Each rate meets a fresh guest and with it a fresh network namespace, so that
//! nothing of one rate is left for the next. A process of httperf has 1020
//! descriptors (`FD_SETSIZE`), so several share a rate when connections pile up, each
//! from an address of its own ([`sources`]).

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use host::{Interrupted, check_interrupt, failed};
use qemu::Tap;

use super::client::Connection;
use super::httperf::{self, Client, Ports, Said, TIMEOUT};
use super::machine::{self, Link, in_guest};
use super::reference::Reference;
use super::{Progress, Target, fixed, sources};
use crate::Subject;
use crate::data::RampPoint;
use crate::measure::quantity;

/// How many connections a process holds at a time.
const DESCRIPTORS: u32 = 1000;
/// The largest rate over QEMU's user network, which holds but one connection that it
/// has not taken yet (slirp, `tcp_listen`): beyond, its losses are measured.
const USER_RATE: u32 = 100;
/// How often an answer is compared while httperf runs, and how long it may take.
const COMPARED_EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1).saturating_mul(TIMEOUT);
/// The client is late when it takes longer than it may by this factor.
const LATE: f64 = 1.1;

/// The rates of a ramp in connections per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The first.
    pub first: u32,
    /// Above it the multiples of this follow.
    pub step: u32,
    /// Up to here every rate is measured.
    pub last: u32,
    /// Beyond `last` it goes on up to here, until the server breaks.
    pub ceiling: u32,
    /// How long each lasts, in seconds: at least five for one sample.
    pub seconds: u32,
}

impl Default for Rates {
    /// The thesis's, and beyond.
    fn default() -> Self {
        Self { first: 100, step: 100, last: 2000, ceiling: 6000, seconds: 10 }
    }
}

/// What came of a ramp.
#[derive(Debug, Default)]
pub struct Ramp {
    /// What was measured, by rising rate.
    pub points: Vec<RampPoint>,
    /// Why the network allows no larger rate, if it does not.
    pub limit: Option<String>,
    /// Why it is not complete: the guest died, an answer was wrong, or the user
    /// interrupted. What was measured before still holds.
    pub stopped: Option<anyhow::Error>,
}

/// Runs the ramp against a subject, with a fresh guest for each rate.
///
/// # Errors
/// When httperf is missing; everything later is in [`Ramp::stopped`].
pub fn ramp(subject: &Subject, link: &Link, rates: &Rates, progress: Progress) -> Result<Ramp> {
    httperf::check()?;
    let most = match link {
        Link::Tap => u32::MAX,
        Link::User { .. } => USER_RATE,
    };
    Ok(climb(rates, most, progress, |rate, processes| {
        let (mut guest, target) = machine::boot_at_rest(subject, link)?;
        in_guest(&mut guest, &subject.name, |guest| {
            let said = guest.in_its_network(|| {
                let clients = match link {
                    Link::Tap => Clients::of_namespace(&subject.tap, &target, processes),
                    Link::User { .. } => Clients::shared(processes),
                };
                measure(&target, rate, rates.seconds, &clients)
            })??;
            // Of a guest that died httperf tells nothing but timeouts.
            machine::wait_answer(guest, &target, "an answer after the load", machine::BOOT)?;
            Ok(said)
        })
    }))
}

/// Runs the ramp against a server that runs already; nothing is fresh for a rate.
///
/// # Errors
/// As [`ramp`].
pub fn ramp_at(target: &Target, rates: &Rates, progress: Progress) -> Result<Ramp> {
    httperf::check()?;
    Ok(climb(rates, u32::MAX, progress, |rate, processes| {
        measure(target, rate, rates.seconds, &Clients::shared(processes))
    }))
}

/// Calls `measure` with rising rates, and with how many processes share each.
fn climb(
    rates: &Rates,
    most: u32,
    progress: Progress,
    mut measure: impl FnMut(u32, u32) -> Result<Vec<Said>>,
) -> Ramp {
    let mut ramp = Ramp::default();
    let step = rates.step.max(1);
    let total = u64::from((rates.last / step).saturating_sub(rates.first / step)) + 1;
    let mut rate = rates.first.max(1);
    while rate <= rates.ceiling.max(rates.last) {
        if rate > most {
            ramp.limit = Some(beyond(most));
            break;
        }
        match with_enough(rate, &mut measure) {
            Ok(said) => ramp.points.push(point(rate, rates.seconds, &said)),
            Err(error) if error.is::<Interrupted>() => {
                ramp.stopped = Some(error);
                break;
            }
            Err(error) => {
                ramp.stopped = Some(error.context(format!("measuring {rate} connections/s")));
                break;
            }
        }
        let done = ramp.points.len() as u64;
        progress(done, total.max(done));
        let is_over = ramp.points.last().is_some_and(|point| broken(point) || limited(point));
        if rate >= rates.last && is_over {
            break;
        }
        rate = (rate / step).saturating_add(1).saturating_mul(step);
    }
    ramp
}

/// Measures with few processes, as each is a busy loop, and if that is not enough
/// with as many as the connections need which are open when every client waits
/// until it gives up.
fn with_enough(
    rate: u32,
    mut measure: impl FnMut(u32, u32) -> Result<Vec<Said>>,
) -> Result<Vec<Said>> {
    check_interrupt()?;
    let few = rate.div_ceil(DESCRIPTORS);
    let many = rate.saturating_mul(TIMEOUT + 1).div_ceil(DESCRIPTORS);
    let said = measure(rate, few)?;
    let is_enough = said.iter().all(|it| it.no_descriptor + it.table_full == 0);
    if is_enough { Ok(said) } else { measure(rate, many) }
}

fn beyond(most: u32) -> String {
    format!(
        "QEMU's user network loses connections beyond {most}/s, so no larger rate was measured; \
         root gets a tap"
    )
}

/// Whether the server has broken: a tenth of its clients got no answer.
fn broken(point: &RampPoint) -> bool {
    (point.timeouts + point.errors) * 10 > point.connections
}

/// Whether a point says more of the client than of the server.
fn limited(point: &RampPoint) -> bool {
    point.client_limit > 0
}

/// The processes that share a rate.
pub(super) struct Clients<'a> {
    pub(super) ports: Ports,
    /// As whom each runs, if not as we do.
    pub(super) users: Vec<Option<u32>>,
    /// As [`Client::paths`].
    pub(super) paths: Option<&'a Path>,
}

impl Clients<'_> {
    /// Of a server that others reach too.
    pub(super) fn shared(processes: u32) -> Self {
        let users = (0..processes).map(|_| None).collect();
        Self { ports: Ports::Shared, users, paths: None }
    }

    /// In the namespace that this thread is in: several have an address each, where the
    /// host allows that.
    pub(super) fn of_namespace(tap: &Tap, target: &Target, processes: u32) -> Self {
        let mut clients = Self { ports: own_ports(), ..Self::shared(processes) };
        if processes > 1
            && let Ok(users) = sources::set_up(tap, target.address.ip(), processes)
        {
            clients.users = users.into_iter().map(Some).collect();
        }
        clients
    }
}

/// Lets the clients of the namespace that this thread is in use every port, and
/// those in TIME-WAIT again: else some 30 000 connections end a run.
fn own_ports() -> Ports {
    let set = |name: &str, value: &str| fs::write(format!("/proc/sys/net/ipv4/{name}"), value);
    let both = set("ip_local_port_range", "1024 65535").and_then(|()| set("tcp_tw_reuse", "1"));
    // A container may show them read-only.
    if both.is_ok() { Ports::Own } else { Ports::Shared }
}

/// Measures one rate, shared among processes that run at the same time. httperf compares
/// no bytes: those of some answers are compared here, and with every reply the length.
pub(super) fn measure(
    target: &Target,
    rate: u32,
    seconds: u32,
    clients: &Clients,
) -> Result<Vec<Said>> {
    let before = fixed::connect(target, 1, &mut super::unwatched)?;
    ensure!(before.requests == 1, "the server gives no answer: {:?}", before.errors);
    let length = quantity(before.bytes);
    let processes = clients.users.len() as u64;
    let connections = u64::from(rate) * u64::from(seconds.max(1));
    let of = |number: u64| connections * number / processes;
    let client = |number: u64, user| Client {
        rate: f64::from(rate) / quantity(processes),
        connections: of(number + 1) - of(number),
        ports: clients.ports,
        user,
        paths: clients.paths,
    };
    let is_over = AtomicBool::new(false);
    let (said, compared) = thread::scope(|scope| {
        let comparing = scope.spawn(|| compare(target, &is_over));
        let run = |(number, user): (u64, &Option<u32>)| {
            let client = client(number, *user);
            scope.spawn(move || httperf::run(target, &client))
        };
        let running: Vec<_> = (0..).zip(&clients.users).map(run).collect();
        let said = running.into_iter().map(|it| it.join().map_err(|_| anyhow!("it panicked"))?);
        let said = said.collect::<Result<Vec<_>>>().context("running httperf");
        is_over.store(true, Ordering::Relaxed);
        (said, comparing.join().map_err(|_| anyhow!("the comparison panicked")))
    });
    compared??;
    let said = said?;
    check_length(&said, length)?;
    Ok(said)
}

/// Compares answers until the load is over. Those that do not come are httperf's to count.
fn compare(target: &Target, is_over: &AtomicBool) -> Result<()> {
    let expected = target.files.get(&target.page).context("a page that is no file")?;
    let (request, reference) = (target.request(&target.page), Reference::new(expected)?);
    while !is_over.load(Ordering::Relaxed) {
        let mut comparison = reference.compare()?;
        let mut ask = || {
            let mut connection = Connection::open_within(target.address, PATIENCE)?;
            connection.send(&request)?;
            connection.receive(|_, piece| comparison.piece(piece))
        };
        if ask().is_ok() {
            comparison.finish(&target.page)?;
        }
        thread::sleep(COMPARED_EVERY);
    }
    Ok(())
}

/// httperf prints the mean length with one digit behind the point.
fn check_length(said: &[Said], length: f64) -> Result<()> {
    for it in said {
        if it.good > 0 && it.good == it.replies && (it.content - length).abs() > 0.05 {
            let found = it.content;
            return Err(failed(format!(
                "the replies under load have {found} bytes on average, the file has {length}"
            ))
            .hint("a wrong answer is no result: fetch the page with curl and compare")
            .into());
        }
    }
    Ok(())
}

/// What the processes found together.
pub(super) fn point(rate: u32, seconds: u32, said: &[Said]) -> RampPoint {
    let sum = |of: fn(&Said) -> u64| said.iter().map(of).sum::<u64>();
    let add = |of: fn(&Said) -> f64| said.iter().map(of).sum::<f64>();
    let replies = sum(|it| it.replies);
    let mean =
        quantity(replies) / said.iter().map(|it| it.duration).fold(f64::MIN_POSITIVE, f64::max);
    // Samples of several processes are taken at the same time, nearly.
    let sampled = said.iter().all(|it| it.samples > 0);
    let [low, average, high] = if sampled {
        [0, 1, 2].map(|which| said.iter().map(|it| it.reply_rate[which]).sum())
    } else {
        [mean; 3]
    };
    let waited: f64 = said.iter().map(|it| it.reply_time * quantity(it.replies)).sum();
    RampPoint {
        rate,
        connections: sum(|it| it.connections),
        replies,
        reply_rate: (average, low, high),
        reply_time: if replies > 0 { waited / quantity(replies) } else { 0.0 },
        network: add(|it| it.network),
        timeouts: sum(|it| it.client_timeouts),
        errors: sum(|it| it.socket_timeouts + it.refused + it.reset + it.other)
            + sum(|it| it.replies - it.good.min(it.replies)),
        client_limit: sum(|it| it.no_descriptor + it.no_address + it.table_full)
            + said.iter().map(|it| late(it, seconds)).sum::<u64>(),
    }
}

/// Connections that a process opened too late, for want of processor time: it then
/// offered less than the rate.
fn late(said: &Said, seconds: u32) -> u64 {
    let last = if said.client_timeouts > 0 { f64::from(TIMEOUT) } else { said.longest / 1000.0 };
    let may = (f64::from(seconds) + last) * LATE;
    if said.duration <= may {
        return 0;
    }
    let share = 1.0 - may / said.duration;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, from 0 to it"
    )]
    let late = (quantity(said.connections) * share).ceil() as u64;
    late
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(duration: f64) -> Said {
        Said {
            connections: 500,
            replies: 490,
            good: 480,
            duration,
            longest: 100.0,
            reply_rate: [40.0, 50.0, 60.0],
            samples: 2,
            reply_time: 3.0,
            network: 7.0,
            client_timeouts: 4,
            refused: 6,
            ..Said::default()
        }
    }

    fn rates(first: u32, last: u32, ceiling: u32) -> Rates {
        Rates { first, step: 100, last, ceiling, seconds: 5 }
    }

    /// A server that breaks beyond a rate.
    fn broken_beyond(most: u32) -> impl Fn(u32, u32) -> Result<Vec<Said>> {
        move |rate, _| {
            let client_timeouts = if rate > most { 50 } else { 0 };
            Ok(vec![Said { connections: 100, client_timeouts, ..Said::default() }])
        }
    }

    #[test]
    fn more_processes_run_when_descriptors_are_short() {
        let mut asked = Vec::new();
        let said = with_enough(1500, |rate, processes| {
            asked.push((rate, processes));
            Ok(vec![Said { no_descriptor: u64::from(processes == 2), ..Said::default() }])
        });
        assert_eq!(said.unwrap(), [Said::default()]);
        assert_eq!(asked, [(1500, 2), (1500, 8)]);
    }

    fn measured(ramp: &Ramp) -> Vec<u32> {
        ramp.points.iter().map(|point| point.rate).collect()
    }

    #[test]
    fn it_goes_on_until_the_server_breaks() {
        let none = &mut |_, _| {};
        for (breaks, expected) in [(100, 300), (450, 500), (900, 600)] {
            let ramp = climb(&rates(100, 300, 600), 9999, none, broken_beyond(breaks));
            assert_eq!(measured(&ramp), (100..=expected).step_by(100).collect::<Vec<_>>());
            assert!(ramp.stopped.is_none());
        }
    }

    #[test]
    fn above_the_first_rate_are_multiples_of_the_step() {
        let rates = Rates { first: 100, step: 250, last: 800, ceiling: 800, seconds: 5 };
        let mut told = Vec::new();
        let ramp = climb(&rates, 9999, &mut |done, total| told.push((done, total)), |_, _| {
            Ok(vec![Said { connections: 100, ..Said::default() }])
        });
        assert_eq!(measured(&ramp), [100, 250, 500, 750]);
        assert_eq!(told, [(1, 4), (2, 4), (3, 4), (4, 4)]);
    }

    #[test]
    fn what_was_measured_before_an_error_is_kept() {
        let none = &mut |_, _| {};
        let ramp = climb(&rates(100, 900, 900), 9999, none, |rate, _| {
            if rate < 300 { broken_beyond(9999)(rate, 1) } else { Err(failed("it died").into()) }
        });
        assert_eq!(measured(&ramp), [100, 200]);
        let why = format!("{:#}", ramp.stopped.unwrap());
        assert_eq!(why, "measuring 300 connections/s: it died");
        let ramp = climb(&rates(100, 900, 900), 200, none, broken_beyond(9999));
        assert_eq!(measured(&ramp), [100, 200]);
        assert!(ramp.stopped.is_none() && ramp.limit.unwrap().contains("user network"));
    }

    #[test]
    fn replies_of_another_length_are_refused() {
        let right = Said { good: 490, content: 427.0, ..said(10.0) };
        assert!(check_length(std::slice::from_ref(&right), 427.0).is_ok());
        let wrong = Said { content: 426.9, ..right };
        let error = check_length(&[wrong], 427.0).unwrap_err().to_string();
        assert_eq!(error, "the replies under load have 426.9 bytes on average, the file has 427");
    }

    #[test]
    fn processes_add_up() {
        let point = point(100, 10, &[said(10.0), said(14.0)]);
        assert_eq!((point.connections, point.replies, point.timeouts), (1000, 980, 8));
        assert_eq!((point.errors, point.client_limit), (12 + 20, 0));
        assert_eq!(point.reply_rate, (100.0, 80.0, 120.0));
        assert_eq!((point.reply_time, point.network), (3.0, 14.0));
        assert!(!broken(&point));
    }

    #[test]
    fn a_late_client_is_its_own_limit() {
        assert!(limited(&point(100, 10, &[said(10.0), said(16.0)])));
        let quick = Said { client_timeouts: 0, ..said(11.0) };
        assert!(!limited(&point(50, 10, std::slice::from_ref(&quick))));
        assert!(limited(&point(50, 10, &[Said { duration: 11.5, ..quick }])));
    }

    #[test]
    fn without_a_sample_the_mean_stands_for_it() {
        let point = point(50, 4, &[Said { samples: 0, ..said(5.0) }]);
        assert_eq!(point.reply_rate, (98.0, 98.0, 98.0));
    }
}
