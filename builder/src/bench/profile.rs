//! `appliance profile`: the system calls that the server makes under a load, where
//! the kernel spends its instructions, where it allocates memory, and what of it was
//! never executed.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::counts::Counts;
use bench::loads;
use bench::measure::{self, Load, REQUESTS};
use host::{failed, refused};
use serde_json::{Value, json};

use super::baseline::Baselines;
use crate::cli::ProfileArgs;
use crate::progress::Progress;
use crate::report::say;

/// How many functions and places are shown.
const SHOWN: usize = 30;

/// Carries out `appliance profile`.
///
/// # Errors
/// Refused when the directory is no build's or the load is unknown; failed when the
/// guest does not come up, answers wrongly, or is not emulated.
pub fn command(args: &ProfileArgs) -> Result<ExitCode> {
    let load = load(&args.load)?;
    let progress = Progress::new(false);
    let tools = super::tools(&progress)?;
    let from = Baselines::new(&args.out.path, &tools.load_modules, true, &progress)?;
    let subject = from.appliance()?;
    let line = progress.begin("count a load");
    let counted = measure::requests(&subject, &tools, &loads::network_choice(), load, REQUESTS)?;
    line.done();
    let counts = counted
        .counts
        .ok_or_else(|| failed("only an emulated guest can be profiled, and this one is not"))?;
    let map = fs::read_to_string(&subject.symbols)
        .with_context(|| format!("reading {}", subject.symbols.display()))?;
    let profile = profile(&counts, counted.requests.requests, &map);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&profile)?);
    } else {
        tell(&profile);
    }
    Ok(ExitCode::SUCCESS)
}

fn load(name: &str) -> Result<Load> {
    Load::ALL.iter().copied().find(|load| load.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Load::ALL.iter().map(|load| load.name()).collect();
        refused(format!("there is no load `{name}`"))
            .hint(format!("choose one of {}", names.join(", ")))
            .into()
    })
}

/// Everything per request, the largest first.
fn profile(counts: &Counts, requests: u64, map: &str) -> Value {
    let each = |count: u64| count as f64 / requests.max(1) as f64;
    let calls: Vec<Value> =
        sorted(counts.calls.iter().map(|(name, call)| (call.sum, (name, call))))
            .into_iter()
            .map(|(sum, (name, call))| {
                json!({"call": name, "count": each(call.count), "instructions": each(sum),
                   "each": sum.checked_div(call.count), "least": call.min})
            })
            .collect();
    let functions: Vec<Value> = sorted(counts.functions.iter().map(|(name, sum)| (*sum, name)))
        .into_iter()
        .map(|(sum, name)| json!({"function": name, "instructions": each(sum)}))
        .collect();
    let sites: Vec<Value> = sorted(counts.allocations.iter().map(|site| (site.2, site)))
        .into_iter()
        .map(|(count, site)| json!({"in": site.0, "calls": site.1, "count": each(count)}))
        .collect();
    json!({
        "requests": requests,
        "kernel": each(counts.of_requests()),
        "user": each(counts.user),
        "interrupts": each(counts.interrupts),
        "exits": counts.exits.iter().map(|(kind, count)| (kind, each(*count))).collect::<BTreeMap<_, _>>(),
        "calls": calls,
        "functions": functions,
        "allocations": sites,
        "never_executed": never_executed(counts, map),
    })
}

fn sorted<T>(values: impl Iterator<Item = (u64, T)>) -> Vec<(u64, T)> {
    let mut values: Vec<(u64, T)> = values.collect();
    values.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    values
}

/// Functions of the kernel that neither start nor load executed, and their bytes as
/// far as the next symbol.
fn never_executed(counts: &Counts, map: &str) -> Value {
    let mut functions: Vec<(u64, &str)> = map
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let kind = words.next()?;
            matches!(kind, "t" | "T").then_some((address, words.next()?))
        })
        .collect();
    functions.sort_unstable();
    functions.dedup_by_key(|(address, _)| *address);
    let sizes = functions.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[0].1));
    let never = sizes.filter(|(_, name)| !counts.executed.contains(*name));
    let never = sorted(never);
    let bytes: u64 = never.iter().map(|(size, _)| size).sum();
    let all: u64 =
        functions.last().map_or(0, |last| last.0) - functions.first().map_or(0, |first| first.0);
    let largest: Vec<Value> = never
        .iter()
        .take(200)
        .map(|(size, name)| json!({"function": name, "bytes": size}))
        .collect();
    json!({"functions": never.len(), "of": functions.len(), "bytes": bytes, "of_bytes": all,
           "largest": largest})
}

fn tell(profile: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    say!(
        "{:.0} kernel and {:.0} server instructions a request, {:.0} of the kernel's in interrupts",
        number(&profile["kernel"]),
        number(&profile["user"]),
        number(&profile["interrupts"])
    );
    let table = |title: &str, rows: &Value, columns: &[&str]| {
        say!("\n{title}");
        for row in rows.as_array().into_iter().flatten().take(SHOWN) {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| match &row[*column] {
                    Value::String(text) => format!("{text:32}"),
                    value => format!("{:>10.1}", number(value)),
                })
                .collect();
            say!("  {}", cells.join(" "));
        }
    };
    table(
        "system calls: per request, instructions per request, per call",
        &profile["calls"],
        &["call", "count", "instructions", "each"],
    );
    table(
        "functions: instructions per request",
        &profile["functions"],
        &["function", "instructions"],
    );
    table("allocations: per request", &profile["allocations"], &["in", "calls", "count"]);
    let never = &profile["never_executed"];
    say!(
        "\nnever executed: {} of {} functions, {} of {} bytes; the largest:",
        never["functions"],
        never["of"],
        never["bytes"],
        never["of_bytes"]
    );
    table("", &never["largest"], &["function", "bytes"]);
}
