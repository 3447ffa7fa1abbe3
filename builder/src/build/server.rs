//! The server: C library, libraries, program, configuration.

use std::path::{Path, PathBuf};

use anyhow::Result;
use host::digest_file;
use lighttpd_static::Library;
use lighttpd_static::recipe::{self, Entry, Parts, Toolchain};

use super::{Bench, notices, tools};
use crate::cache::{Inputs, key};
use crate::manifest::{self, SourceRecord};
use crate::plan::Plan;
use crate::variant::Variant;

/// A built server and its configuration.
pub(super) struct Built {
    /// The program.
    pub program: PathBuf,
    /// What it was built from.
    pub sources: Vec<SourceRecord>,
    /// The licences of what an image holds.
    pub notices: String,
}

impl Built {
    /// What the manifest says of it.
    pub(super) fn describe(&self, plan: &Plan) -> manifest::Server {
        let version = self.sources.iter().find(|source| source.name == "lighttpd");
        manifest::Server {
            kind: "lighttpd".into(),
            version: version.map(|source| source.version.clone()).unwrap_or_default(),
            port: plan.server.port,
            modules: plan.server.modules.iter().map(|module| module.name.to_owned()).collect(),
        }
    }
}

/// A step that compiles one source.
struct Compiled {
    out: PathBuf,
    /// The key of its step: everything that it was made from.
    key: String,
    source: SourceRecord,
}

/// Builds the server of the plan with what it is linked with, unless the cache
/// has it, and lets it check its configuration.
pub(super) fn build(bench: &Bench) -> Result<Built> {
    let plan = &bench.plan.server;
    let toolchain = Toolchain::find(Some(&bench.cache.ccache()))?;
    let musl = musl(bench, &toolchain)?;
    let with_musl = Inputs::from([("musl".into(), musl.key.clone())]);
    let mut libraries = Vec::new();
    for library in lighttpd_static::libraries(&plan.modules, plan.user_config.as_ref()) {
        let built =
            compile(bench, &toolchain, library.name(), with_musl.clone(), |source, job| {
                recipe::library(library, source, &musl.out, &toolchain, job)
            })?;
        libraries.push((library, built));
    }
    let server = link(bench, &toolchain, &musl, &libraries, with_musl)?;
    let program = server.out.join("lighttpd");
    check(bench, &program)?;
    let parts: Vec<(&str, &Compiled)> = [("musl", &musl), ("lighttpd", &server)]
        .into_iter()
        .chain(libraries.iter().map(|(library, built)| (library.name(), built)))
        .collect();
    Ok(Built {
        program,
        notices: notices::text(parts.iter().map(|(name, part)| (*name, part.out.as_path())))?,
        sources: parts.into_iter().map(|(_, part)| part.source.clone()).collect(),
    })
}

/// The directory of the C library of the plan.
pub(super) fn c_library(bench: &Bench) -> Result<PathBuf> {
    let toolchain = Toolchain::find(Some(&bench.cache.ccache()))?;
    Ok(musl(bench, &toolchain)?.out)
}

fn musl(bench: &Bench, toolchain: &Toolchain) -> Result<Compiled> {
    let entry = entry(bench.plan);
    let calls = Inputs::from([("calls the kernel by".into(), format!("{entry:?}"))]);
    compile(bench, toolchain, "musl", calls, |source, job| {
        recipe::musl(source, entry, toolchain, job)
    })
}

/// How the C library of the plan calls the kernel.
fn entry(plan: &Plan) -> Entry {
    match plan.variant {
        Variant::Default => Entry::Syscall,
        Variant::Kml => Entry::Jump,
    }
}

/// Lets the server judge its configuration, unless it has done so before.
fn check(bench: &Bench, program: &Path) -> Result<()> {
    let plan = &bench.plan.server;
    let user = plan.user_config.as_ref();
    let inputs = Inputs::from([
        ("builder".into(), tools::of_builder()?),
        ("server".into(), digest_file(program)?.to_string()),
        ("configuration".into(), plan.config.clone()),
        (
            "user's configuration".into(),
            user.map(|user| user.text().to_owned()).unwrap_or_default(),
        ),
    ]);
    let what = "check the server's configuration";
    bench.cache.step("configuration", what, &inputs, bench.progress, |job| {
        lighttpd_static::check(program, &plan.config, user, &job.scratch)
    })?;
    Ok(())
}

fn link(
    bench: &Bench,
    toolchain: &Toolchain,
    musl: &Compiled,
    libraries: &[(Library, Compiled)],
    mut inputs: Inputs,
) -> Result<Compiled> {
    let modules = &bench.plan.server.modules;
    let plugins: Vec<&str> = modules.plugins().collect();
    inputs.insert("modules".into(), plugins.join(" "));
    for (library, built) in libraries {
        inputs.insert(library.name().into(), built.key.clone());
    }
    let libraries: Vec<(Library, PathBuf)> =
        libraries.iter().map(|(library, built)| (*library, built.out.clone())).collect();
    compile(bench, toolchain, "lighttpd", inputs, |source, job| {
        let entry = entry(bench.plan);
        let parts = Parts { musl: &musl.out, entry, libraries: &libraries };
        recipe::server(source, parts, modules, toolchain, job)
    })
}

/// Compiles the source `name` as a step of its own.
fn compile(
    bench: &Bench,
    toolchain: &Toolchain,
    name: &str,
    mut inputs: Inputs,
    work: impl FnOnce(&recipe::Source, &mut host::Job) -> Result<()>,
) -> Result<Compiled> {
    let source = bench.fetcher.get(name)?;
    inputs.insert("source".into(), source.key());
    inputs.insert("toolchain".into(), toolchain.id().to_owned());
    let what = format!("compile {name}");
    let out = bench.cache.step(name, &what, &inputs, bench.progress, |job| {
        let tarball = source.verified()?;
        work(&recipe::Source { tarball, patches: &source.patches }, job)
    })?;
    Ok(Compiled { out, key: key(&inputs), source: source.record() })
}
