//! What a server asks of its kernel under a load, and where the kernel spends it: the
//! content of `profile.json`, from which the page is made.
//!
//! Counts are guest instructions per request unless a field says otherwise.

mod symbols;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::data::Environment;
use symbols::Symbols;

/// The version of the layout.
pub const LAYOUT: u32 = 1;
/// How many functions that were never executed are named.
const NAMED: usize = 200;

/// The folders of the source that functions come from, by name.
pub type Folders = BTreeMap<String, BTreeSet<String>>;

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Where and how it was measured.
    pub environment: Environment,
    /// What was measured, in a sentence.
    pub subject: String,
    /// The load.
    pub load: String,
    /// How many requests were made.
    pub requests: u64,
    /// Instructions of the kernel, other than those of the timer and the idle task.
    pub kernel: f64,
    /// Of these, the ones in interrupts and softirqs.
    pub interrupts: f64,
    /// Instructions of programs.
    pub user: f64,
    /// Instructions that would leave a virtual machine, by kind.
    pub exits: BTreeMap<String, f64>,
    /// System calls, the dearest first.
    pub calls: Vec<Call>,
    /// Functions of the kernel, the hottest first. Those of the timer and the idle task
    /// are among them.
    pub functions: Vec<Function>,
    /// What a part of the kernel is.
    pub grouping: Grouping,
    /// Parts of the kernel, the hottest first.
    pub parts: Vec<Part>,
    /// Places that allocate memory, the busiest first.
    pub allocations: Vec<Allocation>,
    /// What neither the start nor the load executed.
    pub never_executed: Never,
}

/// How functions are gathered into parts of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// By the folder of the source.
    #[default]
    Folder,
    /// By the first word of the name, as no compiled source was at hand.
    Prefix,
}

/// A system call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its name.
    pub call: String,
    /// How often it is made per request.
    pub count: f64,
    /// Its part of the kernel's instructions, from 0 to 1.
    pub share: f64,
    /// Instructions per request, interrupts and softirqs apart.
    pub instructions: f64,
    /// The same per call.
    pub each: f64,
    /// Instructions of the cheapest call.
    pub least: u64,
}

/// A function of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub function: String,
    /// Its part of the kernel, if that is known.
    pub part: Option<String>,
    /// Instructions.
    pub instructions: f64,
    /// Its part of the instructions of all functions, from 0 to 1.
    pub share: f64,
}

/// What is executed of a part of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its name; none for the functions of which it is not known.
    pub part: Option<String>,
    /// Instructions.
    pub instructions: f64,
    /// Its share of the instructions of all functions, from 0 to 1.
    pub share: f64,
}

/// A place that allocates memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// The function that it is in.
    #[serde(rename = "in")]
    pub caller: String,
    /// The function that it calls.
    pub calls: String,
    /// How often, per request.
    pub count: f64,
}

/// What was never executed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Never {
    /// How much in all.
    #[serde(flatten)]
    pub all: Unused,
    /// The same by part of the kernel, most bytes first.
    pub parts: Vec<UnusedPart>,
    /// The largest functions.
    pub largest: Vec<UnusedFunction>,
}

/// How much was never executed, of how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unused {
    /// Functions that were never executed.
    pub functions: u64,
    /// All functions.
    pub of: u64,
    /// Bytes of those that were never executed.
    pub bytes: u64,
    /// Bytes of all.
    pub of_bytes: u64,
}

impl Unused {
    fn add(&mut self, bytes: u64, executed: bool) {
        self.of += 1;
        self.of_bytes += bytes;
        if !executed {
            self.functions += 1;
            self.bytes += bytes;
        }
    }
}

/// A part of the kernel, and how much of it was never executed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnusedPart {
    /// Its name; none for the functions of which it is not known.
    pub part: Option<String>,
    /// How much.
    #[serde(flatten)]
    pub unused: Unused,
}

/// A function that was never executed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnusedFunction {
    /// Its name.
    pub function: String,
    /// Its part of the kernel, if that is known.
    pub part: Option<String>,
    /// Its bytes, as far as the next symbol.
    pub bytes: u64,
}

/// The name of a load, its requests, and what says where.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Where and how it was measured.
    pub environment: Environment,
    /// What was measured, in a sentence.
    pub subject: String,
    /// The load.
    pub load: String,
    /// How many requests were made.
    pub requests: u64,
}

