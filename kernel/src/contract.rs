//! The contract: what was requested against what the kernel's own parser made of
//! it. Kconfig itself drops a request silently when a dependency is not met.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use host::{failed, nearest, refused};
use serde::Serialize;

use crate::request::{Requested, Value};
use crate::symbol::{Kind, Symbol};

/// How many names are suggested for one that does not exist.
const SUGGESTED: usize = 3;

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The request.
    #[serde(flatten)]
    pub requested: Requested,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The configuration has it.
    Kept,
    /// It was to be on and is off.
    Dropped {
        /// The conditions that are not met, with the values of their symbols;
        /// none, when it is not up to a person to set it.
        unmet: Vec<String>,
        /// What is chosen instead, if it is one of several to choose from.
        chosen: Option<String>,
    },
    /// It has another value.
    Forced {
        /// The value.
        value: String,
        /// Who selects it.
        by: Vec<String>,
        /// The lowest and the highest number allowed.
        range: Option<[String; 2]>,
    },
    /// It has another type.
    WrongType {
        /// What values of that type are, in words.
        expected: &'static str,
    },
    /// There is no such symbol.
    Unknown {
        /// Names that are like it.
        nearest: Vec<String>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("kept"),
            Self::Dropped { chosen: Some(chosen), .. } => {
                write!(f, "dropped: only one can be chosen, and that is {chosen}")
            }
            Self::Dropped { unmet, .. } if unmet.is_empty() => {
                f.write_str("dropped: it cannot be set, only selected by other options")
            }
            Self::Dropped { unmet, .. } => write!(f, "dropped: it needs {}", unmet.join(" and ")),
            Self::Forced { value, range: Some([low, high]), .. } => {
                write!(f, "forced to {value}: allowed is {low} to {high}")
            }
            Self::Forced { value, by, .. } if by.is_empty() => {
                write!(f, "forced to {value}: it follows from other options and cannot be set")
            }
            Self::Forced { value, by, .. } => {
                write!(f, "forced to {value}: selected by {}", by.join(", "))
            }
            Self::WrongType { expected } => write!(f, "not understood: it takes {expected}"),
            Self::Unknown { nearest } if nearest.is_empty() => {
                f.write_str("unknown: this kernel has no such option")
            }
            Self::Unknown { nearest } => write!(
                f,
                "unknown: this kernel has no such option; similar names: {}",
                nearest.join(", ")
            ),
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requested { symbol, value, origin, .. } = &self.requested;
        write!(f, "{symbol}={value} ({origin}) is {}", self.verdict)
    }
}

/// Judges every request.
pub(crate) fn judge(requested: &[Requested], symbols: &[Symbol]) -> Vec<Judged> {
    let by_name: BTreeMap<&str, &Symbol> =
        symbols.iter().map(|symbol| (symbol.name.as_str(), symbol)).collect();
    requested
        .iter()
        .map(|requested| {
            let verdict = match by_name.get(requested.symbol.as_str()) {
                Some(symbol) => verdict(&requested.value, symbol),
                None => Verdict::Unknown { nearest: similar(&requested.symbol, symbols) },
            };
            Judged { requested: requested.clone(), verdict }
        })
        .collect()
}

fn verdict(value: &Value, symbol: &Symbol) -> Verdict {
    let kept = match (symbol.kind, value) {
        (Kind::Bool | Kind::Tristate, Value::Switch(on)) => {
            symbol.value == if *on { "y" } else { "n" }
        }
        (Kind::Integer, Value::Number(number)) => symbol.value.parse() == Ok(*number),
        (Kind::Hex, Value::Hex(number)) => {
            let digits = symbol.value.trim_start_matches("0x");
            u64::from_str_radix(digits, 16) == Ok(*number)
        }
        (Kind::String, Value::Text(text)) => symbol.value == *text,
        _ => return Verdict::WrongType { expected: expected(symbol.kind) },
    };
    if kept {
        Verdict::Kept
    } else if *value == Value::Switch(true) || !symbol.unmet.is_empty() {
        let chosen = symbol.chosen.clone().filter(|_| symbol.unmet.is_empty());
        Verdict::Dropped { unmet: symbol.unmet.clone(), chosen }
    } else {
        Verdict::Forced {
            value: symbol.value.clone(),
            by: symbol.selected_by.clone(),
            range: symbol.range.clone(),
        }
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool | Kind::Tristate => "true or false",
        Kind::Integer => "a number",
        Kind::Hex => "a hexadecimal number as text, for example \"0x100000\"",
        Kind::String => "a text",
    }
}

