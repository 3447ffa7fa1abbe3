//! Proves the patches to the kernel: a tailored kernel has to answer as one without
//! them does.
//!
//! `APPLIANCE_PROOF=quick` compares some ten thousand random calls and the cases of
//! pjdfstest, and cuts the power, as `./test` does; `APPLIANCE_PROOF=full` compares a
//! million calls, and the cases of kselftest, stress-ng and fio, does all of that with
//! every measure alone, too, calls each option alone, cuts the power of a kernel without
//! patches, and makes calls and runs the suites under KASAN and lockdep, as `./test --full`
//! does. Without, every test is reported as ignored: kernels have to be compiled. Seeds
//! are fixed and printed.

mod cut;
mod fuzz;
mod guest;
mod kernels;
mod off;
mod sanitizers;
mod serve;
mod suites;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial, run};

/// Turns the tests on.
const SWITCH: &str = "APPLIANCE_PROOF";

/// A test, and whether it takes too long for every run.
type Test = (&'static str, bool, fn() -> Result<()>);

const TESTS: &[Test] = &[
    ("fuzz::a_tailored_kernel_answers_as_another", false, fuzz::quick),
    ("fuzz::a_kernel_that_does_not_forget_is_found", false, fuzz::seeded_bug),
    ("fuzz::a_million_calls", true, fuzz::million),
    ("fuzz::each_measure_alone", true, fuzz::each_measure),
    ("fuzz::each_option_alone", true, fuzz::each_option),
    ("off::every_option_off_is_upstreams_code", true, off::is_upstream),
    ("cut::the_file_system_survives", false, cut::all_measures),
    ("cut::with_each_measure", true, cut::each_measure),
    ("serve::each_measure_alone", true, serve::each_measure),
    ("suites::pjdfstest", false, || suites::all_measures(&suites::PJDFSTEST)),
    ("suites::pjdfstest_with_each_measure", true, || suites::each_measure(&suites::PJDFSTEST)),
    ("suites::kselftest", true, || suites::all_measures(&suites::KSELFTEST)),
    ("suites::kselftest_with_each_measure", true, || suites::each_measure(&suites::KSELFTEST)),
    ("suites::pjdfstest_in_ring_0", true, || suites::in_ring_0(&suites::PJDFSTEST)),
    ("suites::kselftest_in_ring_0", true, || suites::in_ring_0(&suites::KSELFTEST)),
    ("suites::stress_ng", true, || suites::all_measures(&suites::STRESS_NG)),
    ("suites::stress_ng_with_each_measure", true, || suites::each_measure(&suites::STRESS_NG)),
    ("suites::stress_ng_finds_a_kernel_that_does_not_forget", true, suites::seeded_bug),
    ("suites::fio", true, || suites::all_measures(&suites::FIO)),
    ("suites::fio_with_each_measure", true, || suites::each_measure(&suites::FIO)),
    ("sanitizers::no_report_of_kasan_or_lockdep", true, sanitizers::fuzz),
    ("sanitizers::nor_with_the_short_way_into_the_kernel", true, sanitizers::fuzz_entry),
    ("sanitizers::nor_from_an_image_that_serves", true, sanitizers::served),
    ("sanitizers::nor_from_the_suites", true, sanitizers::suites),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests start guests in pairs and share kernels.
    arguments.test_threads = Some(1);
    let level = std::env::var(SWITCH).unwrap_or_default();
    match level.as_str() {
        "quick" | "full" => {}
        "" => eprintln!("the proofs are ignored: set {SWITCH}=quick or {SWITCH}=full"),
        other => {
            eprintln!("{SWITCH}={other}: it is `quick` or `full`");
            return ExitCode::from(2);
        }
    }
    let tests = TESTS.iter().filter(|(_, is_long, _)| level != "quick" || !is_long);
    let trials = tests.map(|(name, _, test)| {
        let run = move || test().map_err(|error| Failed::from(format!("{error:#}")));
        Trial::test(*name, run).with_ignored_flag(level.is_empty())
    });
    run(&arguments, trials.collect()).exit_code()
}
