//! I/O schedulers: one kernel that has all of them, a site larger than memory, and a
//! disk that QEMU slows down.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench::Subject;
use bench::data::{Report, Scheduler, StageRun};
use bench::loads;
use host::{Interrupted, check_interrupt};
use initramfs::Tree;
use kernel::{Requested, Value};
use qemu::{Start, Throttle};

use super::side::{Bench, Kernel};
use crate::spec::StorageKind;

/// The schedulers by the names that the kernel knows them by.
const SCHEDULERS: [&str; 4] = ["none", "mq-deadline", "kyber", "bfq"];
/// The options that build those that are any.
const OPTIONS: [&str; 3] = ["MQ_IOSCHED_DEADLINE", "MQ_IOSCHED_KYBER", "IOSCHED_BFQ"];
/// A disk of the thesis's time: a hundred operations a second.
const SLOW: Throttle = Throttle { operations: 100, bytes: 100_000_000 };
/// Connections per second: below what the disk can do, and above, where they queue up for
/// as long as the load lasts; with the last one some wait until they give up.
const RATES: [u32; 5] = [50, 90, 105, 115, 150];

/// Measures every scheduler; what could be measured is in the report, however it ends.
pub(super) fn measure(bench: &Bench, run: &mut StageRun, report: &mut Report) -> Result<()> {
    loads::check_httperf()?;
    let out = build(bench)?;
    let from = bench.baselines(&out)?;
    let mut subject = from.appliance()?;
    if let Some(disk) = &mut subject.machine.disk {
        disk.throttle = Some(SLOW);
    }
    let mut measured = Vec::new();
    let ended = SCHEDULERS.into_iter().try_for_each(|name| {
        check_interrupt()?;
        let what = format!("{name}: waits for a slow disk");
        let line = bench.progress.begin(&what);
        let subject = with_scheduler(bench, &subject, &out, name)?;
        let waits = loads::waits(&subject, &bench.link, &RATES, &mut |done, total| {
            line.update(done, Some(total));
        })?;
        line.done();
        measured.push(Scheduler { name: name.into(), waits: waits.points });
        match waits.stopped {
            Some(error) if error.is::<Interrupted>() => Err(error),
            Some(error) => {
                run.partial.push(format!("{name}: {error:#}"));
                Ok(())
            }
            None => Ok(()),
        }
    });
    if ended.is_ok() {
        report.schedulers = measured;
    } else {
        let is_new = |old: &Scheduler| measured.iter().any(|new| new.name == old.name);
        report.schedulers.retain(|old| !is_new(old));
        report.schedulers.extend(measured);
    }
    ended
}

/// The project with another site on its disk, and every scheduler.
fn build(bench: &Bench) -> Result<PathBuf> {
    let site = bench.scratch.path().join("pages");
    fs::create_dir(&site).with_context(|| format!("creating {}", site.display()))?;
    loads::write_pages(&site)?;
    let mut project = bench.project.clone();
    project.spec.server.root = site;
    project.spec.server.storage = StorageKind::Disk;
    let mut kernel = Kernel::plain();
    let on = |symbol| Requested::by_measurement(symbol, Value::Switch(true), "schedulers");
    kernel.variation.options.extend(OPTIONS.map(on));
    bench.build("schedulers", &project, &kernel)
}

/// The subject with an initramfs that chooses a scheduler before its own PID 1 starts.
fn with_scheduler(bench: &Bench, subject: &Subject, out: &Path, name: &str) -> Result<Subject> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let mut tree = Tree::read(read(&out.join("initramfs.cpio"))?.as_slice())?;
    tree.rename("/init", "/init.next")?;
    let program = read(&bench.tools.choose_scheduler)?;
    tree.program("/init", program, "chooses the disk's scheduler, then starts the next")?;
    tree.file("/scheduler", name.into(), "its name")?;
    tree.directory("/queues", "where the disk's queue is")?;
    let path = bench.scratch.path().join(format!("{name}.cpio"));
    let mut archive = Vec::new();
    tree.write(&mut archive)?;
    fs::write(&path, archive).with_context(|| format!("writing {}", path.display()))?;
    let mut subject = subject.clone();
    if let Start::Kernel(kernel) = &mut subject.machine.start {
        kernel.initramfs = Some(path);
    }
    Ok(subject)
}
