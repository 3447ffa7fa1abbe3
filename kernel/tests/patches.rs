//! The patches, tried on the source that they were made for:
//! `APPLIANCE_KERNEL_SOURCE` names its tarball, without which these tests are skipped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use host::Command;
use kernel::{Measure, Patches, Tailor};
use libtest_mimic::{Arguments, Failed, Trial};

type Test = fn(&Source) -> Result<(), Failed>;

const TESTS: &[(&str, Test)] = &[
    ("every_choice_of_measures_applies", every_choice_of_measures_applies),
    ("what_is_left_out_leaves_the_kernels_files_alone", what_is_left_out_changes_nothing),
    ("a_changed_line_is_told", a_changed_line_is_told),
    ("checkpatch_is_content", checkpatch_is_content),
    ("the_way_to_ring_0_is_short", the_way_to_ring_0_is_short),
];

/// How many lines of code the patches for ring 0 may add: somebody has to verify them.
const KML_LINES: usize = 450;

/// The kernel's own judge of patches and what it reads.
const CHECKPATCH: &[&str] =
    &["scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch"];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let tarball = std::env::var_os("APPLIANCE_KERNEL_SOURCE").map(PathBuf::from);
    let is_wanted = tarball.is_some() && !args.list;
    // Unpacked once for all of them.
    let source = tarball.filter(|_| is_wanted).map(|tarball| Source::new(&tarball));
    let source: &'static _ = Box::leak(Box::new(source));
    let trial = |(name, test): &(&'static str, Test)| {
        let test = *test;
        let run = move || match source {
            Some(Ok(source)) => test(source),
            Some(Err(error)) => Err(format!("{error:#}").into()),
            None => Err("APPLIANCE_KERNEL_SOURCE is not set".into()),
        };
        Trial::test(*name, run).with_ignored_flag(!is_wanted)
    };
    libtest_mimic::run(&args, TESTS.iter().map(trial).collect()).exit_code()
}

/// Those files of the source that the patches change.
struct Source {
    dir: tempfile::TempDir,
    changed: BTreeSet<String>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("patches")
}

/// What a kernel has besides that runs its server in ring 0.
fn kml_directory() -> PathBuf {
    directory().with_file_name("patches-kml")
}

fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = dir.read_dir()?.map(|entry| Ok(entry?.path()));
    let mut files = entries.collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    files.sort();
    Ok(files)
}

fn all_files() -> anyhow::Result<Vec<PathBuf>> {
    Ok([files(&directory())?, files(&kml_directory())?].concat())
}

impl Source {
    fn new(tarball: &Path) -> anyhow::Result<Self> {
        let mut changed = BTreeSet::new();
        for file in all_files()? {
            let text = fs::read_to_string(file)?;
            let lines = text.lines().filter_map(|line| line.strip_prefix("--- a/"));
            changed.extend(lines.map(str::to_owned));
        }
        let dir = tempfile::tempdir()?;
        let patterns = ["Makefile"].iter().chain(CHECKPATCH).map(|path| format!("*/{path}"));
        let made_here = ["init/Kconfig.appliance", "include/linux/appliance.h"];
        changed.retain(|path| !made_here.contains(&path.as_str()) && !path.contains("/tailor_"));
        changed.retain(|path| !path.contains("kml"));
        let patterns = patterns.chain(changed.iter().map(|path| format!("*/{path}")));
        Command::new("tar")
            .args(["--extract", "--strip-components=1", "--no-same-owner", "--wildcards"])
            .args(["--no-wildcards-match-slash", "--anchored", "--file"])
            .arg(tarball)
            .args(patterns.collect::<Vec<_>>())
            .current_dir(dir.path())
            .run()?;
        Ok(Self { dir, changed })
    }

    fn copy(&self) -> Result<tempfile::TempDir, Failed> {
        let copy = tempfile::tempdir()?;
        for path in self.changed.iter().map(String::as_str).chain(["Makefile"]) {
            let to = copy.path().join(path);
            fs::create_dir_all(to.parent().ok_or("no parent")?)?;
            fs::copy(self.dir.path().join(path), to)?;
        }
        Ok(copy)
    }
}

fn apply(tree: &Path, tailor: Tailor) -> anyhow::Result<()> {
    apply_from(tree, tailor, &[directory()])
}

fn apply_from(tree: &Path, tailor: Tailor, dirs: &[PathBuf]) -> anyhow::Result<()> {
    let patches = Patches { dirs, tailor, tested: "the tested one" };
    patches.apply(tree, &tree.join("log"))
}

/// Every choice that a plan allows.
fn choices() -> Vec<Tailor> {
    let mut all = vec![Tailor::CONFIGURATION];
    for measure in Measure::ALL.into_iter().filter(|measure| measure.options().next().is_some()) {
        all.extend(all.clone().into_iter().map(|tailor| tailor.set(measure, true)));
    }
    all.retain(|tailor| {
        let needs = |it: Measure| it.needs().is_none_or(|(needed, _)| tailor.has(needed));
        tailor.measures().all(needs)
    });
    all
}

