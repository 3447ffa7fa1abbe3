//! `appliance doctor`: what this machine has and lacks for building.
//!
//! The packages are those of `setup/packages`, which the launcher reads too.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use host::{Command, find_program};
use qemu::{Accelerator, Engine};
use serde::Serialize;

use crate::home;
use crate::report::say;
use crate::text::size;

/// What a first build takes on the file system of the cache: archives, the
/// kernel's tree and objects, the compile cache.
const DISK_NEEDED: u64 = 4_000_000_000;

/// What something is needed for; the words are those of `setup/packages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Use {
    Cli,
    Build,
    Run,
    Bench,
    Test,
}

/// One thing that is needed, and whether it is there.
#[derive(Debug, Serialize)]
struct Requirement {
    name: String,
    needed_for: Use,
    why: String,
    /// The version or place that was found.
    found: Option<String>,
    /// The command, or the deed, that brings it.
    mend: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether `appliance build` finds all that it needs.
    ready: bool,
    requirements: Vec<Requirement>,
    /// How QEMU would run a guest here.
    accelerator: String,
}

/// Prints the report; ends with 1 if something is missing that a build needs.
///
/// # Errors
/// When the list of packages cannot be read.
pub fn command(json: bool) -> Result<ExitCode> {
    let mut requirements = packages(&home::repository())?;
    requirements.extend(rust());
    let cache = home::cache();
    requirements.push(disk_space(&cache)?);
    let lacking = |what: &Requirement| what.found.is_none() && what.needed_for <= Use::Build;
    let ready = !requirements.iter().any(lacking);
    let report = Report { ready, requirements, accelerator: accelerator(&cache) };
    if json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line of `setup/packages`.
struct Package<'a> {
    name: &'a str,
    shown_by: &'a str,
    needed_for: Use,
    why: &'a str,
}

fn parse(line: &str) -> Option<Package<'_>> {
    let (name, rest) = line.split_once(char::is_whitespace)?;
    let (shown_by, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let (needed_for, why) = rest.trim_start().split_once(char::is_whitespace)?;
    let needed_for = match needed_for {
        "cli" => Use::Cli,
        "build" => Use::Build,
        "run" => Use::Run,
        "bench" => Use::Bench,
        "test" => Use::Test,
        _ => return None,
    };
    Some(Package { name, shown_by, needed_for, why: why.trim() })
}

fn packages(repository: &Path) -> Result<Vec<Requirement>> {
    let path = repository.join("setup/packages");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let packages: Vec<Package> = lines
        .map(|line| parse(line).with_context(|| format!("{}: `{line}`", path.display())))
        .collect::<Result<_>>()?;
    let installed = installed(&packages);
    Ok(packages.iter().map(|package| look_for(package, installed.as_ref())).collect())
}

/// The versions of installed packages; none where there is no dpkg.
fn installed(packages: &[Package]) -> Option<BTreeMap<String, String>> {
    find_program("dpkg-query")?;
    let query = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status} ${Version}\\n"])
        .args(packages.iter().map(|package| package.name));
    // It fails for packages that it has never heard of, and still tells the rest.
    let output = query.outcome().ok()?.stdout;
    let text = String::from_utf8_lossy(&output);
    let versions = text.lines().filter_map(|line| {
        let (name, version) = line.split_once(" installed ")?;
        Some((name.to_owned(), version.to_owned()))
    });
    Some(versions.collect())
}

fn look_for(package: &Package, installed: Option<&BTreeMap<String, String>>) -> Requirement {
    let found = match installed {
        Some(versions) => versions.get(package.name).cloned(),
        None if package.shown_by.starts_with('/') => {
            Path::new(package.shown_by).exists().then(|| package.shown_by.to_owned())
        }
        None => find_program(package.shown_by).map(|path| path.display().to_string()),
    };
    let mend = match (&found, installed) {
        (Some(_), _) => None,
        (None, Some(_)) => Some(format!("{} {}", apt_install(), package.name)),
        (None, None) => Some(format!("install what has {} on this system", package.shown_by)),
    };
    Requirement {
        name: package.name.to_owned(),
        needed_for: package.needed_for,
        why: package.why.to_owned(),
        found,
        mend,
    }
}

