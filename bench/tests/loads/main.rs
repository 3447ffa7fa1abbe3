//! The loads, against a small server of our own and against a real guest.
//! `APPLIANCE_IMAGE` names the output directory of a build of examples/hello for
//! the latter; without it those tests are reported as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod guest;
mod known;
mod server;

use std::path::PathBuf;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let image = std::env::var_os("APPLIANCE_IMAGE").map(PathBuf::from);
    let mut trials = Vec::new();
    for (name, test) in known::TESTS {
        trials.push(Trial::test(*name, move || {
            test();
            Ok(())
        }));
    }
    for (name, test) in guest::TESTS {
        let is_missing = image.is_none();
        let image = image.clone();
        let run = move || {
            image.as_deref().map_or(Ok(()), test).map_err(|error| format!("{error:#}").into())
        };
        trials.push(Trial::test(*name, run).with_ignored_flag(is_missing));
    }
    // One guest at a time; one of the tests kills whichever there is.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit();
}
