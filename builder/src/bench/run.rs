//! A run: every subject is measured, part by part; what is there when it ends is
//! reported, whether it came to its end or not.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use bench::data::{Environment, LAYOUT, Measured, Phase, Report};
use bench::loads::{self, Link, Rates};
use bench::measure::{self, Load, weights};
use bench::{Subject, Tools, syscalls};
use host::{Interrupted, check_interrupt};
use qemu::{Engine, Start};

use super::baseline::Baselines;
use super::contract;
use super::subjects::{self, REFERENCE};
use crate::cli::BenchArgs;
use crate::progress::Progress;
use crate::report::{self, say};
use crate::run;

/// Requests of a load that is counted.
const REQUESTS: u64 = 1000;
/// How long a guest with little memory gets to its first answer.
const POOR: Duration = Duration::from_secs(30);
/// Where the report goes if nothing is said.
const PLACE: &str = "build/report";

/// The bench at which every subject is measured.
struct Run<'a> {
    args: &'a BenchArgs,
    tools: Tools,
    link: Link,
    progress: &'a Progress,
    scratch: tempfile::TempDir,
}

/// Carries out a run.
///
/// # Errors
/// As [`super::command`].
pub(super) fn command(args: &BenchArgs) -> Result<ExitCode> {
    let progress = Progress::new(false);
    let accelerator = run::accelerator()?;
    let link = loads::network_choice();
    if let Link::User { why } = &link {
        progress.notice(&format!("the network is QEMU's own, since there is no tap: {why}"));
    }
    let this = Run {
        args,
        tools: super::tools(&progress)?,
        link,
        progress: &progress,
        scratch: tempfile::tempdir().context("making a directory")?,
    };
    let mut report = Report {
        layout: LAYOUT,
        environment: environment(&this.link, accelerator.engine)?,
        reference: REFERENCE.to_owned(),
        ..Report::default()
    };
    let ended = this.measure(&mut report);
    if let Err(error) = &ended {
        report.partial.push(match error.is::<Interrupted>() {
            true => "the run was interrupted".into(),
            false => format!("{error:#}"),
        });
    }
    let status = this.finish(&report)?;
    ended.map(|()| status)
}

