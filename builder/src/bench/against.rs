//! The loads against a server that runs already: another hypervisor, a cloud.

use std::process::ExitCode;

use anyhow::Result;
use bench::data::{LAYOUT, Measured, Report, Requests};
use bench::loads::{self, Crawl, Outcome, Rates, Step, Target};
use host::Interrupted;

use super::environment::environment;
use crate::cli::BenchArgs;
use crate::progress::{Line, Progress};
use crate::report::{self, say};
use crate::run;

/// Requests of each load.
const REQUESTS: u64 = 1000;
/// The most that each of ten walkers asks for, with a second in between.
const CRAWLED: u64 = 20;
/// The rates, of which nothing is fresh: a server that others use is not to be broken.
const RATES: Rates = Rates { first: 100, step: 200, last: 2000, ceiling: 2000, seconds: 5 };

/// Drives the loads and tells what came of them; with a directory given, as a report.
///
/// # Errors
/// Refused when the URL is none of ours; failed when the server does not answer, or
/// not with the same bytes each time. What was measured before is kept.
pub(super) fn command(url: &str, args: &BenchArgs) -> Result<ExitCode> {
    let target = Target::at(url)?;
    loads::check_httperf()?;
    let progress = Progress::new(false);
    let link = loads::network_choice();
    let mut environment = environment(&link, run::accelerator()?.engine)?;
    // The server's, which are not known.
    (environment.accelerator, environment.network) = (String::new(), String::new());
    let mut measured =
        Measured { name: target.host.clone(), title: url.into(), ..Measured::default() };
    let ended = drive(&target, &progress, &mut measured);
    if let Err(error) = &ended {
        measured.partial.push(match error.is::<Interrupted>() {
            true => "the run was interrupted".into(),
            false => format!("{error:#}"),
        });
    }
    if !args.json {
        tell(&measured);
    }
    let report =
        Report { layout: LAYOUT, environment, subjects: vec![measured], ..Report::default() };
    if args.json {
        report::print(&bench::report::json(&report)?);
    }
    if let Some(place) = &args.output {
        bench::report::write(&report, place)?;
        eprintln!("the report is in {}", place.join("index.html").display());
    }
    ended.map(|()| ExitCode::SUCCESS)
}

fn drive(target: &Target, progress: &Progress, measured: &mut Measured) -> Result<()> {
    let mut take = |name: &str, outcome: &Outcome| {
        let requests = Requests {
            requests: outcome.requests,
            per_second: outcome.per_second(),
            ..Requests::default()
        };
        measured.requests.insert(name.into(), requests);
        let errors = outcome.errors.iter();
        measured.partial.extend(errors.map(|(kind, count)| format!("{name}: {count} {kind}")));
    };
    let line = progress.begin("keepalive");
    take("keepalive", &loads::keepalive(target, REQUESTS, 1, &mut show(&line))?);
    line.done();
    let line = progress.begin("connect");
    take("connect", &loads::connect(target, REQUESTS, &mut show(&line))?);
    line.done();
    let line = progress.begin("crawl");
    let how = Crawl { limit: CRAWLED, ..Crawl::default() };
    take("crawl", &loads::crawl(target, &how, &mut |done, _| line.update(done, None))?);
    line.done();
    let line = progress.begin("ramp");
    let ramp = loads::ramp_at(target, &RATES, &mut |done, total| {
        line.update(done, (total > 0).then_some(total));
    })?;
    line.done();
    measured.ramp = ramp.points;
    ramp.stopped.map_or(Ok(()), Err)
}

fn tell(measured: &Measured) {
    for (name, it) in &measured.requests {
        say!("{name}: {} answers, {:.0} a second", it.requests, it.per_second);
    }
    for point in &measured.ramp {
        let (rate, replies) = (point.rate, point.reply_rate.0);
        let lost = point.timeouts + point.errors;
        let limit = if point.client_limit > 0 { "; the limit is the client's" } else { "" };
        say!("ramp: {rate} offered, {replies:.0} answers a second, {lost} lost{limit}");
    }
    measured.partial.iter().for_each(|why| say!("not complete: {why}"));
}

/// Shows on a line how much of a load is done.
fn show<'a>(line: &'a Line) -> impl FnMut(Step) -> Result<()> + 'a {
    |step| {
        if let Step::Done(done) = step {
            line.update(done, Some(REQUESTS));
        }
        Ok(())
    }
}
