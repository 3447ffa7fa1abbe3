//! Symbols of a configuration, as `kconfig/explain.c` describes them.

use anyhow::{Context, Result};
use serde::Deserialize;

/// A symbol that the kernel's Kconfig files define.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// As in a `.config` file, but without quotes.
    pub(crate) value: String,
    /// The menu that it is in, two levels deep.
    pub(crate) group: String,
    /// Whether a person can set it at all.
    pub(crate) prompt: bool,
    /// The conditions that keep it from being set, with the values of their
    /// symbols.
    pub(crate) unmet: Vec<String>,
    /// Who selects it.
    pub(crate) selected_by: Vec<String>,
    /// The one that is chosen, if this is one of several to choose from.
    pub(crate) chosen: Option<String>,
    /// The lowest and the highest number allowed.
    pub(crate) range: Option<[String; 2]>,
}

/// The type of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Bool,
    Tristate,
    Integer,
    Hex,
    String,
}

/// Reads the output of `explain`, sorted by name.
pub(crate) fn parse(text: &str) -> Result<Vec<Symbol>> {
    let mut symbols = text
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("reading {line:?}")))
        .collect::<Result<Vec<Symbol>>>()?;
    symbols.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(symbols)
}
