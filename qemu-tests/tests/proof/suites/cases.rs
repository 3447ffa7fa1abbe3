//! What programs of suites say of each of their cases.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

/// The result of each case by its name, which has no spaces.
pub(crate) type Cases = BTreeMap<String, String>;

/// What a case is called that tells the ring of a program, behind the program's name.
const RING: &str = "/ring";

/// Takes out what the programs say of their ring, and counts those that name this one.
///
/// # Errors
/// When a program names another ring.
pub(crate) fn take_rings(cases: &mut Cases, ring: &str) -> Result<usize> {
    let (mut told, mut others) = (0, Vec::new());
    cases.retain(|name, result| {
        let is_told = name.ends_with(RING);
        match is_told && result == ring {
            true => told += 1,
            false if is_told => others.push(format!("{name} {result}")),
            false => {}
        }
        !is_told
    });
    ensure!(others.is_empty(), "not in ring {ring}: {}", others.join(", "));
    Ok(told)
}

/// Reads what the script of the guest has kept.
///
/// # Errors
/// When the kernel reports a fault of its own, a program has met its deadline, or the
/// script has not come to its end.
pub(crate) fn read(said: &str) -> Result<Cases> {
    let mut cases = Cases::new();
    let mut program = "";
    for line in said.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "begin" => program = rest,
            "|" => {
                if let Some(ring) = rest.strip_prefix("ring ") {
                    cases.insert(format!("{program}{RING}"), ring.to_owned());
                } else if let Some((case, result)) = tap(rest).or_else(|| pjdfstest(rest)) {
                    cases.insert(format!("{program}/{case}"), result.to_owned());
                }
            }
            "report" => bail!("during {program} the kernel reports: {rest}"),
            "end" => {
                // The shell's for KILL, which is the deadline's.
                ensure!(rest != "137", "{program} did not end");
                let result = if rest == "0" { "ok".into() } else { format!("status-{rest}") };
                cases.insert(program.to_owned(), result);
            }
            _ => {}
        }
    }
    ensure!(said.ends_with("all\n"), "the script ended at {program:?}");
    Ok(cases)
}

/// A line of the Test Anything Protocol, as kselftest writes it.
fn tap(line: &str) -> Option<(String, &'static str)> {
    let (rest, result) = match line.strip_prefix("not ok ") {
        Some(rest) => (rest, "failed"),
        None => (line.strip_prefix("ok ")?, "ok"),
    };
    let (name, directive) = rest.split_once('#').unwrap_or((rest, ""));
    let is_skipped = directive.trim_start().starts_with("SKIP");
    let mut words = name.split_ascii_whitespace();
    // The name is for the reader, and may hold the number of a process.
    let number = words.next()?;
    let name = words.collect::<Vec<_>>().join("-").replace(|c: char| c.is_ascii_digit(), "");
    Some((format!("{number}:{name}"), if is_skipped { "skipped" } else { result }))
}

/// A line of pjdfstest's.
fn pjdfstest(line: &str) -> Option<(String, &'static str)> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().filter(|name| name.contains("::"))?;
    let result = match (words.next()?, words.next()) {
        ("ok", None) => "ok",
        ("FAILED", None) => "failed",
        ("skipped", None) => "skipped",
        _ => return None,
    };
    Some((name.to_owned(), result))
}
