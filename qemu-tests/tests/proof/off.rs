//! The patches are there, and every option of theirs is off: what is compiled is
//! upstream's code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use host::Command;
use kernel::{OPTIONS, Tailor};

use crate::kernels::image;

/// How many functions a kernel has at the least: fewer, and they were not read.
const FUNCTIONS: usize = 10_000;

/// The names of the instructions of each function, in the order of the alphabet.
type Functions = BTreeMap<String, Vec<String>>;

pub(crate) fn is_upstream() -> Result<()> {
    let off: Vec<_> = OPTIONS.iter().map(|option| (option.symbol, false)).collect();
    let patched = functions(&image("off", Tailor::ALL, &off)?)?;
    let upstream = functions(&image("untailored", Tailor::CONFIGURATION, &[])?)?;
    let differing = differing(&patched, &upstream);
    ensure!(differing.is_empty(), "these functions differ: {}", differing.join(", "));
    // It would see a difference.
    let tailored = functions(&image("tailored", Tailor::ALL, &[])?)?;
    ensure!(self::differing(&tailored, &upstream).contains(&"do_idle"), "nothing is seen");
    println!("{} functions are upstream's", upstream.len());
    Ok(())
}

fn differing<'a>(one: &'a Functions, two: &'a Functions) -> Vec<&'a str> {
    let names = one.keys().chain(two.keys().filter(|name| !one.contains_key(*name)));
    names.filter(|name| one.get(*name) != two.get(*name)).map(String::as_str).collect()
}

/// Reads them from an output directory. Where the compiler puts the blocks of a function
/// is left to it: neither the order nor jumps nor padding count.
fn functions(out: &Path) -> Result<Functions> {
    let map = fs::read_to_string(out.join("System.map")).context("reading System.map")?;
    let starts: BTreeMap<u64, &str> = map.lines().filter_map(start).collect();
    let said = Command::new("objdump").args(["-d", "--no-show-raw-insn"]);
    let said = said.arg(out.join("vmlinux")).output()?;
    let mut functions = Functions::new();
    for (address, name) in String::from_utf8_lossy(&said).lines().filter_map(instruction) {
        if let Some((_, function)) = starts.range(..=address).next_back() {
            functions.entry((*function).to_owned()).or_default().push(name.to_owned());
        }
    }
    functions.values_mut().for_each(|names| names.sort_unstable());
    ensure!(functions.len() >= FUNCTIONS, "{} functions in {}", functions.len(), out.display());
    Ok(functions)
}

/// The address and the name of a function in a line of `System.map`, without what the
/// compiler appends to the names of copies.
fn start(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let (kind, name) = (words.next()?, words.next()?);
    let is_code = kind.eq_ignore_ascii_case("t");
    is_code.then(|| (address, name.split('.').next().unwrap_or(name)))
}

/// The address and the name of an instruction in a line of `objdump`, if it counts.
fn instruction(line: &str) -> Option<(u64, &str)> {
    const PADDING: [&str; 7] = ["nop", "nopw", "nopl", "data16", "cs", "xchg", "int3"];
    let (address, rest) = line.split_once(":\t")?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    let name = rest.split_ascii_whitespace().next()?;
    let counts = !name.starts_with('j') && !PADDING.contains(&name);
    counts.then_some((address, name))
}
