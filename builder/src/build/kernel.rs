//! The kernel: source, configuration, compile.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use host::Lock;
use kernel::{Compile, Configuration, Patches, Requested};

use super::Bench;
use crate::cache::{Inputs, key};
use crate::home;
use crate::manifest::SourceRecord;
use crate::sources::Source;

/// A compiled kernel.
pub(super) struct Built {
    /// The directory with `vmlinuz`, `vmlinux`, `System.map`, `kernel.config`.
    pub dir: PathBuf,
    /// The release, such as `6.12.117`.
    pub release: String,
    /// What it was built from.
    pub source: SourceRecord,
}

/// Everything that a kernel of this plan depends on.
struct Recipe<'a> {
    source: Source<'a>,
    /// The directories of patches.
    patches: Vec<PathBuf>,
    requested: Vec<Requested>,
    inputs: Inputs,
}

/// Compiles the kernel of the plan, unless the cache has it.
pub(super) fn build(bench: &Bench) -> Result<Built> {
    let recipe = Recipe::new(bench)?;
    let what = "compile the kernel";
    let dir = match bench.cache.find("kernel", what, &recipe.inputs, bench.progress) {
        Some(dir) => dir,
        None => recipe.compile(bench, what)?,
    };
    let image = dir.join("vmlinuz");
    let reading = || format!("reading {}", image.display());
    let version = images::bzimage::version(&mut std::fs::File::open(&image).with_context(reading)?)
        .with_context(reading)?;
    // Who compiled it and when follows the release.
    let release = version.split(' ').next().unwrap_or_default().to_owned();
    Ok(Built { dir, release, source: recipe.source.record() })
}

/// Derives the configuration without compiling anything.
pub(super) fn configuration(bench: &Bench) -> Result<Configuration> {
    let recipe = Recipe::new(bench)?;
    let (tree, _lock) = recipe.tree(bench)?;
    recipe.configure(bench, &tree)
}

impl<'a> Recipe<'a> {
    fn new(bench: &'a Bench) -> Result<Self> {
        let source = bench.fetcher.get("kernel")?;
        let plan = &bench.plan.kernel;
        let home = home::repository().join("kernel");
        let mut patches = vec![home.join("patches")];
        if plan.needs.kml {
            patches.push(home.join("patches-kml"));
        }
        let requested = kernel::requests(&plan.needs, &plan.options)?;
        let requested = kernel::vary(requested, &plan.variation.options);
        let mut inputs = kernel::toolchain_id()?;
        inputs.insert("source".into(), source.key());
        let applied =
            Patches { dirs: &patches, tailor: plan.needs.tailor, tested: source.tested_version() };
        inputs.insert("patches".into(), applied.digest()?.to_string());
        let asked: Vec<String> = requested
            .iter()
            .map(|requested| format!("{}={}", requested.symbol, requested.value))
            .collect();
        inputs.insert("options".into(), asked.join(" "));
        if !plan.variation.flags.is_empty() {
            inputs.insert("flags of the compiler".into(), plan.variation.flags.join(" "));
        }
        Ok(Self { source, patches, requested, inputs })
    }

    /// The unpacked and patched tree, which is ours while we hold the lock. All kernels
    /// of a source share one, those that run their server in ring 0 another, as the
    /// headers that they change are everywhere.
    fn tree(&self, bench: &Bench) -> Result<(PathBuf, Lock)> {
        let lock = bench.cache.lock("work/kernel", bench.progress)?;
        let needs = &bench.plan.kernel.needs;
        let ring = if needs.kml { "0" } else { "3" };
        let name = [("source", self.source.key()), ("ring", ring.into())];
        let name: Inputs = name.map(|(name, value)| (name.to_owned(), value)).into();
        let tree = bench.cache.root().join("work/kernel").join(key(&name));
        let log = bench.cache.log("kernel-source");
        if !tree.exists() {
            let line = bench.progress.begin("unpack the kernel's source");
            kernel::unpack(self.source.verified()?, &tree, &log)?;
            line.done();
        }
        let tested = self.source.tested_version();
        Patches { dirs: &self.patches, tailor: needs.tailor, tested }.apply(&tree, &log)?;
        Ok((tree, lock))
    }

    fn compile(&self, bench: &Bench, what: &str) -> Result<PathBuf> {
        let (tree, _lock) = self.tree(bench)?;
        let configuration = self.configure(bench, &tree)?;
        bench.cache.step("kernel", what, &self.inputs, bench.progress, |job| {
            let jobs = available_parallelism().map_or(1, std::num::NonZero::get);
            let ccache = bench.cache.ccache();
            let flags = &bench.plan.kernel.variation.flags;
            let how = Compile { ccache: Some(&ccache), jobs, flags };
            kernel::compile(&tree, &configuration, how, job)
        })
    }

    fn configure(&self, bench: &Bench, tree: &Path) -> Result<Configuration> {
        let line = bench.progress.begin("configure the kernel");
        let log = bench.cache.log("kernel-configuration");
        let configuration = kernel::configure(tree, &self.requested, &log)?;
        line.done();
        Ok(configuration)
    }
}
