//! An apt of our own: state, lists and archives below the cache, for an ordinary
//! user, so that nothing on the system changes.
//!
//! It takes its archives from [`Entries`], and proxies, credentials and trusted
//! keys from the system's configuration; the system's hooks are cleared, since a
//! container's would delete the user's own archives.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, Outcome, failed, find_program, refused, write_atomically};

use super::entries::Entries;
use super::packages::Package;
use super::tested::Kind;
use super::version;

/// Enough for 150 MB over a slow line.
const DEADLINE: Duration = Duration::from_secs(3600);
/// Variables of the user's that say how to reach the network.
const PASSED_ON: &[&str] = &[
    "APT_CONFIG",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];
/// What apt says when a mirror lists a file and does not have it.
const GONE: &[&str] = &["404  Not Found", "410  Gone", "File not found"];

/// A way to fail, by what apt says then.
struct Failure {
    phrases: &'static [&'static str],
    what: &'static str,
    hint: &'static str,
}

/// The first that fits is meant.
const FAILURES: &[Failure] = &[
    Failure {
        phrases: &["No space left on device"],
        what: "the disk is full",
        hint: "free some space, for example with `appliance clean`, and run the same command again",
    },
    Failure {
        phrases: &["Hash Sum mismatch", "File has unexpected size", "Size mismatch"],
        what: "the mirror sent other bytes than its signed index names",
        hint: "run the same command again later; if it stays, a proxy or the mirror is at fault",
    },
    Failure {
        phrases: &["GPG error", "is not signed", "signatures couldn't be verified"],
        what: "the signature of an archive is not valid",
        hint: "check the system's clock and the package debian-archive-keyring",
    },
    Failure {
        phrases: &["Error reading from server", "Connection reset", "Connection timed out"],
        what: "the connection to the mirror broke",
        hint: "run the same command again",
    },
    Failure {
        phrases: &[
            "Temporary failure resolving",
            "Could not resolve",
            "Could not connect",
            "Unable to connect",
            "Connection failed",
            "Network is unreachable",
        ],
        what: "the package mirrors cannot be reached",
        hint: "check the network; without one, give the sources as tarballs: see `appliance build --help`",
    },
];

/// What came of a download.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Download {
    /// The files are there, as the signed index names them.
    Done,
    /// The mirror lists the version and no longer has it.
    Gone,
}

/// The apt of our own.
pub(super) struct Apt {
    dir: PathBuf,
    log: PathBuf,
    /// What the update complained of, once there was one.
    updated: OnceCell<String>,
}

impl Apt {
    /// An apt with everything below `dir`, which need not exist.
    pub(super) fn new(dir: PathBuf, log: PathBuf) -> Self {
        Self { dir, log, updated: OnceCell::new() }
    }

    /// The versions of a package that the mirrors list, the newest first.
    ///
    /// # Errors
    /// When this system has no apt or no Debian archive, or none can be reached.
    pub(super) fn versions(&self, package: &str, kind: Kind) -> Result<Vec<String>> {
        let complaints = self.update()?;
        let index = if kind == Kind::Deb { "Packages" } else { "Sources" };
        let listed = self.madison(&[package.to_owned()], index)?;
        let mut versions: Vec<String> = listed
            .into_iter()
            .filter(|found| found.name == package)
            .map(|found| found.version)
            .collect();
        versions.sort_by(|a, b| version::compare(b, a));
        versions.dedup();
        if versions.is_empty() && !complaints.is_empty() {
            return Err(explain(package, complaints));
        }
        Ok(versions)
    }

