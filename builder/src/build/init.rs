//! PID 1: the crate `init`, built for the guest.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, digest_file, digest_tree};

use super::Bench;
use crate::cache::Inputs;
use crate::home;

/// The profile of the workspace's Cargo.toml that PID 1 is built with.
const PROFILE: &str = "init";
/// A cold build takes some ten seconds.
const DEADLINE: Duration = Duration::from_secs(300);

/// Builds PID 1; gives the program's file.
pub(super) fn build(bench: &Bench) -> Result<PathBuf> {
    let repository = home::repository();
    let sources = repository.join("initramfs/init");
    let lock = repository.join("Cargo.lock");
    let rustc = Command::new("rustc").arg("-vV").output()?;
    let inputs = Inputs::from([
        (
            "source".into(),
            digest_tree(&sources).context("reading the sources of PID 1")?.to_string(),
        ),
        ("Cargo.lock".into(), digest_file(&lock)?.to_string()),
        // It holds the profile.
        ("Cargo.toml".into(), digest_file(&repository.join("Cargo.toml"))?.to_string()),
        ("rustc".into(), String::from_utf8_lossy(&rustc).into_owned()),
    ]);
    let target = bench.cache.root().join("work/init");
    let out = bench.cache.step("init", "build PID 1", &inputs, bench.progress, |job| {
        // One cargo at a time builds there; cargo waits for another by itself.
        Command::new("cargo")
            .args(["build", "--quiet", "--locked", "--package", "init", "--bin", "init"])
            .args(["--features", "pid1", "--profile", PROFILE, "--target-dir"])
            .arg(&target)
            .env("RUSTFLAGS", remap(&repository))
            .current_dir(&repository)
            .log(&job.log)
            .deadline(DEADLINE)
            .run()?;
        let built = target.join(PROFILE).join("init");
        std::fs::copy(&built, job.out.join("init"))
            .with_context(|| format!("copying {}", built.display()))?;
        Ok(())
    })?;
    Ok(out.join("init"))
}

/// Keeps the paths of this machine out of the program.
fn remap(repository: &std::path::Path) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .unwrap_or_default();
    format!(
        "--remap-path-prefix={}=/appliance --remap-path-prefix={}=/cargo",
        repository.display(),
        cargo_home.display()
    )
}
