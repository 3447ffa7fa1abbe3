//! Boots every image that the builder can make, in every way, and asks it what a
//! web server is asked.
//!
//! With `APPLIANCE_BOOT_TESTS=1` in the environment, as `./test` sets it; without,
//! every test is reported as ignored, since building the images takes minutes. With
//! `full`, as `./test --full` sets it, those that take long run, too.
//! Verdicts come from HTTP and from the guest's own console, under a deadline.

mod command;
mod every;
mod host_target;
mod http;
mod image;
mod kml;
mod life;
mod load;
mod network;
mod outside;
mod package;
mod project;
mod trial;
mod vmware;

use std::process::ExitCode;

use libtest_mimic::{Arguments, run};

/// Turns the tests on.
const SWITCH: &str = "APPLIANCE_BOOT_TESTS";
/// How many guests run at a time: emulation keeps a processor busy for each.
const GUESTS: usize = 2;

fn main() -> ExitCode {
    if command::is_asked_for() {
        return command::run();
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(GUESTS);
    let groups = [
        every::trials(),
        host_target::trials(),
        http::trials(),
        network::trials(),
        outside::trials(),
        life::trials(),
        kml::trials(),
        load::trials(),
        vmware::trials(),
        package::trials(),
        command::trials(),
    ];
    let mut trials: Vec<_> = groups.into_iter().flatten().collect();
    if std::env::var_os(SWITCH).is_none() {
        eprintln!("the boot tests are ignored: set {SWITCH}=1 to build and boot the images");
        trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    }
    run(&arguments, trials).exit_code()
}