fn every_choice_of_measures_applies(source: &Source) -> Result<(), Failed> {
    let dirs = [directory(), kml_directory()];
    let choices = choices();
    let kernels = choices.iter().flat_map(|tailor| [(*tailor, 1), (*tailor, 2)]);
    for (tailor, count) in kernels {
        let tree = source.copy()?;
        apply_from(tree.path(), tailor, &dirs[..count])
            .map_err(|error| format!("{tailor:?}: {error:#}"))?;
        let menu = fs::read_to_string(tree.path().join("init/Kconfig.appliance"))?;
        for option in kernel::OPTIONS {
            if !menu.contains(&format!("\nconfig {}\n", option.symbol)) {
                return Err(format!("{tailor:?}: {} is not in the menu", option.symbol).into());
            }
        }
    }
    Ok(())
}

/// But for what belongs to no measure: the line that includes the menu, and others'.
fn what_is_left_out_changes_nothing(source: &Source) -> Result<(), Failed> {
    let of_measures: BTreeSet<&str> = kernel::OPTIONS.iter().map(|option| option.patch).collect();
    let mut others = String::new();
    for file in files(&directory())? {
        if !of_measures.contains(file.file_name().and_then(|name| name.to_str()).unwrap_or("")) {
            others.push_str(&fs::read_to_string(file)?);
        }
    }
    let tree = source.copy()?;
    apply(tree.path(), Tailor::CONFIGURATION)?;
    for path in &source.changed {
        let same = fs::read(tree.path().join(path))? == fs::read(source.dir.path().join(path))?;
        if !same && !others.contains(&format!("+++ b/{path}\n")) {
            return Err(format!("{path} was changed").into());
        }
    }
    Ok(())
}

/// A newer release with another line where a patch has context: the whole is refused
/// with the name and the hunk, and goes on without that patch.
fn a_changed_line_is_told(source: &Source) -> Result<(), Failed> {
    let all = Tailor::ALL;
    let (file, line) = ("fs/inode.c", "if (inode->i_flags & S_NOATIME)");
    let change = || -> Result<tempfile::TempDir, Failed> {
        let tree = source.copy()?;
        let path = tree.path().join(file);
        let text = fs::read_to_string(&path)?;
        if !text.contains(line) {
            return Err(format!("{file} has no such line").into());
        }
        fs::write(&path, text.replace(line, "if (is_noatime(inode))"))?;
        Ok(tree)
    };
    let Err(error) = apply(change()?.path(), all) else { return Err("it was applied".into()) };
    let told = error.to_string();
    if !told.starts_with("the patch 0003-tailor-checks.patch does not apply exactly to 6.12.")
        || !told.contains("fs/inode.c: Hunk #1 FAILED at ")
    {
        return Err(told.into());
    }
    Ok(apply(change()?.path(), Tailor { checks: false, ..all })?)
}

fn the_way_to_ring_0_is_short(_: &Source) -> Result<(), Failed> {
    let mut lines = 0;
    for file in files(&kml_directory())? {
        let text = fs::read_to_string(file)?;
        let added = text.lines().filter_map(|line| line.strip_prefix('+'));
        let is_code = |line: &&str| {
            !line.is_empty() && !["++", "*", "/*", "//"].iter().any(|mark| line.starts_with(mark))
        };
        lines += added.map(str::trim).filter(is_code).count();
    }
    if lines == 0 || lines > KML_LINES {
        return Err(format!("{lines} lines are added, {KML_LINES} may be").into());
    }
    Ok(())
}

/// As the kernel's developers have it, but for the signature of a person, and for
/// "MAINTAINERS" and the names of Kconfig files, which are no concern of a patch
/// that stays here.
fn checkpatch_is_content(source: &Source) -> Result<(), Failed> {
    const OPTIONS: &[&str] = &["--no-tree", "--no-signoff", "--terse"];
    let judge = |file: &Path| {
        Command::new("perl")
            // It leaves a list of the names that it has seen where it runs.
            .current_dir(source.dir.path())
            .arg("scripts/checkpatch.pl")
            .args(OPTIONS)
            .args(["--ignore", "FILE_PATH_CHANGES,EMBEDDED_FILENAME"])
            .arg(file)
            .outcome()
    };
    for file in all_files()? {
        let outcome = judge(&file)?;
        if !outcome.status.success() {
            return Err(String::from_utf8_lossy(&outcome.stdout).into_owned().into());
        }
    }
    // It says so when there is something to say.
    let wrong = source.dir.path().join("wrong.patch");
    let text = fs::read_to_string(directory().join("0003-tailor-checks.patch"))?;
    fs::write(&wrong, text.replace("+\tif (!IS_ENABLED", "+    if(!IS_ENABLED"))?;
    if judge(&wrong)?.status.success() {
        return Err("checkpatch finds nothing in a patch that is wrong".into());
    }
    Ok(())
}