/// The names most like one that does not exist, the nearest first.
fn similar(name: &str, symbols: &[Symbol]) -> Vec<String> {
    let upper = name.to_uppercase();
    let mut found: Vec<&str> = Vec::new();
    while found.len() < SUGGESTED {
        let others = symbols.iter().map(|symbol| symbol.name.as_str());
        match nearest(&upper, others.filter(|name| !found.contains(name))) {
            Some(name) => found.push(name),
            None => break,
        }
    }
    found.into_iter().map(str::to_owned).collect()
}

/// Ends the build when a request was not kept. The user's options are at fault
/// whenever there are some: our fragments alone fulfil the contract.
pub(crate) fn check(judged: &[Judged]) -> Result<()> {
    let broken: Vec<&Judged> =
        judged.iter().filter(|judged| judged.verdict != Verdict::Kept).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let list: String = broken.iter().map(|judged| format!("\n    {judged}")).collect();
    let culprits = culprits(judged, &broken);
    let without = without(&broken);
    if culprits.is_empty() {
        let tested = "build the tested version of the kernel source, which `--locked` insists on";
        return Err(failed(format!("this kernel does not fulfil our fragments:{list}"))
            .hint(format!("{tested}{without}"))
            .into());
    }
    Err(refused(format!("the kernel options cannot be had as they are given:{list}"))
        .hint(format!("change {}{without}", culprits.join(" or ")))
        .into())
}

/// The way out that is left where nothing but tailorings is broken: to do without them.
fn without(broken: &[&Judged]) -> String {
    let is_on = |it: &Requested| it.is_tailoring() && it.value == Value::Switch(true);
    if !broken.iter().all(|judged| is_on(&judged.requested)) {
        return String::new();
    }
    let off: Vec<String> =
        broken.iter().map(|judged| format!("`{} = false`", judged.requested.symbol)).collect();
    format!(", or add {} to [kernel.options]", off.join(" and "))
}

