//! The configuration: the requests on top of nothing, worked out and explained by
//! the kernel's own parser.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use host::{Command, write_atomically};

use crate::contract::{self, Judged};
use crate::request::Requested;
use crate::symbol::{self, Symbol};

/// Linked with the kernel's parser; says why each symbol has its value.
const EXPLAIN_C: &str = include_str!("../kconfig/explain.c");
/// Adds the target `explainconfig` to the kernel's Makefile.
const EXPLAIN_MK: &str = include_str!("../kconfig/explain.mk");

/// A configuration that keeps its contract.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The `.config` file.
    pub text: String,
    /// Every request with its verdict.
    pub judged: Vec<Judged>,
    /// Every symbol that the kernel defines, by name.
    pub(crate) symbols: Vec<Symbol>,
}

/// Derives the configuration of the kernel in `tree` from what is requested, and
/// checks it. Takes a second or two; nothing is compiled but the parser.
///
/// # Errors
/// Refused when options of the user's do not exist or cannot be had together with
/// what the appliance needs; failed when the kernel does not fulfil our own
/// requests, or make fails.
pub fn configure(tree: &Path, requested: &[Requested], log: &Path) -> Result<Configuration> {
    let dir = tree.join("configure");
    let (wanted, source, makefile) =
        (dir.join("requested.config"), dir.join("explain.c"), dir.join("explain.mk"));
    write_atomically(&wanted, request_file(requested).as_bytes())?;
    for (path, text) in [(&source, EXPLAIN_C), (&makefile, EXPLAIN_MK)] {
        // Unchanged, it keeps its time and is not compiled again.
        if fs::read_to_string(path).ok().as_deref() != Some(text) {
            write_atomically(path, text.as_bytes())?;
        }
    }
    make(tree, "configure", log)
        .env("KCONFIG_ALLCONFIG", &wanted)
        .arg("allnoconfig")
        .run()
        .context("configuring the kernel")?;
    make(tree, "configure", log)
        .env("MAKEFILES", &makefile)
        .env("EXPLAIN_SOURCE", &source)
        .arg("explainconfig")
        .run()
        .context("explaining the kernel's configuration")?;
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let symbols = symbol::parse(&read("symbols.json")?).context("reading symbols.json")?;
    let judged = contract::judge(requested, &symbols);
    contract::check(&judged)?;
    Ok(Configuration { text: read(".config")?, judged, symbols })
}

impl Configuration {
    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        let found = self.symbols.binary_search_by(|symbol| symbol.name.as_str().cmp(name));
        found.is_ok_and(|index| self.symbols[index].value == "y")
    }
}

/// The requests in the form that Kconfig reads.
fn request_file(requested: &[Requested]) -> String {
    let mut text = String::new();
    for Requested { symbol, value, .. } in requested {
        let _ = writeln!(text, "CONFIG_{symbol}={value}");
    }
    text
}

/// What every call of the kernel's Makefile is told. Tools that would only leave
/// their version in the configuration are hidden.
pub(crate) const ARGUMENTS: [&str; 4] =
    ["ARCH=x86_64", "RUSTC=false", "BINDGEN=false", "PAHOLE=false"];

/// A call of the kernel's Makefile for the directory `dir` directly below the
/// tree: there the kernel names its sources relative to it (`srctree` is `..`),
/// so that no path of the host gets into an object.
pub(crate) fn make<'a>(tree: &Path, dir: &str, log: &Path) -> Command<'a> {
    Command::new("make").current_dir(tree).log(log).arg(format!("O={dir}")).args(ARGUMENTS)
}
