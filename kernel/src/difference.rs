//! How far a configuration is from another one, in numbers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::configure::Configuration;

/// How many groups are shown.
const SHOWN: usize = 12;
/// The name of the group of symbols that this kernel does not define.
const NOT_OURS: &str = "(not in this kernel)";
/// The name of the group of symbols that follow from others.
const NO_MENU: &str = "(in no menu)";

/// The difference of our configuration from another, counted in switches: symbols
/// that can be `y`, `m` or `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Built in here.
    pub built_in: usize,
    /// Built in there.
    pub built_in_there: usize,
    /// Modules there; there are none here.
    pub modules_there: usize,
    /// On there, as `y` or `m`, and off here.
    pub dropped: usize,
    /// On here and off there.
    pub added: Vec<String>,
    /// A module there and built in here.
    pub built_in_instead: usize,
    /// The menus from which most was dropped, in falling order.
    pub groups: Vec<Group>,
}

/// A menu of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its name and, inside it, that of a menu of its own.
    pub name: String,
    /// Switches that are on here.
    pub here: usize,
    /// Switches that are on there.
    pub there: usize,
}

impl Configuration {
    /// The difference from another configuration of the same kernel, given as the
    /// text of its `.config` file.
    pub fn difference(&self, other: &str) -> Difference {
        let here: BTreeMap<&str, char> = switches(&self.text).collect();
        let there: BTreeMap<&str, char> = switches(other).collect();
        let count =
            |map: &BTreeMap<&str, char>, value| map.values().filter(|v| **v == value).count();
        let added = here.keys().filter(|name| !there.contains_key(*name));
        let instead = here.keys().filter(|name| there.get(*name) == Some(&'m'));
        Difference {
            built_in: here.len(),
            built_in_there: count(&there, 'y'),
            modules_there: count(&there, 'm'),
            dropped: there.keys().filter(|name| !here.contains_key(*name)).count(),
            added: added.map(|name| (*name).to_owned()).collect(),
            built_in_instead: instead.count(),
            groups: self.groups(&here, &there),
        }
    }

    fn groups(&self, here: &BTreeMap<&str, char>, there: &BTreeMap<&str, char>) -> Vec<Group> {
        let menus: BTreeMap<&str, &str> = self
            .symbols
            .iter()
            .map(|symbol| match symbol.group.as_str() {
                "" => (symbol.name.as_str(), NO_MENU),
                group => (symbol.name.as_str(), group),
            })
            .collect();
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for name in here.keys() {
            counts.entry(menus.get(name).unwrap_or(&NOT_OURS)).or_default().0 += 1;
        }
        for name in there.keys() {
            counts.entry(menus.get(name).unwrap_or(&NOT_OURS)).or_default().1 += 1;
        }
        let mut groups: Vec<Group> = counts
            .into_iter()
            .filter(|(_, (here, there))| here != there)
            .map(|(name, (here, there))| Group { name: name.to_owned(), here, there })
            .collect();
        groups.sort_by_key(|group| Reverse(group.there.saturating_sub(group.here)));
        groups.truncate(SHOWN);
        groups
    }
}

/// The switches of a `.config` file that are on.
fn switches(text: &str) -> impl Iterator<Item = (&str, char)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        match value {
            "y" => Some((name, 'y')),
            "m" => Some((name, 'm')),
            _ => None,
        }
    })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  here  there")?;
        for (here, there, what) in [
            (self.built_in, self.built_in_there, "built in"),
            (0, self.modules_there, "modules"),
            (self.added.len(), self.dropped, "on only on this side"),
            (self.built_in_instead, self.built_in_instead, "built in here, modules there"),
        ] {
            writeln!(f, "{here:>6} {there:>6}  {what}")?;
        }
        writeln!(f, "\n  here  there  where they differ most")?;
        for Group { name, here, there } in &self.groups {
            writeln!(f, "{here:>6} {there:>6}  {name}")?;
        }
        writeln!(f, "\non only here: {}", self.added.join(", "))
    }
}
