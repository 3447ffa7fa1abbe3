//! A run: every subject is measured, part by part; what is there when it ends is
//! reported, whether it came to its end or not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::data::{LAYOUT, Measured, Memory, Phase, Report};
use bench::loads::{self, Link, Rates};
use bench::measure::{self, Load, REQUESTS, weights};
use bench::{Subject, Tools, syscalls};
use host::{Interrupted, check_interrupt};
use qemu::Start;

use super::baseline::Baselines;
use super::environment::{environment, network};
use super::subjects::{self, OWN, REFERENCE};
use super::{PLACE, contract};
use crate::cli::BenchArgs;
use crate::progress::Progress;
use crate::report::{self, say};
use crate::run::{self, Firmware};

/// How long a guest with little memory gets to its first answer.
const POOR: Duration = Duration::from_secs(30);

/// The bench at which every subject is measured.
struct Run<'a> {
    args: &'a BenchArgs,
    tools: Tools,
    link: Link,
    progress: &'a Progress,
    scratch: tempfile::TempDir,
}

/// A part of what is measured of a subject.
type Part = fn(&Run, &Subject, &mut Measured) -> Result<()>;

/// Carries out a run.
///
/// # Errors
/// As [`super::command`].
pub(super) fn command(args: &BenchArgs) -> Result<ExitCode> {
    let progress = Progress::new(false);
    let accelerator = run::accelerator()?;
    if !args.quick {
        loads::check_httperf()?;
    }
    let link = network(&progress);
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
    this.show(&mut report)?;
    // A figure that was not measured is above no limit, and below none.
    ended?;
    contract::judge(args, &report)
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
        if !self.args.quick {
            self.starts(&from, &own, &mut report.subjects[last])?;
        }
        for baseline in subjects::wanted(self.args) {
            check_interrupt()?;
            match subjects::prepare(&from, baseline)? {
                Ok(subject) => {
                    report.subjects.push(begin(&subject));
                    let last = report.subjects.len() - 1;
                    self.subject(&subject, &mut report.subjects[last])?;
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

    /// Measures a subject, the quickest and surest part first. What fails with the
    /// appliance ends the run; of another subject the other parts are measured.
    fn subject(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        let is_own = subject.name == OWN;
        for (name, part) in self.parts() {
            check_interrupt()?;
            match part(self, subject, measured) {
                Err(error) if is_own || error.is::<Interrupted>() => return Err(error),
                Err(error) => {
                    self.progress.notice(&format!("{}: {name}: {error:#}", subject.name));
                    measured.partial.push(format!("{name}: {error:#}"));
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<(&'static str, Part)> {
        let mut parts: Vec<(_, Part)> = vec![
            ("start", |run, subject, it| run.boot(subject, it)),
            ("keep-alive", |run, subject, it| run.load(subject, Load::Keepalive, it)),
            ("connections", |run, subject, it| {
                run.load(subject, Load::Connect, it)?;
                first_answer(it);
                Ok(())
            }),
            ("system calls", |run, subject, it| run.system_calls(subject, it)),
        ];
        if self.args.quick {
            if self.args.contract || self.args.update_contract {
                parts.push(("memory", |run, subject, it| run.memory(subject, it)));
            }
            return parts;
        }
        parts.push(("HTTP/2", |run, subject, it| match subject.is_whole_machine() {
            true => Ok(()),
            false => run.load(subject, Load::Http2, it),
        }));
        parts.push(("crawl", |run, subject, it| run.crawl(subject, it)));
        parts.push(("memory", |run, subject, it| run.memory(subject, it)));
        parts.push(("ramp", |run, subject, it| run.ramp(subject, it)));
        parts
    }

    fn boot(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        let what = format!("{}: start", subject.name);
        let line = self.progress.begin(&what);
        let boot = measure::boot(subject, &self.tools, &self.link)?;
        measured.boot.insert("direct".into(), boot);
        line.done();
        Ok(())
    }

    /// Starts the appliance from its disk, by each firmware.
    fn starts(&self, from: &Baselines, own: &Subject, measured: &mut Measured) -> Result<()> {
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            let name = firmware.name();
            let what = format!("{}: start by {name}", own.name);
            let line = self.progress.begin(&what);
            let boot = from
                .started_by(own, firmware)
                .and_then(|subject| measure::boot(&subject, &self.tools, &self.link));
            match boot {
                Ok(boot) => {
                    measured.boot.insert(name.into(), boot);
                    line.done();
                }
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(error) => {
                    let what = format!("start by {name}: {error:#}");
                    self.progress.notice(&what);
                    measured.partial.push(what);
                }
            }
        }
        first_answer(measured);
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

    fn crawl(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        let what = format!("{}: crawl", subject.name);
        let line = self.progress.begin(&what);
        let crawl = measure::crawl(subject, &self.tools, &self.link, self.scratch.path())?;
        measured.requests.extend(crawl.map(|it| (measure::CRAWL.to_owned(), it.requests)));
        line.done();
        Ok(())
    }

    fn memory(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        let mut smallest = 0;
        // A whole machine starts for a minute, which is too long for a search.
        if !subject.is_whole_machine() {
            let what = format!("{}: smallest memory", subject.name);
            let line = self.progress.begin(&what);
            smallest = measure::smallest(subject, &self.link, POOR)?;
            line.done();
        }
        let memory = measured.memory.insert(Memory { smallest, used: 0 });
        if !self.args.quick {
            let what = format!("{}: memory in use", subject.name);
            let line = self.progress.begin(&what);
            memory.used = measure::used(subject, &self.link)?;
            line.done();
        }
        Ok(())
    }

    fn ramp(&self, subject: &Subject, measured: &mut Measured) -> Result<()> {
        if subject.name == subjects::PRUNED {
            // Its kernel and its server are those of the machine before.
            return Ok(());
        }
        let what = format!("{}: ramp", subject.name);
        let line = self.progress.begin(&what);
        let rates = Rates { step: 250, seconds: 5, ceiling: 4000, ..Rates::default() };
        let rates = match subject.is_whole_machine() {
            // A whole machine starts for a minute before each rate.
            true => Rates { first: 500, step: 500, last: 1000, ..rates },
            false => rates,
        };
        let ramp = loads::ramp(subject, &self.link, &rates, &mut |done, total| {
            line.update(done, (total > 0).then_some(total));
        })?;
        measured.ramp = ramp.points;
        measured.partial.extend(ramp.limit.map(|why| format!("ramp: {why}")));
        ramp.stopped.map_or(Ok(()), Err)?;
        line.done();
        Ok(())
    }

    /// Writes and prints what was measured, if anything was.
    fn show(&self, report: &mut Report) -> Result<()> {
        if report.subjects.is_empty() {
            return Ok(());
        }
        let place = match (&self.args.output, self.args.quick) {
            (Some(place), _) => Some(place.clone()),
            (None, false) => Some(PathBuf::from(PLACE)),
            (None, true) => None,
        };
        if let Some(place) = &place {
            self.keep_stages(report, place);
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
        Ok(())
    }
}

impl Run<'_> {
    /// Takes over the steps of tailoring from the report that was at this place: they
    /// are measured by runs of their own, of which it tells the date and the command.
    fn keep_stages(&self, report: &mut Report, place: &Path) {
        let path = place.join("report.json");
        if !path.exists() {
            return;
        }
        match bench::report::read(&path) {
            Ok(older) => {
                report.stages = older.stages;
                report.schedulers = older.schedulers;
                report.stage_runs = older.stage_runs;
            }
            Err(error) => {
                let what = "the older report is replaced, with the steps of tailoring in it";
                self.progress.notice(&format!("{what}: {error:#}"));
            }
        }
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

/// Adds the first request to every start that lacks it, at the price of any other: when
/// it comes depends on the host, what it costs does not.
fn first_answer(measured: &mut Measured) {
    const NAME: &str = "first answer";
    let Some(load) = measured.requests.get(Load::Connect.name()) else { return };
    let instructions = (load.kernel + load.user).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let instructions = instructions as u64;
    for boot in measured.boot.values_mut().filter(|boot| boot.phases.len() > 1) {
        if boot.phases.iter().any(|phase| phase.name == NAME) {
            continue;
        }
        boot.instructions += instructions;
        boot.phases.push(Phase { name: NAME.into(), instructions, milliseconds: 0.0 });
    }
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
