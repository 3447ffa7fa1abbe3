//! Suites that others wrote, on a kernel with every patch and on one without any, and in
//! ring 0 and in ring 3 of one kernel: each of their cases has to end alike, but for those
//! that `expected` lists.

mod cases;
mod guest;
mod kselftest;
mod tools;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use appliance::variant::Variant;
use kernel::Tailor;

use crate::kernels::{self, image, image_of_variant};
use cases::Cases;
use guest::{Packed, Side};

/// What the suites call beyond what an appliance does.
pub(crate) const OPTIONS: &[(&str, bool)] = &[
    ("FILE_LOCKING", true),
    ("AIO", true),
    ("FHANDLE", true),
    ("SYSVIPC", true),
    ("UNIX98_PTYS", true),
    ("TMPFS_XATTR", true),
    ("IPV6", true),
];

/// A suite.
pub(crate) struct Suite {
    name: &'static str,
    /// How many cases pass at the least: fewer, and the suite has not run.
    passes: usize,
    /// What it calls beyond what an appliance does.
    options: &'static [(&'static str, bool)],
    pack: fn() -> Result<Packed>,
}

pub(crate) const PJDFSTEST: Suite =
    Suite { name: "pjdfstest", passes: 600, options: &[], pack: tools::pjdfstest };
pub(crate) const KSELFTEST: Suite =
    Suite { name: "kselftest", passes: 100, options: OPTIONS, pack: kselftest::pack };
pub(crate) const STRESS_NG: Suite =
    Suite { name: "stress-ng", passes: 55, options: OPTIONS, pack: tools::stress_ng };
pub(crate) const FIO: Suite = Suite { name: "fio", passes: 20, options: OPTIONS, pack: tools::fio };

impl Suite {
    /// [`image`], with what the suite calls.
    fn image(&self, name: &str, tailor: Tailor) -> Result<PathBuf> {
        let suffix = if self.options.is_empty() { "" } else { "-suites" };
        image(&format!("{name}{suffix}"), tailor, self.options)
    }

    /// Says how many of its cases pass on a kernel.
    ///
    /// # Errors
    /// When they are too few.
    fn has_run(&self, cases: &Cases, filesystem: &str, kernel: &str) -> Result<()> {
        let passed = cases.values().filter(|result| *result == "ok").count();
        println!("{} on {filesystem}: {passed} of {} cases pass", self.name, cases.len());
        ensure!(passed >= self.passes, "only {passed} cases pass {kernel}");
        Ok(())
    }
}

/// A case that has to differ.
struct Expected {
    case: &'static str,
    without: &'static str,
    with: &'static str,
}

/// Those that are listed for a suite on a file system and a kernel, by what is told apart.
fn expected(suite: &str, filesystem: &str, is_taken: &dyn Fn(&str) -> bool) -> Vec<Expected> {
    let entry = |line: &'static str| {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (of, on, measure, case, without, with) =
            (word(), word(), word(), word(), word(), word());
        let is_meant = |word: &str, name| word == "*" || word == name;
        let is_listed = is_taken(measure) && is_meant(of, suite) && is_meant(on, filesystem);
        is_listed.then_some(Expected { case, without, with })
    };
    let lines = include_str!("expected").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(entry).collect()
}

/// Compares a kernel with every patch.
pub(crate) fn all_measures(suite: &Suite) -> Result<()> {
    compare(suite, &suite.image("tailored", Tailor::ALL)?.join("vmlinux"), Tailor::ALL)
}

/// A kernel whose remembered paths are never forgotten is found.
pub(crate) fn seeded_bug() -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let broken = kernels::forgetful(&STRESS_NG.image("tailored", Tailor::ALL)?, room.path())?;
    match compare(&STRESS_NG, &broken, Tailor::ALL) {
        Ok(()) => bail!("nothing was found in a kernel that does not forget paths"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains("the kernel reports: "), "found otherwise: {said}");
            Ok(())
        }
    }
}

/// Runs the cases on a kernel that watches itself.
///
/// # Errors
/// When it reports something, or too few cases pass.
pub(crate) fn run_watched(suite: &Suite, kernel: &Path) -> Result<()> {
    let packed = (suite.pack)().with_context(|| format!("packing {}", suite.name))?;
    for filesystem in ["ext3", "ext4"] {
        let side = Side { name: "on the kernel that watches itself", kernel, word: "" };
        let cases = guest::run(side, &packed, filesystem)
            .with_context(|| format!("{} on {filesystem}", suite.name))?;
        suite.has_run(&cases, filesystem, side.name)?;
    }
    Ok(())
}

/// Compares each measure with what it needs and nothing else.
pub(crate) fn each_measure(suite: &Suite) -> Result<()> {
    kernels::alone().try_for_each(|(measure, tailor)| {
        let with = suite.image(measure.name(), tailor)?.join("vmlinux");
        compare(suite, &with, tailor).with_context(|| format!("{measure} alone"))
    })
}

