//! How long clients wait for pages that the guest has to read from its disk (the
//! thesis's figures 5.5 and 5.6).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use host::{Interrupted, check_interrupt};

use super::httperf::{self, Said};
use super::machine::{self, Link, in_guest};
use super::ramp::{self, Clients};
use super::{Progress, Target};
use crate::Subject;
use crate::data::Wait;
use crate::measure::quantity;

/// How many pages there are: a power of two.
const PAGES: u64 = 4096;
/// The length of each in bytes: one read of the disk.
const PAGE_BYTES: u32 = 16 * 1024;
/// How long each rate lasts, in seconds.
const SECONDS: u32 = 10;

/// What came of it.
#[derive(Debug, Default)]
pub struct Waits {
    /// What was measured, by rising rate.
    pub points: Vec<Wait>,
    /// Why it is not complete. What was measured before still holds.
    pub stopped: Option<anyhow::Error>,
}

/// Writes the site below a directory: 64 MiB of pages, more than a small guest can
/// keep in memory.
///
/// # Errors
/// When a file cannot be written.
pub fn write_pages(dir: &Path) -> Result<()> {
    (0..PAGES).try_for_each(|number| {
        let content = super::site::content(number, PAGE_BYTES);
        super::site::write(&dir.join(name(number)), &content)
    })
}

fn name(number: u64) -> String {
    format!("{number:04}.bin")
}

/// Asks a guest with the site of [`write_pages`] for each page once, in no order that
/// its disk could know, at several rates. Each rate meets a fresh guest, which has
/// nothing in memory.
///
/// # Errors
/// When httperf is missing; everything later is in [`Waits::stopped`].
pub fn waits(subject: &Subject, link: &Link, rates: &[u32], progress: Progress) -> Result<Waits> {
    httperf::check()?;
    let list = tempfile::NamedTempFile::new().context("making a file")?;
    fs::write(list.path(), paths()).context("writing the list of pages")?;
    let mut waits = Waits::default();
    for (done, rate) in (1..).zip(rates) {
        match at(subject, link, *rate, list.path()) {
            Ok(said) => waits.points.push(said),
            Err(error) if error.is::<Interrupted>() => waits.stopped = Some(error),
            Err(error) => {
                waits.stopped = Some(error.context(format!("measuring {rate} connections/s")));
            }
        }
        if waits.stopped.is_some() {
            break;
        }
        progress(done, rates.len() as u64);
    }
    Ok(waits)
}

/// Every page once, each with a zero byte behind it. An odd factor leaves none out.
fn paths() -> String {
    (0..PAGES).map(|number| format!("/{}\0", name(number * 1597 % PAGES))).collect()
}

fn at(subject: &Subject, link: &Link, rate: u32, paths: &Path) -> Result<Wait> {
    check_interrupt()?;
    ensure!(u64::from(rate * SECONDS) <= PAGES, "{rate} connections/s ask for a page twice");
    let (mut guest, target) = machine::boot(subject, link)?;
    // The last one, which the list does not come to.
    let page = format!("/{}", name((PAGES - 1) * 1597 % PAGES));
    let target = Target { page, ..target };
    in_guest(&mut guest, &subject.name, |guest| {
        let said = guest.in_its_network(|| {
            let clients = match link {
                Link::Tap => Clients::of_namespace(&subject.tap, &target, 1),
                Link::User { .. } => Clients::shared(1),
            };
            let clients = Clients { paths: Some(paths), ..clients };
            ramp::measure(&target, rate, SECONDS, &clients)
        })??;
        machine::wait_answer(guest, &target, "an answer after the load", machine::BOOT)?;
        Ok(point(rate, &said))
    })
}

/// What the one process found.
fn point(rate: u32, said: &[Said]) -> Wait {
    let together = ramp::point(rate, SECONDS, said);
    let mean =
        |of: fn(&Said) -> f64| said.iter().map(of).sum::<f64>() / quantity(said.len() as u64);
    Wait {
        rate,
        mean: mean(|it| it.mean),
        median: mean(|it| it.median),
        longest: said.iter().map(|it| it.longest).fold(0.0, f64::max),
        lost: together.timeouts + together.errors,
        client_limit: together.client_limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_asked_for_once() {
        let list = paths();
        let mut names: Vec<&str> = list.split_terminator('\0').collect();
        assert_eq!(names[..3], ["/0000.bin", "/1597.bin", "/3194.bin"]);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len() as u64, PAGES);
    }
}