impl Profile {
    /// The profile of a load that was counted. `map` is the kernel's `System.map`;
    /// without any folders, functions are gathered by their names. Functions of the same
    /// name count as executed if one of them was.
    pub fn new(measured: Measured, counts: &Counts, map: &str, folders: &Folders) -> Self {
        let Measured { environment, subject, load, requests } = measured;
        let symbols = Symbols::new(map, folders);
        let each = |count: u64| ratio(count, requests);
        let functions = functions(counts, requests, &symbols);
        Self {
            layout: LAYOUT,
            environment,
            subject,
            load,
            requests,
            kernel: each(counts.of_requests()),
            interrupts: each(counts.interrupts + counts.softirqs),
            user: each(counts.user),
            exits: counts.exits.iter().map(|(kind, count)| (kind.clone(), each(*count))).collect(),
            calls: calls(counts, requests),
            parts: parts(&functions),
            functions,
            grouping: if folders.is_empty() { Grouping::Prefix } else { Grouping::Folder },
            allocations: allocations(counts, requests),
            never_executed: never_executed(counts, &symbols),
        }
    }
}

/// A count as a part of another one; 0 of none.
fn ratio(count: u64, of: u64) -> f64 {
    crate::measure::quantity(count) / crate::measure::quantity(of.max(1))
}

fn calls(counts: &Counts, requests: u64) -> Vec<Call> {
    let mut calls: Vec<_> = counts.calls.iter().collect();
    calls.sort_by_key(|(_, call)| Reverse(call.sum));
    let calls = calls.into_iter().map(|(name, call)| Call {
        call: name.clone(),
        count: ratio(call.count, requests),
        share: ratio(call.sum, counts.of_requests()),
        instructions: ratio(call.sum, requests),
        each: ratio(call.sum, call.count),
        least: call.min,
    });
    calls.collect()
}

fn functions(counts: &Counts, requests: u64, symbols: &Symbols) -> Vec<Function> {
    let all = counts.functions.values().sum();
    let mut functions: Vec<_> = counts.functions.iter().collect();
    functions.sort_by_key(|(_, count)| Reverse(**count));
    let functions = functions.into_iter().map(|(name, count)| Function {
        function: name.clone(),
        part: symbols.part(name).map(str::to_owned),
        instructions: ratio(*count, requests),
        share: ratio(*count, all),
    });
    functions.collect()
}

fn parts(functions: &[Function]) -> Vec<Part> {
    let mut parts: BTreeMap<Option<&String>, Part> = BTreeMap::new();
    for function in functions {
        let part = parts.entry(function.part.as_ref()).or_default();
        part.part.clone_from(&function.part);
        part.instructions += function.instructions;
        part.share += function.share;
    }
    let mut parts: Vec<Part> = parts.into_values().collect();
    parts.sort_by(|one, other| other.instructions.total_cmp(&one.instructions));
    parts
}

fn allocations(counts: &Counts, requests: u64) -> Vec<Allocation> {
    let mut sites: Vec<_> = counts.allocations.iter().collect();
    sites.sort_by_key(|site| Reverse(site.2));
    let allocations = sites.into_iter().map(|site| Allocation {
        caller: site.0.clone(),
        calls: site.1.clone(),
        count: ratio(site.2, requests),
    });
    allocations.collect()
}

fn never_executed(counts: &Counts, symbols: &Symbols) -> Never {
    let mut never = Never::default();
    let mut parts: BTreeMap<Option<&str>, Unused> = BTreeMap::new();
    for function in &symbols.functions {
        let executed = function.names.iter().any(|name| counts.executed.contains(*name));
        let part = function.part.as_deref();
        never.all.add(function.bytes, executed);
        parts.entry(part).or_default().add(function.bytes, executed);
        if !executed {
            never.largest.push(UnusedFunction {
                function: function.names.join(", "),
                part: part.map(str::to_owned),
                bytes: function.bytes,
            });
        }
    }
    let parts = parts.into_iter();
    never.parts =
        parts.map(|(part, unused)| UnusedPart { part: part.map(str::to_owned), unused }).collect();
    never.parts.sort_by_key(|part| Reverse(part.unused.bytes));
    never.largest.sort_by_key(|function| Reverse(function.bytes));
    never.largest.truncate(NAMED);
    never
}