impl Run<'_> {
    /// Measures every subject, the appliance first: what it cannot do ends the run.
    fn measure(&self, report: &mut Report) -> Result<()> {
        let out = &self.args.out.path;
        let only_cached = self.args.quick && self.args.baseline.is_none();
        let from = Baselines::new(out, &self.tools.load_modules, only_cached, self.progress)?;
        let own = from.appliance()?;
        report.subjects.push(begin(&own));
        let last = report.subjects.len() - 1;
        self.subject(&own, &mut report.subjects[last])?;
        for baseline in subjects::wanted(self.args) {
            check_interrupt()?;
            match subjects::prepare(&from, baseline)? {
                Ok(subject) => {
                    let mut measured = begin(&subject);
                    let ended = self.subject(&subject, &mut measured);
                    if let Err(error) = &ended
                        && !error.is::<Interrupted>()
                    {
                        measured.partial.push(format!("{error:#}"));
                    }
                    report.subjects.push(measured);
                    ended.or_else(
                        |error| if error.is::<Interrupted>() { Err(error) } else { Ok(()) },
                    )?;
                }
                Err(why) => {
                    let what = format!("{} was not compared: {why}", subjects::name(baseline));
                    self.progress.notice(&what);
                    report.partial.push(what);
                }
            }
        }
        share_weights(report);
        Ok(())
    }

    /// Measures a subject, the quickest and surest first.
    fn subject(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        self.boot(subject, measured)?;
        for load in [Load::Keepalive, Load::Connect] {
            self.load(subject, load, measured)?;
        }
        first_answer(measured);
        self.system_calls(subject, measured)?;
        if self.args.quick {
            if self.args.contract || self.args.update_contract {
                self.memory(subject, measured)?;
            }
            return Ok(());
        }
        self.load(subject, Load::Http2, measured)?;
        self.memory(subject, measured)?;
        self.ramp(subject, measured)
    }

    fn boot(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        let what = format!("{}: start", subject.name);
        let line = self.progress.begin(&what);
        let boot = measure::boot(subject, &self.tools, &self.link)?;
        measured.boot.insert("direct".into(), boot);
        line.done();
        Ok(())
    }

    fn load(&self, subject: &Subject, load: Load, measured: &mut Measured) -> Result<()> {
        let what = format!("{}: {} requests by {}", subject.name, REQUESTS, load.name());
        let line = self.progress.begin(&what);
        let counted = measure::requests(subject, &self.tools, &self.link, load, REQUESTS)?;
        measured.requests.insert(load.name().into(), counted.requests);
        line.done();
        Ok(())
    }

    fn system_calls(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        if subject.is_whole_machine() {
            // Its kernel is the stock kernel's.
            return Ok(());
        }
        let what = format!("{}: system calls", subject.name);
        let line = self.progress.begin(&what);
        let weights = measured.requests.get(Load::Connect.name()).map(weights).unwrap_or_default();
        let costs = syscalls::measure(subject, &self.tools, &weights, self.scratch.path())?;
        measured.partial.extend(costs.refused);
        measured.syscalls = Some(costs.syscalls);
        line.done();
        Ok(())
    }

    fn memory(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        if subject.is_whole_machine() {
            // It starts for a minute with all the memory that it wants.
            return Ok(());
        }
        let what = format!("{}: smallest memory", subject.name);
        let line = self.progress.begin(&what);
        let smallest = measure::smallest(subject, &self.link, POOR)?;
        measured.memory = Some(bench::data::Memory { smallest, used: 0 });
        line.done();
        Ok(())
    }

    fn ramp(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        let what = format!("{}: ramp", subject.name);
        let line = self.progress.begin(&what);
        let rates = Rates { step: 200, seconds: 5, ceiling: 4000, ..Rates::default() };
        let ramp = loads::ramp(subject, &self.link, &rates, &mut |done, total| {
            line.update(done, (total > 0).then_some(total));
        })?;
        measured.ramp = ramp.points;
        line.done();
        match ramp.stopped {
            Some(error) if error.is::<Interrupted>() => Err(error),
            Some(error) => {
                measured.partial.push(format!("ramp: {error:#}"));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Writes and prints what was measured, and compares it with the contract.
    fn finish(&self, report: &Report) -> Result<ExitCode> {
        if report.subjects.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
        let place = match (&self.args.output, self.args.quick) {
            (Some(place), _) => Some(place.clone()),
            (None, false) => Some(PathBuf::from(PLACE)),
            (None, true) => None,
        };
        if let Some(place) = &place {
            bench::report::write(report, place)?;
        }
        match (self.args.json, self.args.quick) {
            (true, true) => {
                say!("{}", serde_json::to_string_pretty(&bench::report::quick::object(report))?);
            }
            (true, false) => report::print(&bench::report::json(report)?),
            (false, _) => report::print(&bench::report::markdown(report)),
        }
        if let Some(place) = &place {
            eprintln!("the report is in {}", place.join("index.html").display());
        }
        contract::judge(self.args, report)
    }
}

fn begin(subject: &Subject) -> Measured {
    let command_line = match &subject.machine.start {
        Start::Kernel(kernel) => kernel.command_line.clone(),
        _ => String::new(),
    };
    Measured {
        name: subject.name.clone(),
        title: subject.title.clone(),
        kernel: subject.kernel.clone(),
        command_line,
        sizes: subject.sizes.clone(),
        figures: subject.figures.clone(),
        ..Measured::default()
    }
}

/// Adds the first request to the start, at the price of any other: when it comes
/// depends on the host, what it costs does not.
fn first_answer(measured: &mut Measured) {
    let Some(load) = measured.requests.get(Load::Connect.name()) else { return };
    let Some(boot) = measured.boot.get_mut("direct").filter(|boot| boot.phases.len() > 1) else {
        return;
    };
    let instructions = (load.kernel + load.user).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let instructions = instructions as u64;
    boot.instructions += instructions;
    let name = "first answer".into();
    boot.phases.push(Phase { name, instructions, milliseconds: 0.0 });
}

/// Weighs every subject's calls as the server makes them on the reference: the same
/// weights for every kernel that is compared.
fn share_weights(report: &mut Report) {
    let load = Load::Connect.name();
    let reference = report.baseline().and_then(|it| it.requests.get(load)).map(weights);
    let Some(weights) = reference else { return };
    for subject in &mut report.subjects {
        if let Some(calls) = &mut subject.syscalls {
            syscalls::weigh(calls, &weights);
        }
    }
}

fn environment(link: &Link, engine: Engine) -> Result<Environment> {
    let version = host::Command::new("qemu-system-x86_64").arg("--version").output()?;
    let version = String::from_utf8_lossy(&version);
    let version = version.lines().next().unwrap_or_default();
    let words: Vec<String> = std::env::args().skip(1).collect();
    Ok(Environment {
        appliance: env!("CARGO_PKG_VERSION").into(),
        command: format!("./appliance {}", words.join(" ")),
        date: date(),
        qemu: version.trim_start_matches("QEMU emulator version ").into(),
        accelerator: if engine == Engine::Kvm { "kvm" } else { "tcg" }.into(),
        network: link.name().into(),
        processors: std::thread::available_parallelism()
            .ok()
            .and_then(|count| u32::try_from(count.get()).ok())
            .unwrap_or(1),
    })
}

/// Today by UTC, as `2026-01-31`.
fn date() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let (mut year, mut days) = (1970, since.as_secs() / 86400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}
