//! The functions of a kernel: their bytes, and the part of the kernel they belong to.

use std::collections::{BTreeMap, BTreeSet};

use super::Folders;

/// Where code lies, between two symbols of the linker script each
/// (include/asm-generic/vmlinux.lds.h).
const CODE: [(&str, &str); 2] = [("_stext", "_etext"), ("_sinittext", "_einittext")];

/// A function, or several at the same address.
pub(super) struct Function<'a> {
    pub(super) names: Vec<&'a str>,
    /// As far as the next symbol.
    pub(super) bytes: u64,
    pub(super) part: Option<String>,
}

/// The functions by rising address.
pub(super) struct Symbols<'a> {
    pub(super) functions: Vec<Function<'a>>,
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> Symbols<'a> {
    /// The functions of a `System.map`, other lines of which are passed over.
    pub(super) fn new(map: &'a str, folders: &Folders) -> Self {
        let mut places: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        let mut marks: BTreeMap<&str, u64> = BTreeMap::new();
        for (address, kind, name) in map.lines().filter_map(symbol) {
            let names = places.entry(address).or_default();
            if is_mark(name) {
                marks.insert(name, address);
            } else if matches!(kind, "t" | "T" | "w" | "W") {
                names.push(name);
            }
        }
        let mut functions: Vec<Function> = Vec::new();
        for (from, to) in CODE {
            let (Some(from), Some(to)) = (marks.get(from), marks.get(to)) else { continue };
            let code: Vec<_> = places.range(from..to).collect();
            let ends = code.iter().skip(1).map(|(address, _)| **address).chain([*to]);
            for ((address, names), end) in code.iter().zip(ends) {
                if names.is_empty() {
                    continue;
                }
                let names: Vec<&str> = (*names).clone();
                let before = functions.last().and_then(|function| function.part.as_deref());
                let part = part(&names, folders, before);
                functions.push(Function { names, bytes: end - **address, part });
            }
        }
        let names = functions.iter().enumerate().rev();
        let by_name =
            names.flat_map(|(place, it)| it.names.iter().map(move |name| (*name, place))).collect();
        Self { functions, by_name }
    }

    /// The part of the kernel that a function belongs to; the first of that name.
    pub(super) fn part(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).and_then(|place| self.functions[*place].part.as_deref())
    }
}

fn symbol(line: &str) -> Option<(u64, &str, &str)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    Some((address, words.next()?, words.next()?))
}

/// Whether a symbol is the linker's rather than a function; also the padding that the
/// compiler may put before a function.
fn is_mark(name: &str) -> bool {
    name == "_text"
        || CODE.iter().any(|(from, to)| name == *from || name == *to)
        || name.ends_with("text_start")
        || name.ends_with("text_end")
        || name.starts_with("__pfx_")
}

/// The part of a function. What one file is compiled to lies together, so that of several
/// folders the one of the function before is likely.
fn part(names: &[&str], folders: &Folders, before: Option<&str>) -> Option<String> {
    if folders.is_empty() {
        return names.first().map(|name| prefix(name));
    }
    let known: BTreeSet<&str> =
        names.iter().filter_map(|name| of(name, folders)).flatten().map(String::as_str).collect();
    let part = before.filter(|before| known.contains(before)).or(known.first().copied());
    part.map(str::to_owned)
}

/// The folders of a name, also where the compiler made a part of it or a copy.
fn of<'a>(name: &str, folders: &'a Folders) -> Option<&'a BTreeSet<String>> {
    folders.get(name).or_else(|| folders.get(name.split('.').next()?))
}

/// The first word of a name: `tcp_*` of `__tcp_push`.
fn prefix(name: &str) -> String {
    let word = name.trim_start_matches('_').split(['_', '.']).next().unwrap_or_default();
    format!("{word}_*")
}
