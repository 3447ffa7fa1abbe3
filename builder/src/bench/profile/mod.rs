//! `appliance profile`: the system calls that the server makes under a load, where
//! the kernel spends its instructions, where it allocates memory, and what of it was
//! never executed.

mod list;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::measure::{self, CRAWL, Counted, Load, REQUESTS};
use bench::profile::{Folders, Measured, Profile};
use bench::report::profile as layout;
use bench::{Subject, Tools};
use host::{failed, refused};
use qemu::{Accelerator, Engine};

use super::baseline::Baselines;
use super::environment::{environment, network};
use crate::cli::ProfileArgs;
use crate::home;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report;
use list::Hosts;

/// The name of the load by a list of the user's.
const LIST: &str = "list";

/// What the server is asked for.
enum Asked {
    /// One page, again and again.
    Page(Load),
    /// A site of files of all sizes.
    Crawl,
    /// The pages that a file lists.
    List(PathBuf),
}

/// Carries out `appliance profile`.
///
/// # Errors
/// Refused when the directory is no build's, the load is unknown, or a list is not one of
/// pages of this appliance; failed when the guest does not come up or answers wrongly.
pub fn command(args: &ProfileArgs) -> Result<ExitCode> {
    let asked = Asked::new(&args.load)?;
    let progress = Progress::new(false);
    let manifest = Manifest::read(&args.out.path)?;
    let tools = super::tools(&progress)?;
    let from = Baselines::new(&args.out.path, &tools.load_modules, true, &progress)?;
    let mut subject = from.appliance()?;
    // Only an emulated guest can be counted.
    subject.machine.accelerator = Accelerator::tcg("its instructions are counted");
    let link = network(&progress);
    let environment = environment(&link, Engine::Tcg)?;
    let hosts = Hosts::of(&manifest);
    let what = format!("count the load {}", asked.name());
    let line = progress.begin(&what);
    let counted = asked.count(subject.clone(), &tools, &link, &hosts)?;
    line.done();
    let counts = counted.counts.ok_or_else(|| failed("the guest was not counted"))?;
    let map = fs::read_to_string(&subject.symbols)
        .with_context(|| format!("reading {}", subject.symbols.display()))?;
    let measured = Measured {
        environment,
        subject: subject.title,
        load: asked.name().to_owned(),
        requests: counted.requests.requests,
    };
    let profile = Profile::new(measured, &counts, &map, &folders(&subject.kernel, &map)?);
    show(&profile, args)
}

/// Prints a profile, and writes it where that was asked for.
fn show(profile: &Profile, args: &ProfileArgs) -> Result<ExitCode> {
    match args.json {
        true => report::print(&layout::json(profile)?),
        false => report::print(&layout::text(profile)),
    }
    if let Some(place) = &args.output {
        layout::write(profile, place)?;
        let page =
            if layout::is_page(place) { place.clone() } else { place.join(layout::FILES[0]) };
        eprintln!("the profile is in {}", page.display());
    }
    Ok(ExitCode::SUCCESS)
}

impl Asked {
    fn new(text: &str) -> Result<Self> {
        if let Some(load) = Load::ALL.iter().find(|load| load.name() == text) {
            return Ok(Self::Page(*load));
        }
        if text == CRAWL {
            return Ok(Self::Crawl);
        }
        if Path::new(text).exists() {
            return Ok(Self::List(text.into()));
        }
        let names: Vec<&str> = Load::ALL.iter().map(|load| load.name()).chain([CRAWL]).collect();
        Err(refused(format!("there is no load and no file `{text}`"))
            .hint(format!(
                "choose one of {}, or name a file with a path or a URL on each line",
                names.join(", ")
            ))
            .into())
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Page(load) => load.name(),
            Self::Crawl => CRAWL,
            Self::List(_) => LIST,
        }
    }

    fn count(
        &self,
        mut subject: Subject,
        tools: &Tools,
        link: &bench::loads::Link,
        hosts: &Hosts,
    ) -> Result<Counted> {
        match self {
            Self::Page(load) => measure::requests(&subject, tools, link, *load, REQUESTS),
            Self::Crawl => {
                let scratch = tempfile::tempdir().context("making a directory")?;
                let counted = measure::crawl(&subject, tools, link, scratch.path())?;
                counted.ok_or_else(|| {
                    refused("the site of this appliance is in its memory, and cannot be crawled")
                        .hint("build one with a disk, or choose another load")
                        .into()
                })
            }
            Self::List(file) => {
                let listed = list::read(file, hosts, &subject.site)?;
                let pages: Vec<String> = listed.iter().map(|(page, _)| page.clone()).collect();
                subject.site.extend(listed);
                measure::pages(&subject, tools, link, &pages)
            }
        }
    }
}

/// The folders of the kernel's functions, by the trees of this release that the cache has
/// compiled: the one with these very symbols, else all of them, as a function has its
/// place in the source whatever the configuration. None if there is no such tree.
fn folders(release: &str, map: &str) -> Result<Folders> {
    let dir = home::cache().join("work/kernel");
    let Ok(entries) = fs::read_dir(&dir) else { return Ok(Folders::new()) };
    let mut trees: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    trees.sort_unstable();
    for tree in &trees {
        if let Some(folders) = kernel::folders(tree, release, Some(map))? {
            return Ok(folders);
        }
    }
    let mut all = Folders::new();
    for tree in &trees {
        for (name, folders) in kernel::folders(tree, release, None)?.into_iter().flatten() {
            all.entry(name).or_default().extend(folders);
        }
    }
    Ok(all)
}
