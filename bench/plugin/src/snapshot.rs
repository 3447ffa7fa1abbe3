//! The counters at a moment, and what lies between two moments.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use serde_json::{Value, json};

use crate::Plugin;
use crate::cells::{Cell, EXITS};
use crate::tracker::{CallCounts, Exits, Sums, Window};

type Calls = HashMap<Option<usize>, CallCounts>;
/// Caller and callee.
type Site = (usize, usize);

/// The counters at a moment.
#[derive(Clone)]
pub(crate) struct Snapshot {
    total: u64,
    user: u64,
    rep_bytes: u64,
    turns: u64,
    /// Without those of waiting.
    exits: Exits,
    functions: Vec<u64>,
    sites: BTreeMap<Site, u64>,
    sums: Sums,
    calls: Calls,
    windows: BTreeMap<u16, Window>,
}

impl Snapshot {
    pub(crate) fn take(plugin: &Plugin) -> Self {
        let cells = &plugin.cells;
        let sites = plugin.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tracker = plugin.tracker();
        let now = plugin.now();
        tracker.settle(now);
        let mut exits = now.exits;
        for (exits, waiting) in exits.iter_mut().zip(tracker.waiting_exits) {
            *exits = exits.saturating_sub(waiting);
        }
        Self {
            total: now.total,
            user: cells.user.get(),
            rep_bytes: cells.rep_bytes.get(),
            turns: cells.turns.get(),
            exits,
            functions: cells.functions.iter().map(Cell::get).collect(),
            sites: sites.iter().map(|(site, cell)| (*site, cell.get())).collect(),
            sums: tracker.sums,
            calls: tracker.calls.clone(),
            windows: tracker.windows.clone(),
        }
    }

    /// The same after [`crate::tracker::Tracker::clear`].
    pub(crate) fn cleared(self) -> Self {
        Self { sums: Sums::default(), calls: Calls::new(), windows: BTreeMap::new(), ..self }
    }
}

/// What was counted between two moments, or in several laps.
#[derive(Default)]
pub(crate) struct Difference {
    laps: usize,
    total: u64,
    user: u64,
    rep_bytes: u64,
    turns: u64,
    exits: Exits,
    functions: BTreeMap<usize, u64>,
    sites: BTreeMap<Site, u64>,
    sums: Sums,
    calls: Calls,
    windows: BTreeMap<u16, Window>,
}

impl Difference {
    /// From a moment, or from the beginning.
    pub(crate) fn new(from: Option<&Snapshot>, to: &Snapshot) -> Self {
        let before = |field: fn(&Snapshot) -> u64| from.map_or(0, field);
        let mut exits = to.exits;
        for (place, exits) in exits.iter_mut().enumerate() {
            *exits = exits.saturating_sub(from.map_or(0, |from| from.exits[place]));
        }
        let functions = to.functions.iter().enumerate();
        let functions = functions
            .map(|(place, count)| (place, count - from.map_or(0, |from| from.functions[place])));
        let sites = to.sites.iter().map(|(site, count)| {
            (*site, count - from.and_then(|from| from.sites.get(site)).unwrap_or(&0))
        });
        let calls = to.calls.iter().map(|(name, counts)| {
            let before = from.and_then(|from| from.calls.get(name)).copied();
            (*name, counts.since(before.unwrap_or_default()))
        });
        Self {
            laps: 1,
            total: to.total - before(|it| it.total),
            user: to.user - before(|it| it.user),
            rep_bytes: to.rep_bytes - before(|it| it.rep_bytes),
            turns: to.turns - before(|it| it.turns),
            exits,
            functions: functions.filter(|(_, count)| *count > 0).collect(),
            sites: sites.filter(|(_, count)| *count > 0).collect(),
            sums: to.sums.since(from.map_or_else(Sums::default, |from| from.sums)),
            calls: calls.filter(|(_, counts)| counts.count > 0).collect(),
            windows: to.windows.clone(),
        }
    }