fn apt_install() -> &'static str {
    if is_root() {
        "apt-get install --no-install-recommends"
    } else {
        "sudo apt-get install --no-install-recommends"
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The Rust toolchain that would build PID 1 and the tests.
fn rust() -> Vec<Requirement> {
    let needed = env!("CARGO_PKG_RUST_VERSION");
    let tools = [
        ("rustc", Use::Build, "compiles PID 1", "rustup update stable"),
        ("cargo", Use::Build, "builds PID 1", "rustup update stable"),
        ("cargo-clippy", Use::Test, "checks the code", "rustup component add clippy"),
        ("rustfmt", Use::Test, "checks the code's form", "rustup component add rustfmt"),
    ];
    let requirement = |(name, needed_for, why, mend): (&str, Use, &str, &str)| {
        let output = Command::new(name).arg("--version").output().ok();
        let version = output.and_then(|output| second_word(&output));
        let found = version.filter(|version| name != "rustc" || is_at_least(version, needed));
        let why =
            if name == "rustc" { format!("{why}; {needed} or newer") } else { why.to_owned() };
        let mend = found.is_none().then(|| mend.to_owned());
        Requirement { name: name.to_owned(), needed_for, why, found, mend }
    };
    tools.into_iter().map(requirement).collect()
}

fn second_word(output: &[u8]) -> Option<String> {
    String::from_utf8_lossy(output).split_whitespace().nth(1).map(str::to_owned)
}

/// Compares versions such as `1.95` and `1.100.0-nightly` number by number.
fn is_at_least(found: &str, needed: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        let plain = version.split('-').next().unwrap_or_default();
        plain.split('.').map_while(|number| number.parse().ok()).collect()
    };
    numbers(found) >= numbers(needed)
}

fn disk_space(cache: &Path) -> Result<Requirement> {
    let place = cache.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let output =
        Command::new("df").args(["--output=avail", "--block-size=1"]).arg(place).output()?;
    let text = String::from_utf8_lossy(&output);
    let free: u64 = text.lines().last().unwrap_or_default().trim().parse().context("reading df")?;
    let enough = free >= DISK_NEEDED || has_built(cache);
    Ok(Requirement {
        name: "disk space".to_owned(),
        needed_for: Use::Build,
        why: format!("{} for a first build, in {}", size(DISK_NEEDED), cache.display()),
        found: enough.then(|| format!("{} free", size(free))),
        mend: (!enough).then(|| {
            format!(
                "free space there ({} are), or set APPLIANCE_CACHE to another place",
                size(free)
            )
        }),
    })
}

/// Whether the cache already holds what takes the space.
fn has_built(cache: &Path) -> bool {
    cache.join("steps/kernel").is_dir()
}

/// How QEMU runs a guest here, which is tried and not assumed.
fn accelerator(cache: &Path) -> String {
    match Accelerator::probe(cache) {
        Ok(Accelerator { engine: Engine::Kvm, .. }) => "KVM".to_owned(),
        Ok(Accelerator { engine: Engine::Tcg, why }) => format!("emulation, since {why}"),
        Err(error) => format!("unknown: {error}"),
    }
}

fn print(report: &Report) {
    for what in &report.requirements {
        match &what.found {
            Some(found) => say!("ok       {:18} {found}", what.name),
            None => say!("MISSING  {:18} {}", what.name, what.why),
        }
    }
    say!("         {:18} {}", "accelerator", report.accelerator);
    let missing: Vec<&Requirement> =
        report.requirements.iter().filter(|what| what.found.is_none()).collect();
    if missing.is_empty() {
        say!("\nEverything is here.");
        return;
    }
    say!("\nTo get what is missing:");
    let install = apt_install();
    let (packages, others): (Vec<&str>, Vec<&str>) = missing
        .iter()
        .filter_map(|what| what.mend.as_deref())
        .partition(|mend| mend.starts_with(install));
    if !packages.is_empty() {
        let names = packages.iter().filter_map(|mend| mend.strip_prefix(install));
        say!("    {install}{}", names.collect::<String>());
    }
    for mend in others {
        say!("    {mend}");
    }
    if report.ready {
        say!("\n`appliance build` has all that it needs.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_read() {
        let all = packages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        assert!(all.iter().any(|what| what.name == "gcc" && what.needed_for == Use::Cli));
        assert!(all.iter().all(|what| !what.why.is_empty()));
    }

    #[test]
    fn a_package_that_is_not_there_is_told_with_the_way_to_get_it() {
        let package = parse("no-such-package  no-such-program  build  for the test").unwrap();
        let debian = look_for(&package, Some(&BTreeMap::new()));
        assert_eq!(debian.found, None);
        assert!(
            debian
                .mend
                .unwrap()
                .ends_with("apt-get install --no-install-recommends no-such-package")
        );
        let other = look_for(&package, None);
        assert_eq!(other.mend.unwrap(), "install what has no-such-program on this system");
        assert!(look_for(&parse("a sh build why").unwrap(), None).found.is_some());
    }

    #[test]
    fn rust_versions_are_compared_as_numbers() {
        assert!(is_at_least("1.95.0", "1.95"));
        assert!(is_at_least("1.100.0-nightly", "1.95"));
        assert!(!is_at_least("1.63.0", "1.95"));
    }
}
