//! The guest that is loaded, and the network on which it is reached.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use host::{check_interrupt, failed};
use qemu::{Ended, Guest, Network, Tap, WaitError};

use super::client::Connection;
use super::{Target, fixed};
use crate::Subject;

/// How long a guest may take to an answer, on a busy host without KVM.
pub(super) const BOOT: Duration = Duration::from_secs(180);
/// The same for a whole machine, which starts its services before it answers.
const MACHINE_BOOT: Duration = Duration::from_secs(900);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(50);
/// How long the services of a whole machine may take to start, on a busy host.
const SETTLING: Duration = Duration::from_secs(600);
/// A guest is at rest when QEMU works for less than this part of so many spans of
/// time, one after the other. An idle Debian takes 2 to 3 per cent under emulation; one
/// that starts services takes whatever the host gives it.
const REST: f64 = 0.06;
const SPAN: Duration = Duration::from_secs(1);
const SPANS: u32 = 3;
/// How long a guest whose load failed gets to end, if it is about to.
const DYING: Duration = Duration::from_secs(3);
/// How many lines of a console go into a message.
const SHOWN_LINES: usize = 15;

/// How a guest is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A tap in a network namespace of its own.
    Tap,
    /// QEMU's user network.
    User {
        /// Why it is not a tap.
        why: String,
    },
}

impl Link {
    /// `tap` or `user`, as a report has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::User { .. } => "user",
        }
    }
}

/// The best network that this host allows.
pub fn network_choice() -> Link {
    match Tap::check() {
        Ok(()) => Link::Tap,
        Err(error) => {
            let why = format!("{error:#}");
            Link::User { why: why.lines().collect::<Vec<_>>().join(" ") }
        }
    }
}

/// Boots a subject and waits for its first right answer. Its word on the console is
/// not waited for, as not every baseline gives one.
///
/// # Errors
/// When it ends or does not answer in time, with what its console says; when its
/// first answer is wrong; when the user interrupts.
pub fn boot(subject: &Subject, link: &Link) -> Result<(Guest, Target)> {
    boot_within(subject, link, if subject.is_whole_machine() { MACHINE_BOOT } else { BOOT })
}

/// The same, where the first answer has to come in time.
///
/// # Errors
/// As [`boot`].
pub fn boot_within(subject: &Subject, link: &Link, deadline: Duration) -> Result<(Guest, Target)> {
    let mut machine = subject.machine.clone();
    if *link == Link::Tap {
        machine.network = Network::Tap(subject.tap.clone());
    }
    let mut guest = machine.boot()?;
    let target = Target::of(subject, &guest)?;
    in_guest(&mut guest, &subject.name, |guest| {
        wait_answer(guest, &target, "its first answer", deadline)
    })?;
    Ok((guest, target))
}

/// Boots a subject on QEMU's own network, on which nobody says a word unasked, and asks
/// it nothing before `is_ready` says so: what a start costs depends on nobody else.
///
/// # Errors
/// As [`boot`], and those of `is_ready`.
pub fn boot_undisturbed(
    subject: &Subject,
    mut is_ready: impl FnMut() -> Result<bool>,
) -> Result<Guest> {
    let mut guest = subject.machine.boot()?;
    let target = Target::of(subject, &guest)?;
    in_guest(&mut guest, &subject.name, |guest| {
        let start = Instant::now();
        while !is_ready()? {
            look_after(guest, "its server waits for requests", start, BOOT)?;
        }
        wait_answer(guest, &target, "its first answer", BOOT)
    })?;
    Ok(guest)
}

/// The same; of a whole machine, whose services go on starting behind its first answer,
/// it also waits until it is at rest: what it does of its own would count as a request's.
///
/// # Errors
/// As [`boot`]; also when it does not come to rest.
pub fn boot_at_rest(subject: &Subject, link: &Link) -> Result<(Guest, Target)> {
    let (mut guest, target) = boot(subject, link)?;
    if subject.is_whole_machine() {
        in_guest(&mut guest, &subject.name, settle)?;
    }
    Ok((guest, target))
}

/// Waits until QEMU has next to nothing to do.
fn settle(guest: &mut Guest) -> Result<()> {
    let start = Instant::now();
    let mut quiet = 0;
    while quiet < SPANS {
        let (begin, before) = (Instant::now(), guest.processor_time()?);
        if let Some(how) = within(guest, SPAN)? {
            return Err(WaitError::Died { what: "it came to rest".into(), how }.into());
        }
        let worked = guest.processor_time()?.saturating_sub(before);
        let is_quiet = worked.as_secs_f64() < REST * begin.elapsed().as_secs_f64();
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if start.elapsed() > SETTLING {
            let what = "the rest of a guest that starts its services".into();
            return Err(WaitError::Late { what, deadline: SETTLING }.into());
        }
    }
    Ok(())
}

/// Waits until a guest gives an answer, and the right one; `what` names it.
pub(super) fn wait_answer(
    guest: &mut Guest,
    target: &Target,
    what: &str,
    deadline: Duration,
) -> Result<()> {
    let start = Instant::now();
    while !guest.in_its_network(|| answers(target))? {
        look_after(guest, what, start, deadline)?;
    }
    guest.in_its_network(|| fixed::connect(target, 1, &mut super::unwatched))??;
    Ok(())
}

/// Sees that a guest is alive and in time, and waits a moment.
fn look_after(guest: &mut Guest, what: &str, start: Instant, deadline: Duration) -> Result<()> {
    check_interrupt()?;
    if let Some(how) = within(guest, Duration::ZERO)? {
        return Err(WaitError::Died { what: what.into(), how }.into());
    }
    if start.elapsed() > deadline {
        return Err(WaitError::Late { what: what.into(), deadline }.into());
    }
    thread::sleep(POLL);
    Ok(())
}

/// Whether there is any answer, be it a wrong one.
fn answers(target: &Target) -> bool {
    let ask = || {
        let mut connection = Connection::open_within(target.address, 10 * POLL)?;
        connection.send(&target.request(&target.page))?;
        connection.receive(|_, _| Ok(()))
    };
    ask().is_ok()
}

/// How the guest ended, if it does within a time.
fn within(guest: &mut Guest, deadline: Duration) -> Result<Option<Ended>> {
    match guest.wait_shutdown(deadline) {
        Ok(how) => Ok(Some(how)),
        Err(error) if error.is::<WaitError>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Does something with a guest; its error then says how the guest ended, if it has,
/// and what its console says.
///
/// # Errors
/// Those of `f`.
pub fn in_guest<T>(
    guest: &mut Guest,
    name: &str,
    f: impl FnOnce(&mut Guest) -> Result<T>,
) -> Result<T> {
    f(guest).or_else(|error| {
        check_interrupt()?;
        let state = match within(guest, DYING)? {
            Some(how) => format!("the guest `{name}` has ended: {how}"),
            None => format!("the guest `{name}` still runs"),
        };
        let console = guest.console();
        let lines: Vec<&str> = console.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n    ");
        let last = if last.is_empty() { "(nothing)" } else { &last };
        let hint = error.downcast_ref::<host::Problem>().and_then(|problem| problem.hint.clone());
        let what = format!("{error:#}\n{state}; the last lines of its console:\n    {last}");
        let problem = failed(what);
        Err(hint.into_iter().fold(problem, host::Problem::hint)).context("loading a guest")
    })
}
