//! The derived configuration with the reason for each symbol.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::configure::Configuration;
use crate::contract::Judged;
use crate::symbol::Symbol;

/// A symbol that the kernel has, its value, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name without `CONFIG_`.
    pub symbol: String,
    /// Its value, as in a `.config` file but without quotes.
    pub value: String,
    /// Why it has this value.
    pub reason: Reason,
}

/// Why a symbol has its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It was requested.
    Requested {
        /// The reason that was given.
        why: String,
        /// Who requests it: a line of a fragment, or the user.
        origin: String,
    },
    /// Others select it.
    Selected {
        /// Their names.
        by: Vec<String>,
    },
    /// It follows from the architecture, the compiler, or other symbols; nobody
    /// can set it.
    Derived,
    /// Nobody asked for anything else.
    Default,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested { why, origin } => write!(f, "{why} ({origin})"),
            Self::Selected { by } => write!(f, "selected by {}", by.join(", ")),
            Self::Derived => f.write_str("follows from the architecture or from others"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = format!("{}={}", self.symbol, self.value);
        write!(f, "{setting:<36} {}", self.reason)
    }
}

impl Configuration {
    /// What the configuration file sets: first what was requested, in the order of
    /// the fragments, then the rest by name.
    pub fn settings(&self) -> Vec<Setting> {
        let mut rest: BTreeMap<&str, &Symbol> =
            self.symbols.iter().map(|symbol| (symbol.name.as_str(), symbol)).collect();
        let mut settings = Vec::new();
        for Judged { requested, .. } in &self.judged {
            if let Some(symbol) = rest.remove(requested.symbol.as_str()) {
                let (why, origin) = (requested.why.clone(), requested.origin.to_string());
                settings.push(Setting::new(symbol, Reason::Requested { why, origin }));
            }
        }
        let set =
            self.text.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
        let set: BTreeSet<&str> = set.map(|(name, _)| name).collect();
        rest.retain(|name, symbol| set.contains(name) && !symbol.value.is_empty());
        settings.extend(rest.into_values().map(|symbol| Setting::new(symbol, reason(symbol))));
        settings
    }
}

/// The reason of a symbol that was not requested.
fn reason(symbol: &Symbol) -> Reason {
    if !symbol.selected_by.is_empty() {
        Reason::Selected { by: symbol.selected_by.clone() }
    } else if symbol.prompt && symbol.unmet.is_empty() {
        Reason::Default
    } else {
        Reason::Derived
    }
}

impl Setting {
    fn new(symbol: &Symbol, reason: Reason) -> Self {
        Self { symbol: symbol.name.clone(), value: symbol.value.clone(), reason }
    }
}
