//! One test: an image, a deadline, a verdict.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use libtest_mimic::{Completion, Failed, Trial};
use qemu::{Guest, Machine};

use crate::image::{self, Image};
use crate::project::Project;

/// How long a test may take unless it says otherwise; what it waits for has
/// shorter deadlines, so this one stops only what should have had one.
const DEADLINE: Duration = Duration::from_secs(300);

/// The error of a test that cannot run on this host.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skipped {}

/// A test of a project's image. The image is built before the deadline counts.
pub(crate) fn trial(
    name: impl Into<String>,
    project: &'static Project,
    body: impl FnOnce(&Image) -> Result<()> + Send + 'static,
) -> Trial {
    trial_within(DEADLINE, name, project, body)
}

/// The same with another deadline.
pub(crate) fn trial_within(
    deadline: Duration,
    name: impl Into<String>,
    project: &'static Project,
    body: impl FnOnce(&Image) -> Result<()> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || {
        let built = image::of(project).map_err(|error| Failed::from(format!("{error:#}")))?;
        match limited(deadline, move || body(built)) {
            Ok(()) => Ok(Completion::Completed),
            Err(error) if error.is::<Skipped>() => {
                eprintln!("{error}");
                Ok(Completion::ignored_with(error))
            }
            Err(error) => Err(Failed::from(format!("{error:#}"))),
        }
    })
}

fn limited(deadline: Duration, body: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let (sender, verdict) = mpsc::channel();
    // A body that hangs is left behind; it ends with the process.
    thread::spawn(move || sender.send(body()));
    match verdict.recv_timeout(deadline) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Timeout) => {
            bail!("the test did not end within {} s", deadline.as_secs())
        }
        Err(RecvTimeoutError::Disconnected) => bail!("the test panicked"),
    }
}

/// Boots a machine and works with it; an error says how to boot it by hand, and
/// what was on the console.
pub(crate) fn with_guest(
    machine: &Machine,
    work: impl FnOnce(&mut Guest) -> Result<()>,
) -> Result<()> {
    let mut guest = machine.boot()?;
    work(&mut guest).map_err(|error| explain(&error, &guest))
}

/// An error with the evidence.
pub(crate) fn explain(error: &anyhow::Error, guest: &Guest) -> anyhow::Error {
    anyhow!("{error:#}\n{}", guest.evidence())
}
