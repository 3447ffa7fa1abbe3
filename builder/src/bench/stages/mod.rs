//! `appliance bench --stages`: what each step of tailoring changes. A step has two
//! sides, each of them a plan like any other or a Debian, built through the cache and
//! measured once.

mod groups;
mod schedulers;
mod side;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::data::{Report, Stage, StageRun};
use host::{Interrupted, check_interrupt, failed};

use super::PLACE;
use super::environment::{environment, network};
use super::subjects::REFERENCE;
use crate::cli::{BenchArgs, StageGroup};
use crate::home;
use crate::progress::Progress;
use crate::report::{self, say};
use crate::{run, spec};

use groups::Step;
use side::Bench;

/// Measures the groups and merges them into the report at its place.
///
/// # Errors
/// Refused when the project or an older report is not as it must be; failed when
/// nothing of a group could be measured. What was measured before is kept.
pub(super) fn command(groups: &[StageGroup], args: &BenchArgs) -> Result<ExitCode> {
    let progress = Progress::new(false);
    let accelerator = run::accelerator()?;
    let project = args.project.clone().unwrap_or_else(|| home::repository().join("examples/hello"));
    let project = spec::load(&project)?;
    let place = args.output.clone().unwrap_or_else(|| PathBuf::from(PLACE));
    let mut report = older(&place)?;
    let link = network(&progress);
    let environment = environment(&link, accelerator.engine)?;
    let bench = Bench::new(project, super::tools(&progress)?, link, &progress)?;
    let mut ended = Ok(());
    for group in chosen(groups) {
        let mut run = StageRun { environment: environment.clone(), ..StageRun::default() };
        let measured = measure(&bench, group, &mut run, &mut report);
        let is_interrupted = measured.as_ref().is_err_and(|error| error.is::<Interrupted>());
        if let Err(error) = &measured {
            run.partial.push(match is_interrupted {
                true => "the run was interrupted".into(),
                false => format!("{error:#}"),
            });
        }
        run.kernel = bench.release();
        report.stage_runs.insert(groups::name(group).into(), run);
        bench::report::write(&report, &place)?;
        ended = ended.and(measured);
        if is_interrupted {
            break;
        }
    }
    if args.json {
        report::print(&bench::report::json(&report)?);
    }
    eprintln!("the report is in {}", place.join("index.html").display());
    ended.map(|()| ExitCode::SUCCESS)
}

/// The report that is there already, or an empty one.
fn older(place: &std::path::Path) -> Result<Report> {
    let path = place.join("report.json");
    if !path.exists() {
        let layout = bench::data::LAYOUT;
        return Ok(Report { layout, reference: REFERENCE.into(), ..Report::default() });
    }
    bench::report::read(&path).context("the steps are added to an older report")
}

/// The groups that were asked for, each once; all if none was named.
fn chosen(groups: &[StageGroup]) -> Vec<StageGroup> {
    use clap::ValueEnum;
    let all = StageGroup::value_variants();
    let wanted = |group: &&StageGroup| groups.is_empty() || groups.contains(group);
    all.iter().filter(wanted).copied().collect()
}

/// Measures a group; what could be measured is in the report, however it ends.
fn measure(
    bench: &Bench,
    group: StageGroup,
    run: &mut StageRun,
    report: &mut Report,
) -> Result<()> {
    if group == StageGroup::Schedulers {
        return schedulers::measure(bench, run, report);
    }
    let name = groups::name(group);
    let mut measured = Vec::new();
    let ended = groups::steps(group).iter().try_for_each(|step| {
        check_interrupt()?;
        match stage(bench, name, step) {
            Ok(stage) => {
                tell(&stage);
                measured.push(stage);
            }
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                let what = format!("{}: {error:#}", step.name);
                bench.progress.notice(&what);
                run.partial.push(what);
            }
        }
        Ok(())
    });
    if measured.is_empty() && ended.is_ok() {
        let why = run.partial.pop().unwrap_or_else(|| "there is none".into());
        return Err(
            failed(format!("no step of {name} could be measured; the last one: {why}")).into()
        );
    }
    merge(report, name, measured, ended.is_ok());
    ended
}

fn stage(bench: &Bench, group: &str, step: &Step) -> Result<Stage> {
    let before = bench.cost(&step.before)?;
    let after = bench.cost(&step.after)?;
    Ok(Stage {
        name: step.name.clone(),
        title: step.title.clone(),
        group: group.into(),
        cumulative: step.cumulative,
        before,
        after,
    })
}

/// Puts the stages of a group in the place of older ones: of all if the group is
/// complete, else of those that were measured again.
fn merge(report: &mut Report, group: &str, stages: Vec<Stage>, is_complete: bool) {
    report.stages.retain(|old| {
        let is_new = is_complete || stages.iter().any(|new| new.name == old.name);
        old.group != group || !is_new
    });
    report.stages.extend(stages);
}

/// One line for what came out.
fn tell(stage: &Stage) {
    let change = |before: f64, after: f64| match before > 0.0 && after > 0.0 {
        true => format!("{before:.0} -> {after:.0} ({:+.1} %)", 100.0 * (after / before - 1.0)),
        false => "not counted".into(),
    };
    let of = |load: &str| {
        let side = |cost: &bench::data::Cost| cost.kernel.get(load).copied().unwrap_or_default();
        change(side(&stage.before), side(&stage.after))
    };
    let total = change(stage.before.total, stage.after.total);
    let (keepalive, connect) = (of("keepalive"), of("connect"));
    let name = &stage.name;
    say!("{name}: nine calls {total}, keep-alive {keepalive}, connection {connect}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(names: &[&str], group: &str) -> Vec<Stage> {
        let stage =
            |name: &&str| Stage { name: (*name).into(), group: group.into(), ..Stage::default() };
        names.iter().map(stage).collect()
    }

    fn names(report: &Report) -> Vec<&str> {
        report.stages.iter().map(|stage| stage.name.as_str()).collect()
    }

    #[test]
    fn a_group_takes_the_place_of_the_older_one() {
        let mut report = Report::default();
        merge(&mut report, "flags", stages(&["O3", "Os"], "flags"), true);
        merge(&mut report, "devices", stages(&["virtio"], "devices"), true);
        // Interrupted behind the first: the second one is still the older.
        merge(&mut report, "flags", stages(&["O3"], "flags"), false);
        assert_eq!(names(&report), ["Os", "virtio", "O3"]);
        merge(&mut report, "flags", stages(&["O3"], "flags"), true);
        assert_eq!(names(&report), ["virtio", "O3"]);
    }

    #[test]
    fn all_groups_or_those_that_were_named() {
        assert_eq!(chosen(&[]).len(), 7);
        let named = [StageGroup::Flags, StageGroup::Packages, StageGroup::Flags];
        assert_eq!(chosen(&named), [StageGroup::Packages, StageGroup::Flags]);
    }
}
