//! Programs of this workspace that are built while the builder runs: PID 1, and
//! what a measurement needs in a guest and in QEMU.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, digest_file, digest_tree};

use crate::cache::{Cache, Inputs};
use crate::home;
use crate::progress::Progress;

/// A cold build takes some ten seconds.
const DEADLINE: Duration = Duration::from_secs(300);

/// A package and how it is built.
pub(crate) struct Program {
    /// The package; also the name of its step.
    pub package: &'static str,
    /// What the step does.
    pub what: &'static str,
    /// Directories of the repository that it is made from.
    pub sources: &'static [&'static str],
    /// What cargo is told beside the package and the profile.
    pub options: &'static [&'static str],
    /// The profile of the workspace's Cargo.toml, and the directory that cargo
    /// puts its results into.
    pub profile: &'static str,
    /// The files that are kept.
    pub results: &'static [&'static str],
}

/// PID 1.
pub(crate) const INIT: Program = Program {
    package: "init",
    what: "build PID 1",
    sources: &["initramfs/init"],
    options: &["--bin", "init", "--features", "pid1"],
    profile: "init",
    results: &["init"],
};

/// The plugin that counts a guest's instructions in QEMU.
pub(crate) const PLUGIN: Program = Program {
    package: "bench-plugin",
    what: "build the plugin that counts",
    sources: &["bench/plugin"],
    options: &[],
    profile: "release",
    results: &["libbench_plugin.so"],
};

/// What a measurement runs inside a guest.
pub(crate) const GUEST: Program = Program {
    package: "bench-guest",
    what: "build the programs that measure in a guest",
    sources: &["bench/guest", "initramfs/init"],
    options: &["--bins", "--features", "guest"],
    profile: "init",
    results: &["syscalls", "load-modules", "choose-scheduler"],
};

impl Program {
    /// Builds the program, unless the cache has it; gives the directory that holds
    /// the results.
    pub(crate) fn build(&self, cache: &Cache, progress: &Progress) -> Result<PathBuf> {
        let repository = home::repository();
        let target = cache.root().join("work/programs");
        cache.step(self.package, self.what, &self.inputs(&repository)?, progress, |job| {
            // One cargo at a time builds there; cargo waits for another by itself.
            Command::new("cargo")
                .args(["build", "--quiet", "--locked", "--package", self.package])
                .args(self.options)
                .args(["--profile", self.profile, "--target-dir"])
                .arg(&target)
                .env("RUSTFLAGS", remap(&repository))
                .current_dir(&repository)
                .log(&job.log)
                .deadline(DEADLINE)
                .run()?;
            for result in self.results {
                let built = target.join(self.profile).join(result);
                std::fs::copy(&built, job.out.join(result))
                    .with_context(|| format!("copying {}", built.display()))?;
            }
            Ok(())
        })
    }

    fn inputs(&self, repository: &Path) -> Result<Inputs> {
        let rustc = Command::new("rustc").arg("-vV").output()?;
        let mut inputs = Inputs::from([
            ("Cargo.lock".into(), digest_file(&repository.join("Cargo.lock"))?.to_string()),
            // It holds the profile.
            ("Cargo.toml".into(), digest_file(&repository.join("Cargo.toml"))?.to_string()),
            ("options".into(), self.options.join(" ")),
            ("rustc".into(), String::from_utf8_lossy(&rustc).into_owned()),
        ]);
        for source in self.sources {
            let digest = digest_tree(&repository.join(source))
                .with_context(|| format!("reading {source} of the repository"))?;
            inputs.insert((*source).into(), digest.to_string());
        }
        Ok(inputs)
    }
}

/// Keeps the paths of this machine out of the program.
fn remap(repository: &Path) -> String {
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
