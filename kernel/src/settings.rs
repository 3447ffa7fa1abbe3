//! The derived configuration with the reason for each symbol.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::configure::Configuration;
use crate::contract::Judged;

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
    /// Every symbol that is on or was requested, and every number and text: first
    /// what was requested, in the order of the fragments, then the rest by name.
    pub fn settings(&self) -> Vec<Setting> {
        let values: BTreeMap<&str, &str> = self
            .symbols
            .iter()
            .map(|symbol| (symbol.name.as_str(), symbol.value.as_str()))
            .collect();
        let mut settings: Vec<Setting> = self
            .judged
            .iter()
            .filter_map(|judged| requested(judged, values.get(judged.requested.symbol.as_str())?))
            .collect();
        let mut rest = values;
        for setting in &settings {
            rest.remove(setting.symbol.as_str());
        }
        for symbol in self.symbols.iter().filter(|symbol| symbol.is_on()) {
            if !rest.contains_key(symbol.name.as_str()) || symbol.value.is_empty() {
                continue;
            }
            let reason = match (symbol.selected_by.is_empty(), symbol.prompt) {
                (false, _) => Reason::Selected { by: symbol.selected_by.clone() },
                (true, true) if symbol.unmet.is_empty() => Reason::Default,
                (true, _) => Reason::Derived,
            };
            let (symbol, value) = (symbol.name.clone(), symbol.value.clone());
            settings.push(Setting { symbol, value, reason });
        }
        settings
    }
}

fn requested(judged: &Judged, value: &str) -> Option<Setting> {
    let request = &judged.requested;
    let reason = Reason::Requested { why: request.why.clone(), origin: request.origin.to_string() };
    Some(Setting { symbol: request.symbol.clone(), value: value.to_owned(), reason })
}
