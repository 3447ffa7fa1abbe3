//! The host's end: one word a line comes in, one line goes out.
//!
//! ```text
//! count    -> the instructions since the start of QEMU
//! start    -> ok: counting begins at zero
//! stop     -> ok: what was counted stays as it is
//! read     -> a JSON object with what was counted between the two
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::Plugin;
use crate::cells::{Cell, EXITS};
use crate::tracker::Tracker;

/// The counters at a moment.
#[derive(Clone)]
struct Snapshot {
    total: u64,
    user: u64,
    rep_bytes: u64,
    exits: Vec<u64>,
    functions: Vec<u64>,
    sites: BTreeMap<(usize, usize), u64>,
    calls: Value,
    windows: Value,
    interrupts: u64,
    timer: u64,
    exceptions: u64,
    softirqs: u64,
    idle: u64,
}

pub(crate) fn serve(stream: UnixStream) {
    let Ok(mut answers) = stream.try_clone() else { return };
    let Some(plugin) = Plugin::get() else { return };
    let (mut from, mut to) = (None, None);
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let answer = match line.as_str() {
            "count" => plugin.cells.total.get().to_string(),
            "start" => {
                (from, to) = (Some(snapshot(plugin)), None);
                plugin.tracker().clear();
                "ok".to_owned()
            }
            "stop" => {
                to = Some(snapshot(plugin));
                "ok".to_owned()
            }
            "read" => {
                let to = to.clone().unwrap_or_else(|| snapshot(plugin));
                difference(plugin, from.as_ref(), &to).to_string()
            }
            _ => "unknown".to_owned(),
        };
        if writeln!(answers, "{answer}").is_err() {
            return;
        }
    }
}

fn snapshot(plugin: &Plugin) -> Snapshot {
    let cells = &plugin.cells;
    let values = |cells: &[Cell]| cells.iter().map(Cell::get).collect();
    let sites = plugin.sites.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tracker = plugin.tracker();
    tracker.settle(cells.total.get());
    Snapshot {
        total: cells.total.get(),
        user: cells.user.get(),
        rep_bytes: cells.rep_bytes.get(),
        exits: values(&cells.exits),
        functions: values(&cells.functions),
        sites: sites.iter().map(|(site, cell)| (*site, cell.get())).collect(),
        calls: calls(plugin, &tracker),
        windows: json!(tracker.windows),
        interrupts: tracker.interrupts,
        timer: tracker.timer,
        exceptions: tracker.exceptions,
        softirqs: tracker.softirqs,
        idle: tracker.idle,
    }
}

/// Whether the symbols are those of the kernel: every `syscall` of a program is
/// followed by its entry point; one may be between the two just now.
fn symbols_fit(plugin: &Plugin) -> bool {
    let entry = plugin.symbols.address("entry_SYSCALL_64").and_then(|at| plugin.symbols.index(at));
    let entered = entry.map_or(0, |index| plugin.cells.entries[index].get());
    plugin.cells.syscalls.get() <= entered + 1
}

fn calls(plugin: &Plugin, tracker: &Tracker) -> Value {
    let name = |index: &Option<usize>| match index {
        Some(index) => plugin.symbols.name(*index).trim_start_matches("__x64_sys_").to_owned(),
        None => "unknown".to_owned(),
    };
    let calls: BTreeMap<String, _> =
        tracker.calls.iter().map(|(index, counts)| (name(index), counts)).collect();
    json!(calls)
}

fn difference(plugin: &Plugin, from: Option<&Snapshot>, to: &Snapshot) -> Value {
    let before = |field: fn(&Snapshot) -> u64| from.map_or(0, field);
    let (total, user) = (to.total - before(|s| s.total), to.user - before(|s| s.user));
    // The guest may go on between two of the counters.
    let kernel = total.saturating_sub(user);
    let name = |index: usize| plugin.symbols.name(index);
    let functions: BTreeMap<&str, u64> = (0..to.functions.len())
        .map(|index| (index, to.functions[index] - from.map_or(0, |s| s.functions[index])))
        .filter(|(_, count)| *count > 0)
        .map(|(index, count)| (name(index), count))
        .collect();
    let exits: BTreeMap<&str, u64> = EXITS
        .iter()
        .zip(0..)
        .map(|(kind, index): (&&str, usize)| {
            (*kind, to.exits[index] - from.map_or(0, |s| s.exits[index]))
        })
        .collect();
    let allocations: Vec<Value> = to
        .sites
        .iter()
        .map(|(site, count)| {
            (site, count - from.and_then(|s| s.sites.get(site).copied()).unwrap_or(0))
        })
        .filter(|(_, count)| *count > 0)
        .map(|((caller, callee), count)| json!([name(*caller), name(*callee), count]))
        .collect();
    let entered: Vec<&str> =
        (0..to.functions.len()).filter(|index| to.functions[*index] > 0).map(name).collect();
    json!({
        "total": total,
        "user": user,
        "kernel": kernel,
        "interrupts": to.interrupts,
        "timer": to.timer,
        "exceptions": to.exceptions,
        "softirqs": to.softirqs,
        "idle": to.idle,
        "rep_bytes": to.rep_bytes - before(|s| s.rep_bytes),
        "exits": exits,
        "functions": functions,
        "calls": to.calls,
        "windows": to.windows,
        "allocations": allocations,
        "executed": entered,
        "symbols_fit": symbols_fit(plugin),
        "phases": *plugin.phases.lock().unwrap_or_else(PoisonError::into_inner),
    })
}