    /// All of several laps, each with the exits of the one that has neither many nor few:
    /// an interrupt that comes earlier or later is a whole exit in a lap that has few.
    pub(crate) fn sum(laps: &[Self]) -> Self {
        let mut sum = Self::default();
        for lap in laps {
            sum.laps += lap.laps;
            sum.total += lap.total;
            sum.user += lap.user;
            sum.rep_bytes += lap.rep_bytes;
            sum.turns += lap.turns;
            sum.sums.add(lap.sums);
            for (index, count) in &lap.functions {
                *sum.functions.entry(*index).or_default() += count;
            }
            for (site, count) in &lap.sites {
                *sum.sites.entry(*site).or_default() += count;
            }
            for (name, counts) in &lap.calls {
                sum.calls.entry(*name).or_default().merge(*counts);
            }
        }
        let mut exits: Vec<Exits> = laps.iter().map(|lap| lap.exits).collect();
        exits.sort_by_key(|exits| exits.iter().sum::<u64>());
        let middle = exits.get(exits.len() / 2).copied().unwrap_or_default();
        sum.exits = middle.map(|each| each * laps.len() as u64);
        sum
    }

    /// Instructions without those that follow the host's speed.
    pub(crate) fn work(&self) -> u64 {
        self.total.saturating_sub(self.sums.timer + self.sums.idle)
    }

    pub(crate) fn json(&self, plugin: &Plugin) -> Value {
        let name = |index: usize| plugin.symbols.name(index);
        let call = |index: &Option<usize>| match index {
            Some(index) => name(*index).trim_start_matches("__x64_sys_").to_owned(),
            None => "unknown".to_owned(),
        };
        let functions: BTreeMap<&str, u64> =
            self.functions.iter().map(|(index, count)| (name(*index), *count)).collect();
        let allocations: Vec<Value> = self
            .sites
            .iter()
            .map(|((caller, callee), count)| json!([name(*caller), name(*callee), count]))
            .collect();
        let calls: BTreeMap<String, &CallCounts> =
            self.calls.iter().map(|(index, counts)| (call(index), counts)).collect();
        let executed: Vec<&str> = (0..plugin.cells.functions.len())
            .filter(|index| plugin.cells.functions[*index].get() > 0)
            .map(name)
            .collect();
        let Sums { interrupts, timer, exceptions, softirqs, idle } = self.sums;
        json!({
            "laps": self.laps,
            "total": self.total,
            "user": self.user,
            // The guest may go on between two of the counters.
            "kernel": self.total.saturating_sub(self.user),
            "interrupts": interrupts,
            "timer": timer,
            "exceptions": exceptions,
            "softirqs": softirqs,
            "idle": idle,
            "rep_bytes": self.rep_bytes,
            "turns": self.turns,
            "exits": EXITS.into_iter().zip(self.exits).collect::<BTreeMap<_, _>>(),
            "functions": functions,
            "calls": calls,
            "windows": self.windows,
            "allocations": allocations,
            "executed": executed,
            "symbols_fit": symbols_fit(plugin),
            "phases": *plugin.phases.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }
}

/// How many calls that stray say nothing: assembly has some.
const FEW_STRAYS: u64 = 20;

/// Whether the symbols are those of the kernel: all but few of its calls lead to where a
/// function begins, and every `syscall` of a program is followed by its entry point; one
/// may be between the two just now.
pub(crate) fn symbols_fit(plugin: &Plugin) -> bool {
    let (fitting, strays) = (plugin.cells.fitting.get(), plugin.cells.strays.get());
    if strays > FEW_STRAYS && strays > fitting / 20 {
        return false;
    }
    let entry = plugin.symbols.address("entry_SYSCALL_64").and_then(|at| plugin.symbols.index(at));
    let entered = entry.map_or(0, |index| plugin.cells.entries[index].get());
    plugin.cells.syscalls.get() <= entered + 1
}