    /// The binary packages whose name begins so, in every version that the lists
    /// have.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Package>> {
        let output = self.command("apt-cache")?.args(["pkgnames", prefix]).output()?;
        let names = String::from_utf8_lossy(&output);
        let names: Vec<String> = names.lines().map(str::to_owned).collect();
        if names.is_empty() {
            let complaints = self.updated.get().map_or("", String::as_str);
            let none = complaints.is_empty();
            return if none { Ok(Vec::new()) } else { Err(explain(prefix, complaints)) };
        }
        self.madison(&names, "Packages")
    }

    fn madison(&self, names: &[String], index: &str) -> Result<Vec<Package>> {
        let output = self.command("apt-cache")?.arg("madison").args(names).output()?;
        let package = |line: &str| {
            let mut columns = line.split('|').map(str::trim);
            let (name, version, place) = (columns.next()?, columns.next()?, columns.next()?);
            let package = Package { name: name.to_owned(), version: version.to_owned() };
            place.ends_with(index).then_some(package)
        };
        Ok(String::from_utf8_lossy(&output).lines().filter_map(package).collect())
    }

    /// What an installation on an empty system would install, as apt lists it:
    /// `NAME (VERSION ARCHIVE)`.
    pub(super) fn closure(&self, wanted: &[String], recommended: bool) -> Result<Vec<String>> {
        let recommends = format!("APT::Install-Recommends={recommended}");
        let command = self.command("apt-get")?.args(["-s", "-o", &recommends, "install"]);
        let outcome = command.args(wanted).outcome()?;
        let said = text(&outcome);
        if !outcome.status.success() {
            return Err(explain(&wanted.join(", "), &said));
        }
        let mut found: Vec<String> =
            said.lines().filter_map(|line| Some(line.strip_prefix("Inst ")?.to_owned())).collect();
        found.sort();
        Ok(found)
    }

    /// The files that name the archives, for another apt.
    pub(super) fn archives(&self) -> Vec<PathBuf> {
        let files = ["debian.list", "debian.sources"].map(|name| self.sources().join(name));
        let has_text = |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.len() > 0);
        files.into_iter().filter(has_text).collect()
    }

    /// Fetches the files of one version of a package into a directory; apt checks
    /// them against the signed index.
    ///
    /// # Errors
    /// When they cannot be fetched for another reason than [`Download::Gone`].
    pub(super) fn download(
        &self,
        package: &str,
        version: &str,
        kind: Kind,
        dir: &Path,
    ) -> Result<Download> {
        let action: &[&str] = match kind {
            Kind::Deb => &["download"],
            Kind::Dsc => &["source", "--only-source", "--download-only"],
        };
        let command = self.command("apt-get")?.args(action).arg(format!("{package}={version}"));
        let outcome = command.current_dir(dir).deadline(DEADLINE).outcome()?;
        let said = text(&outcome);
        if outcome.status.success() {
            return Ok(Download::Done);
        }
        if GONE.iter().any(|phrase| said.contains(phrase)) {
            return Ok(Download::Gone);
        }
        Err(explain(&format!("{package} {version}"), &said))
    }

    /// Brings the lists up to date, once; gives apt's complaints. Archives that
    /// fail do not matter as long as others have what is wanted.
    pub(super) fn update(&self) -> Result<&str> {
        if let Some(complaints) = self.updated.get() {
            return Ok(complaints);
        }
        self.set_up()?;
        let outcome = self.command("apt-get")?.arg("update").deadline(DEADLINE).outcome()?;
        let complaint = |line: &&str| ["E:", "W:"].iter().any(|mark| line.starts_with(mark));
        let said = text(&outcome);
        let complaints: Vec<&str> = said.lines().filter(complaint).collect();
        Ok(self.updated.get_or_init(|| complaints.join("\n")))
    }

    /// Writes the configuration of our own, without the network.
    pub(super) fn set_up(&self) -> Result<()> {
        for part in ["state/lists/partial", "cache/archives/partial", "sources.d"] {
            let path = self.dir.join(part);
            fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        }
        let (list, parts) = system_lists()?;
        let entries = Entries::of_system(&list, &parts)?;
        if entries.is_empty() {
            return Err(failed("apt on this system is set up with no Debian archive")
                .hint("add one, or give the sources as tarballs: see `appliance build --help`")
                .into());
        }
        let sources = self.sources();
        write_atomically(&sources.join("debian.list"), entries.lines.as_bytes())?;
        write_atomically(&sources.join("debian.sources"), entries.paragraphs.as_bytes())?;
        write_atomically(&self.dir.join("status"), b"")?;
        write_atomically(&self.configuration(), self.settings().as_bytes())
    }

    fn sources(&self) -> PathBuf {
        self.dir.join("sources.d")
    }

    fn configuration(&self) -> PathBuf {
        self.dir.join("apt.conf")
    }

    /// Read after the system's own settings, and so over them.
    fn settings(&self) -> String {
        let dir = self.dir.display();
        format!(
            r#"// Written by appliance for its own use of apt.
Dir::State "{dir}/state";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{dir}/sources.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Get::AllowUnauthenticated "false";
// Its own user could not write below a home directory.
APT::Sandbox::User "root";
// The system's hooks and further indexes.
#clear APT::Update;
#clear DPkg;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear Acquire::IndexTargets::deb-src::Contents-dsc;
"#
        )
    }

    fn command(&self, program: &str) -> Result<Command<'static>> {
        let command = system_command(program)?.log(&self.log);
        Ok(command.arg("-q").arg("-c").arg(self.configuration()))
    }
}

