//! `appliance bench` and `appliance profile`: what is measured of which subjects,
//! and where the results go. How it is measured is the business of the crate
//! `bench`.

mod against;
pub mod baseline;
mod contract;
mod environment;
mod profile;
mod run;
mod stages;
mod subjects;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use bench::Tools;

use crate::build::program::{GUEST, PLUGIN};
use crate::cache::Cache;
use crate::cli::BenchArgs;
use crate::home;
use crate::progress::Progress;
use crate::report;

pub use profile::command as profile;

/// Where the report goes if nothing is said.
const PLACE: &str = "build/report";

/// Carries out `appliance bench`.
///
/// # Errors
/// Refused when what is to be measured is not there; failed when the appliance does
/// not come up or gives wrong answers. What was measured before is kept.
pub fn command(args: &BenchArgs) -> Result<ExitCode> {
    if let Some(file) = &args.from {
        return again(file, args);
    }
    match (&args.against, &args.stages) {
        (Some(url), _) => against::command(url, args),
        (None, Some(groups)) => stages::command(groups, args),
        (None, None) => run::command(args),
    }
}

/// Makes a report again from its figures.
fn again(file: &Path, args: &BenchArgs) -> Result<ExitCode> {
    let report = bench::report::read(file)?;
    let place = args.output.clone().unwrap_or_else(|| PathBuf::from(PLACE));
    bench::report::write(&report, &place)?;
    if args.json {
        report::print(&bench::report::json(&report)?);
    }
    eprintln!("the report is in {}", place.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the programs that a measurement needs, unless the cache has them.
fn tools(progress: &Progress) -> Result<Tools> {
    let cache = Cache::new(home::cache());
    let _shared = cache.share(progress)?;
    let guest = GUEST.build(&cache, progress)?;
    Ok(Tools {
        plugin: PLUGIN.build(&cache, progress)?.join(PLUGIN.results[0]),
        syscalls: guest.join("syscalls"),
        load_modules: guest.join("load-modules"),
        choose_scheduler: guest.join("choose-scheduler"),
    })
}
