//! The loads against a server that runs already: another hypervisor, a cloud.

use std::process::ExitCode;

use anyhow::Result;
use bench::loads::{self, Outcome, Rates, Target};
use serde_json::json;

use crate::cli::BenchArgs;
use crate::progress::Progress;
use crate::report::say;

/// Requests of each load.
const REQUESTS: u64 = 1000;

/// Drives the loads and prints what came of them.
///
/// # Errors
/// Refused when the URL is none of ours; failed when the server does not answer, or
/// not with the same bytes each time.
pub(super) fn command(url: &str, args: &BenchArgs) -> Result<ExitCode> {
    let target = Target::at(url)?;
    let progress = Progress::new(false);
    let mut results = serde_json::Map::new();
    let mut tell = |name: &str, outcome: &Outcome| {
        let (requests, failed) = (outcome.requests, outcome.failed());
        if !args.json {
            let rate = outcome.per_second();
            say!("{name}: {requests} answers, {failed} failures, {rate:.0} a second");
        }
        let result = json!({
            "requests": requests,
            "errors": outcome.errors,
            "per_second": outcome.per_second(),
            "bytes": outcome.bytes,
        });
        results.insert(name.into(), result);
    };
    let line = progress.begin("keepalive");
    let show = &mut |done, total| line.update(done, Some(total));
    tell("keepalive", &loads::keepalive(&target, REQUESTS, 1, show)?);
    line.done();
    let line = progress.begin("connect");
    let show = &mut |done, total| line.update(done, Some(total));
    tell("connect", &loads::connect(&target, REQUESTS, show)?);
    line.done();
    let line = progress.begin("ramp");
    let rates = Rates { step: 200, seconds: 5, ..Rates::default() };
    let ramp = loads::ramp_at(&target, &rates, &mut |done, total| {
        line.update(done, (total > 0).then_some(total));
    })?;
    line.done();
    for point in ramp.points.iter().filter(|_| !args.json) {
        let (rate, replies) = (point.rate, point.reply_rate.0);
        let lost = point.timeouts + point.errors;
        say!("ramp: {rate} offered, {replies:.0} answers a second, {lost} lost");
    }
    results.insert("ramp".into(), json!(ramp.points));
    if args.json {
        say!("{}", serde_json::to_string_pretty(&results)?);
    }
    ramp.stopped.map_or(Ok(ExitCode::SUCCESS), Err)
}
