//! The plugin counts right: a guest whose counts are known, and a real kernel.
//! `APPLIANCE_IMAGE` names the output directory of a build for the latter; without
//! it those tests are reported as ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod image;
mod known;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use host::Command;
use libtest_mimic::{Arguments, Trial};

/// How long anything here may take, on a busy host.
const DEADLINE: Duration = Duration::from_secs(120);

fn main() {
    let image = std::env::var_os("APPLIANCE_IMAGE").map(PathBuf::from);
    let mut trials = Vec::new();
    for (name, test) in known::TESTS {
        trials.push(Trial::test(*name, move || judge(test())));
    }
    for (name, test) in image::TESTS {
        let image = image.clone();
        let is_missing = image.is_none();
        let run = move || judge(image.as_deref().map_or(Ok(()), test));
        trials.push(Trial::test(*name, run).with_ignored_flag(is_missing));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn judge(result: Result<()>) -> Result<(), libtest_mimic::Failed> {
    result.map_err(|error| format!("{error:#}").into())
}

/// The plugin, built as the builder does.
fn plugin() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "bench-plugin", "--profile", "release"])
        // The compiler beside this cargo, and not the one that rustup looks up:
        // without our environment it may install or replace a toolchain.
        .env("RUSTC", Path::new(env!("CARGO")).with_file_name("rustc"))
        .env("RUSTUP_AUTO_INSTALL", "0")
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .run()?;
    Ok(target.join("release/libbench_plugin.so"))
}