/// Where the user made the requests that may have broken the contract: those that
/// were not kept or that the reason of another one names; else all of them.
fn culprits(judged: &[Judged], broken: &[&Judged]) -> Vec<String> {
    let reasons: String = broken.iter().map(|judged| format!("{} ", judged.verdict)).collect();
    let words: BTreeSet<&str> =
        reasons.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let users = || judged.iter().filter(|judged| judged.requested.is_user());
    let named = |judged: &&Judged| {
        judged.verdict != Verdict::Kept || words.contains(judged.requested.symbol.as_str())
    };
    let place = |judged: &Judged| judged.requested.origin.to_string();
    match users().filter(named).map(place).collect::<Vec<_>>() {
        none if none.is_empty() => users().map(place).collect(),
        some => some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Origin;
    use crate::tailor::Measure;

    fn symbol(name: &str, kind: Kind, value: &str) -> Symbol {
        Symbol {
            name: name.into(),
            kind,
            value: value.into(),
            group: String::new(),
            prompt: true,
            unmet: Vec::new(),
            selected_by: Vec::new(),
            chosen: None,
            range: None,
        }
    }

    fn judge_one(value: Value, symbol: Symbol) -> String {
        let requested = Requested::by_user(symbol.name.clone(), value, "place");
        judge(&[requested], &[symbol])[0].verdict.to_string()
    }

    #[test]
    fn every_type_of_value_can_be_kept() {
        let kept = |value, kind, text| judge_one(value, symbol("A", kind, text)) == "kept";
        assert!(kept(Value::Switch(true), Kind::Tristate, "y"));
        assert!(kept(Value::Switch(false), Kind::Bool, "n"));
        assert!(kept(Value::Number(15), Kind::Integer, "15"));
        assert!(kept(Value::Hex(16), Kind::Hex, "0x10"));
        assert!(kept(Value::Text("a".into()), Kind::String, "a"));
        assert!(!kept(Value::Number(16), Kind::Hex, "0x10"));
        assert!(!kept(Value::Switch(true), Kind::Tristate, "m"));
    }

    #[test]
    fn a_dropped_symbol_names_what_it_needs() {
        let net = Symbol {
            unmet: vec!["NETDEVICES [=n]".into(), "PCI [=n]".into()],
            ..symbol("NET", Kind::Bool, "n")
        };
        let text = judge_one(Value::Switch(true), net);
        assert_eq!(text, "dropped: it needs NETDEVICES [=n] and PCI [=n]");
        let lz4 = Symbol { chosen: Some("GZIP".into()), ..symbol("LZ4", Kind::Bool, "n") };
        let text = judge_one(Value::Switch(true), lz4);
        assert_eq!(text, "dropped: only one can be chosen, and that is GZIP");
    }

    #[test]
    fn a_forced_symbol_names_who_forces_it() {
        let crc = Symbol { selected_by: vec!["ACPI".into()], ..symbol("CRC32", Kind::Bool, "y") };
        let text = judge_one(Value::Switch(false), crc);
        assert_eq!(text, "forced to y: selected by ACPI");
        let range = Some(["12".into(), "25".into()]);
        let shift = Symbol { range, ..symbol("SHIFT", Kind::Integer, "25") };
        assert_eq!(judge_one(Value::Number(30), shift), "forced to 25: allowed is 12 to 25");
    }

    #[test]
    fn a_name_that_does_not_exist_gets_suggestions() {
        let symbols = ["EXT4_FS", "EXT2_FS", "SOUND"].map(|name| symbol(name, Kind::Bool, "n"));
        let requested = Requested::by_user("ext4fs", Value::Switch(true), "place");
        let judged = judge(&[requested], &symbols);
        let Verdict::Unknown { nearest } = &judged[0].verdict else { panic!("{judged:?}") };
        assert_eq!(nearest, &["EXT4_FS", "EXT2_FS"]);
    }

    #[test]
    fn the_fault_is_the_users_only_if_there_are_options_of_theirs() {
        let kind = |judged: &[Judged]| {
            check(judged).unwrap_err().downcast::<host::Problem>().unwrap().kind
        };
        let ours = Requested {
            origin: Origin::Fragment { path: "f.config", line: 1 },
            ..Requested::by_user("A", Value::Switch(true), "")
        };
        let broken = judge(std::slice::from_ref(&ours), &[symbol("A", Kind::Bool, "n")]);
        assert_eq!(kind(&broken), host::Kind::Failed);
        let theirs = Requested::by_user("B", Value::Switch(true), "place");
        let both = [symbol("A", Kind::Bool, "n"), symbol("B", Kind::Bool, "y")];
        assert_eq!(kind(&judge(&[ours, theirs], &both)), host::Kind::Refused);
    }

    #[test]
    fn the_hint_names_the_options_that_broke_it() {
        let by_user =
            |name: &str| Requested::by_user(name, Value::Switch(true), format!("options.{name}"));
        let requested = ["A", "B", "C"].map(by_user);
        let dropped = Symbol { unmet: vec!["!B [=y]".into()], ..symbol("A", Kind::Bool, "n") };
        let on = |name| symbol(name, Kind::Bool, "y");
        let error = check(&judge(&requested, &[dropped, on("B"), on("C")])).unwrap_err();
        let problem = error.downcast::<host::Problem>().unwrap();
        assert_eq!(problem.hint.unwrap(), "change options.A or options.B");
    }

    #[test]
    fn an_option_of_the_menu_that_needs_another_can_be_off_too() {
        let path = Requested {
            origin: Origin::Tailor(Measure::Vfs),
            ..Requested::by_user("TAILOR_PATH", Value::Switch(true), "")
        };
        let dac = Requested::by_user("TAILOR_DAC", Value::Switch(false), "options.TAILOR_DAC");
        let unmet = vec!["TAILOR_DAC [=n]".into()];
        let symbols = [
            symbol("TAILOR_DAC", Kind::Bool, "n"),
            Symbol { unmet, ..symbol("TAILOR_PATH", Kind::Bool, "n") },
        ];
        let error = check(&judge(&[path, dac], &symbols)).unwrap_err();
        let problem = error.downcast::<host::Problem>().unwrap();
        let dropped = "TAILOR_PATH=y (kernel.tailor.vfs) is dropped: it needs TAILOR_DAC [=n]";
        assert!(problem.what.ends_with(dropped), "{}", problem.what);
        let ways = "change options.TAILOR_DAC, or add `TAILOR_PATH = false` to [kernel.options]";
        assert_eq!(problem.hint.unwrap(), ways);
    }
}
