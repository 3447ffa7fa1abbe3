//! What the built server does with our configuration. `APPLIANCE_SERVER` names
//! the server; without it, and for modules that it does not have, the tests are
//! reported as ignored. `APPLIANCE_LIGHTTPD_SOURCE` names lighttpd's tarball, with
//! which our tables are compared.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod objections;
mod requests;
mod site;
mod source;

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use lighttpd_static::{Modules, Settings, check};

/// A test and the module that it needs.
type Row = (&'static str, Option<&'static str>, fn(&Path));

fn main() {
    let server = std::env::var_os("APPLIANCE_SERVER").map(PathBuf::from);
    let rows = requests::TESTS.iter().chain(objections::TESTS);
    let mut trials: Vec<Trial> = rows.map(|row| trial(row, server.as_deref())).collect();
    let tarball = std::env::var_os("APPLIANCE_LIGHTTPD_SOURCE").map(PathBuf::from);
    let is_missing = tarball.is_none();
    let compare =
        move || tarball.as_deref().map_or(Ok(()), |tarball| run(source::compare, tarball));
    trials.push(Trial::test("tables_are_lighttpds", compare).with_ignored_flag(is_missing));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial((name, module, test): &Row, server: Option<&Path>) -> Trial {
    let usable = server.filter(|server| module.is_none_or(|module| has(server, module)));
    let (test, path) = (*test, usable.map(Path::to_owned));
    Trial::test(*name, move || path.as_deref().map_or(Ok(()), |path| run(test, path)))
        .with_ignored_flag(usable.is_none())
}

fn run(test: fn(&Path), path: &Path) -> Result<(), Failed> {
    std::panic::catch_unwind(|| test(path)).map_err(|_| Failed::without_message())
}

/// Whether a module is built into the server, by its own word.
fn has(server: &Path, module: &str) -> bool {
    let scratch = tempfile::tempdir().unwrap();
    let modules = Modules::new([module]).unwrap();
    let settings = Settings {
        listen: &[site::LOCALHOST],
        port: 80,
        modules: &modules,
        files: &[],
        user: false,
    };
    check(server, &settings.text(), None, scratch.path()).is_ok()
}
