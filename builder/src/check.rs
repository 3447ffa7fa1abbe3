//! `appliance test`: boots an image in every way and compares each file of its
//! site, as it comes back over HTTP, with the manifest.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use host::{Interrupted, digest_stream};
use qemu::{Guest, Machine};
use serde::Serialize;

use crate::manifest::{Manifest, SiteFile};
use crate::report::{self, say};
use crate::run::{self, Firmware};
use crate::text::duration;

/// How long a guest may take to serve, on a busy host without KVM.
const BOOT_DEADLINE: Duration = Duration::from_secs(120);
/// How long an answer may take beside the time for its bytes.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// The slowest that a guest may send, in bytes a second.
const SLOWEST: u64 = 1_000_000;

/// The verdicts on an image.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether every way of starting it passed.
    pub passed: bool,
    /// One for each way in which the image can start.
    pub verdicts: Vec<Verdict>,
}

/// The verdict on one way of starting an image.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// How it was started.
    pub firmware: Firmware,
    /// With how much memory, in MiB.
    pub memory: u32,
    /// From power on to the guest's word that it serves, in milliseconds.
    pub serving_after: Option<u64>,
    /// How many files came back as they are.
    pub same_files: usize,
    /// What is wrong; empty if nothing is.
    pub problems: Vec<String>,
    /// How to see it by hand, and what the guest said; empty if nothing is wrong.
    pub evidence: String,
}

/// Tests an image and prints the verdicts; ends with 1 if one is bad.
///
/// # Errors
/// When the directory is no build's or QEMU is missing; what is wrong with the
/// image is in the verdicts.
pub fn command(out: &Path, json: bool) -> Result<ExitCode> {
    let tell = |verdict: &Verdict| {
        if !json {
            report::print(&verdict.text());
        }
    };
    let report = check(out, tell)?;
    if json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests an image in every way in which it can start; `tell` hears each verdict
/// as it comes.
///
/// # Errors
/// As [`command`].
pub fn check(out: &Path, tell: impl Fn(&Verdict)) -> Result<Report> {
    let manifest = Manifest::read(out)?;
    let accelerator = run::accelerator()?;
    run::announce(&accelerator);
    let has_disk = manifest.disk().is_some();
    let ways = Firmware::ALL.iter().filter(|firmware| has_disk || !firmware.needs_disk());
    let mut verdicts = Vec::new();
    for firmware in ways {
        let machine = run::machine(out, &manifest, *firmware, accelerator.clone())?;
        let verdict = verdict(&machine, &manifest, *firmware)?;
        tell(&verdict);
        verdicts.push(verdict);
    }
    Ok(Report { passed: verdicts.iter().all(|verdict| verdict.problems.is_empty()), verdicts })
}

fn verdict(machine: &Machine, manifest: &Manifest, firmware: Firmware) -> Result<Verdict> {
    let mut verdict = Verdict {
        firmware,
        memory: machine.memory,
        serving_after: None,
        same_files: 0,
        problems: Vec::new(),
        evidence: String::new(),
    };
    let mut guest = machine.boot()?;
    match guest.wait_serving(BOOT_DEADLINE) {
        Ok(serving) => {
            verdict.serving_after = u64::try_from(guest.age().as_millis()).ok();
            let address = guest.forwarded().unwrap_or(serving.address);
            verdict.problems = differences(&guest, address, &manifest.site)?;
            verdict.same_files = manifest.site.len() - verdict.problems.len();
        }
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => verdict.problems.push(format!("{error:#}")),
    }
    if !verdict.problems.is_empty() {
        verdict.evidence = guest.evidence();
    }
    Ok(verdict)
}

/// The files that do not come back from `address` as the manifest has them, with
/// what came instead.
///
/// # Errors
/// When the guest's network cannot be entered or the user interrupts.
pub fn differences(guest: &Guest, address: SocketAddr, site: &[SiteFile]) -> Result<Vec<String>> {
    guest.in_its_network(|| {
        let agent = agent();
        let mut problems = Vec::new();
        for file in site {
            host::check_interrupt()?;
            if let Err(error) = compare(&agent, address, file) {
                problems.push(format!("/{}: {error:#}", file.path));
            }
        }
        Ok(problems)
    })?
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    config.proxy(None).build().new_agent()
}

fn compare(agent: &ureq::Agent, address: SocketAddr, file: &SiteFile) -> Result<()> {
    let deadline = ANSWER_DEADLINE + Duration::from_secs(file.bytes / SLOWEST);
    let url = format!("http://{address}/{}", escape(&file.path));
    let request = agent.get(url).config().timeout_global(Some(deadline)).build();
    let mut answer = request.call().context("asking for it")?;
    ensure!(answer.status() == 200, "the answer is {}", answer.status());
    let digest = digest_stream(answer.body_mut().as_reader()).context("reading the answer")?;
    if digest.to_string() != file.sha256 {
        let length = answer.headers().get("content-length");
        let length = length.and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        bail!(
            "other bytes came: length {length}, SHA-256 {digest}; {} and {} are expected",
            file.bytes,
            file.sha256
        );
    }
    Ok(())
}

/// The path of a site's file as part of a URL (RFC 3986, section 3.3). It has
/// `%XX` for bytes that are no UTF-8 and for the percent sign already.
pub(crate) fn escape(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'%' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

impl Verdict {
    /// The verdict as a person reads it.
    fn text(&self) -> String {
        let (name, memory, files) = (self.firmware.name(), self.memory, self.same_files);
        let after = match self.serving_after {
            Some(millis) => format!("served after {}", duration(Duration::from_millis(millis))),
            None => "did not serve".to_owned(),
        };
        if self.problems.is_empty() {
            return format!("{name}: passed, {after} with {memory} MiB, {files} files the same\n");
        }
        let problems = self.problems.join("\n  ");
        format!("{name}: FAILED, {after} with {memory} MiB\n  {problems}\n{}", self.evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_of_urls() {
        assert_eq!(escape("a b/ä?#.html"), "a%20b/%C3%A4%3F%23.html");
        assert_eq!(escape("100%25/%FF"), "100%25/%FF");
    }
}