fn system_command(program: &str) -> Result<Command<'static>> {
    if find_program(program).is_none() {
        return Err(refused(format!("this system has no {program} to fetch sources with"))
            .hint("give the sources as tarballs: see `appliance build --help`")
            .into());
    }
    let variables = PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    Ok(variables.fold(Command::new(program), |command, (name, value)| command.env(name, value)))
}

/// Where the system keeps its list of archives: one file and a directory.
fn system_lists() -> Result<(PathBuf, PathBuf)> {
    let wanted = ["LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"];
    let output = system_command("apt-config")?.arg("shell").args(wanted).output()?;
    let text = String::from_utf8_lossy(&output);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("='"));
        PathBuf::from(line.unwrap_or_default().trim_end_matches('\''))
    };
    Ok((value("LIST"), value("PARTS")))
}

fn text(outcome: &Outcome) -> String {
    let both = [&outcome.stdout[..], &outcome.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Turns what apt said when it failed into one message.
fn explain(what: &str, said: &str) -> anyhow::Error {
    for failure in FAILURES {
        let fits = |line: &&str| failure.phrases.iter().any(|phrase| line.contains(phrase));
        if let Some(line) = said.lines().find(fits) {
            let line = line.trim_start_matches(['E', 'W']).trim_start_matches(": ").trim();
            return failed(format!("fetching {what}: {}: {line}", failure.what))
                .hint(failure.hint)
                .into();
        }
    }
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("E:")).collect();
    failed(format!("fetching {what}: apt failed:\n    {}", errors.join("\n    "))).into()
}

#[cfg(test)]
mod tests {
    use host::Problem;

    use super::*;

    fn explained(said: &str) -> String {
        let error = explain("musl", said);
        let problem = error.downcast_ref::<Problem>().unwrap();
        format!("{error} ({})", problem.hint.as_deref().unwrap_or_default())
    }

    #[test]
    fn what_apt_says_becomes_one_message() {
        let said = "Err:1 http://m.example bookworm InRelease\n\
            \x20 Temporary failure resolving 'm.example'\n\
            W: Failed to fetch http://m.example/InRelease  Temporary failure resolving 'm.example'\n\
            W: Some index files failed to download.";
        assert!(explained(said).starts_with(
            "fetching musl: the package mirrors cannot be reached: Temporary failure resolving 'm.example' (check the network"
        ));
        let said = "E: Failed to fetch http://m.example/a  Hash Sum mismatch";
        assert!(explained(said).contains("sent other bytes"));
        let said = "Reading package lists...\nE: Something new";
        assert_eq!(explained(said), "fetching musl: apt failed:\n    E: Something new ()");
    }
}