/// Compares the programs of a suite in ring 0 with themselves in ring 3, on one kernel,
/// the image's: what it has no use for fails in both.
pub(crate) fn in_ring_0(suite: &Suite) -> Result<()> {
    let kernel = &image_of_variant(Variant::Kml, "kml", Tailor::ALL, &[])?.join("vmlinux");
    let sides =
        [("in ring 3", ""), ("in ring 0", "kml")].map(|(name, word)| Side { name, kernel, word });
    let packed = (suite.pack)().with_context(|| format!("packing {}", suite.name))?;
    compare_sides(suite, &packed, sides, &|measure| measure == "kml", |without, with| {
        let told = [cases::take_rings(without, "3")?, cases::take_rings(with, "0")?];
        ensure!(told[0] > 0 && told[0] == told[1], "{told:?} programs say where they run");
        println!("{}: {} programs in ring 3 and in ring 0", suite.name, told[0]);
        Ok(())
    })
}

/// Runs a suite on a kernel and on one without patches.
fn compare(suite: &Suite, with: &Path, tailor: Tailor) -> Result<()> {
    let without = suite.image("untailored", Tailor::CONFIGURATION)?.join("vmlinux");
    let packed = (suite.pack)().with_context(|| format!("packing {}", suite.name))?;
    let sides = [("without the patches", without.as_path()), ("with the patches", with)]
        .map(|(name, kernel)| Side { name, kernel, word: "" });
    let is_taken = |name: &str| tailor.measures().any(|it| it.name() == name);
    compare_sides(suite, &packed, sides, &is_taken, |_, _| Ok(()))
}

/// Compares the cases of the second side with those of the first, after a look at both.
fn compare_sides(
    suite: &Suite,
    packed: &Packed,
    sides: [Side; 2],
    is_taken: &dyn Fn(&str) -> bool,
    inspect: impl Fn(&mut Cases, &mut Cases) -> Result<()>,
) -> Result<()> {
    for filesystem in ["ext3", "ext4"] {
        let look = || -> Result<Vec<String>> {
            let (mut without, mut with) = both(packed, sides, filesystem)?;
            inspect(&mut without, &mut with)?;
            suite.has_run(&without, filesystem, sides[0].name)?;
            let names = sides.map(|side| side.name);
            Ok(faults(&without, &with, names, &expected(suite.name, filesystem, is_taken)))
        };
        let mut faults = look()?;
        // Some cases wait for so long and no longer. What a clock decided comes out
        // otherwise the next time, what a kernel decides does not.
        if !faults.is_empty() {
            println!("{} on {filesystem}, once more: {}", suite.name, faults.join("; "));
            let again = look()?;
            faults.retain(|fault| again.contains(fault));
        }
        ensure!(faults.is_empty(), "{} on {filesystem}:\n  {}", suite.name, faults.join("\n  "));
    }
    Ok(())
}

/// Both sides at once.
fn both(packed: &Packed, sides: [Side; 2], filesystem: &str) -> Result<(Cases, Cases)> {
    let [without, with] = sides;
    thread::scope(|scope| {
        let second = scope.spawn(|| guest::run(with, packed, filesystem));
        let first = guest::run(without, packed, filesystem).context(without.name);
        let second = second.join().map_err(|_| anyhow!("a run panicked"))?;
        Ok((first?, second.context(with.name)?))
    })
}

/// What differs and is not expected to, and what is expected to and does not.
fn faults(without: &Cases, with: &Cases, sides: [&str; 2], expected: &[Expected]) -> Vec<String> {
    let missing = "missing".to_owned();
    let names: BTreeSet<&String> = without.keys().chain(with.keys()).collect();
    let differing = names.into_iter().filter_map(|name| {
        let results = [without, with].map(|it| it.get(name).unwrap_or(&missing).as_str());
        (results[0] != results[1]).then_some((name.as_str(), results))
    });
    let differing: Vec<_> = differing.collect();
    let is_expected = |name: &str, results: &[&str; 2]| {
        expected.iter().any(|it| it.case == name && *results == [it.without, it.with])
    };
    let new = differing.iter().filter(|(name, results)| !is_expected(name, results));
    let new = new.map(|(name, [without, with])| {
        format!("{name}: {without} {}, {with} {}", sides[0], sides[1])
    });
    let differs = |it: &&Expected| {
        differing
            .iter()
            .any(|(name, results)| *name == it.case && *results == [it.without, it.with])
    };
    let gone = expected.iter().filter(|it| !differs(it));
    let gone = gone.map(|it| {
        format!("{}: listed as {} and {}, which it is not", it.case, it.without, it.with)
    });
    new.chain(gone).collect()
}
