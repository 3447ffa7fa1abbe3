//! What an appliance is compared with: Debian's kernels with its own server, and a
//! whole Debian that serves the same site at the same address.
//!
//! Everything is prepared here from Debian's packages and kept in the step cache.
//! What comes from the mirrors is the newest that they have, so its version is in
//! the key of a step and in the title of a subject.

mod debian;
mod drivers;
mod kernel;
mod machine;
mod overlay;
mod site;
mod symbols;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench::{Subject, Support};
use host::{Job, Lock, digest_bytes};
use ipnet::IpNet;
use qemu::{Accelerator, Machine};

use crate::cache::{Cache, Inputs};
use crate::home;
use crate::manifest::{Manifest, Storage};
use crate::progress::Progress;
use crate::run::{self, Firmware};
use crate::sources::{FetchOptions, Fetcher};

pub use debian::DebianKernel;
pub use machine::Packages;

/// The way to everything that one appliance is compared with.
pub struct Baselines<'a> {
    /// The output directory of its build.
    out: PathBuf,
    manifest: Manifest,
    accelerator: Accelerator,
    cache: Cache,
    fetcher: Fetcher<'a>,
    progress: &'a Progress,
    /// `/init` of a kernel with modules; see [`bench::Tools`].
    load_modules: PathBuf,
    /// Whether what is not in the cache is left out.
    only_cached: bool,
    /// Keeps `appliance clean` away from what subjects name.
    _shared: Lock,
}

/// Why a baseline is not there: it would have to be made first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCached;

impl fmt::Display for NotCached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has not been prepared yet")
    }
}

impl std::error::Error for NotCached {}

impl<'a> Baselines<'a> {
    /// The baselines of the appliance in an output directory. With `only_cached`
    /// nothing is made that takes long, and what is not there yet ends in
    /// [`NotCached`]. The subjects name files of the cache: they are good for as
    /// long as this lives.
    ///
    /// # Errors
    /// Refused when the directory is no build's.
    pub fn new(
        out: &Path,
        load_modules: &Path,
        only_cached: bool,
        progress: &'a Progress,
    ) -> Result<Self> {
        let cache = Cache::new(home::cache());
        let fetch = FetchOptions { offline: only_cached, ..FetchOptions::default() };
        Ok(Self {
            out: out.to_owned(),
            manifest: Manifest::read(out)?,
            accelerator: run::accelerator()?,
            fetcher: Fetcher::new(cache.root(), fetch, progress),
            _shared: cache.share(progress)?,
            cache,
            progress,
            load_modules: load_modules.to_owned(),
            only_cached,
        })
    }

    /// The appliance itself, by its direct start.
    ///
    /// # Errors
    /// When its site cannot be read.
    pub fn appliance(&self) -> Result<Subject> {
        let manifest = &self.manifest;
        let machine = self.machine()?;
        let file = |name: &str| (name.to_owned(), self.out.join(name));
        let files = ["vmlinuz", "vmlinux", "initramfs.cpio"].map(file);
        let sizes = sizes(files.into_iter().chain(disk_of(&machine)))?;
        let configuration = self.out.join("kernel.config");
        let configuration = configuration
            .metadata()
            .with_context(|| format!("reading {}", configuration.display()))?
            .len();
        let none = |name: &str| (name.to_owned(), 0);
        // A kernel without modules is delivered as one file, which needs no package.
        let delivered = sizes["vmlinuz"];
        Ok(Subject {
            name: super::subjects::OWN.to_owned(),
            title: format!("the appliance {}, Linux {}", manifest.name, manifest.kernel),
            kernel: manifest.kernel.clone(),
            machine,
            tap: run::tap(manifest)?,
            support: Support::default(),
            address: self.address()?,
            symbols: self.out.join("System.map"),
            disk_uuid: self.disk_uuid(),
            site: self.site()?,
            sizes,
            figures: BTreeMap::from([
                none("modules"),
                none("modules_loaded"),
                ("configuration_bytes".to_owned(), configuration),
                ("package_bytes".to_owned(), delivered),
            ]),
        })
    }

    /// The appliance, started by a firmware.
    ///
    /// # Errors
    /// When it has no disk to start from.
    pub fn started_by(&self, own: &Subject, firmware: Firmware) -> Result<Subject> {
        let machine = run::machine(&self.out, &self.manifest, firmware, self.accelerator.clone())?;
        Ok(Subject { machine, ..own.clone() })
    }

    /// The appliance's machine, which a baseline differs from.
    fn machine(&self) -> Result<Machine> {
        run::machine(&self.out, &self.manifest, Firmware::Direct, self.accelerator.clone())
    }

    /// The UUID of the site's file system, if there is a disk.
    fn disk_uuid(&self) -> Option<String> {
        match &self.manifest.storage {
            Storage::Disk { uuid, .. } => Some(uuid.clone()),
            Storage::Ram => None,
        }
    }

    /// Where the server serves: at the first address.
    fn address(&self) -> Result<SocketAddr> {
        let first = self.manifest.network.addresses.first().context("the image has no address")?;
        let net: IpNet =
            first.parse().with_context(|| format!("reading the address {first} of the image"))?;
        Ok((net.addr(), self.manifest.server.port).into())
    }

    /// A step of ours that takes a moment; `recipe` is the text of what it does,
    /// which the results depend on too.
    fn step(
        &self,
        name: &str,
        what: &str,
        recipe: &str,
        inputs: Inputs,
        work: impl FnOnce(&mut Job) -> Result<()>,
    ) -> Result<PathBuf> {
        let inputs = with_recipe(recipe, inputs);
        self.cache.step(name, what, &inputs, self.progress, work)
    }

    /// A step that takes long, or the network.
    fn long_step(
        &self,
        name: &str,
        what: &str,
        recipe: &str,
        inputs: Inputs,
        work: impl FnOnce(&mut Job) -> Result<()>,
    ) -> Result<PathBuf> {
        if self.only_cached {
            let found = self.found(name, what, recipe, &inputs);
            return found.ok_or_else(|| NotCached.into());
        }
        self.step(name, what, recipe, inputs, work)
    }

    /// The results of such a step if they are there.
    fn found(&self, name: &str, what: &str, recipe: &str, inputs: &Inputs) -> Option<PathBuf> {
        self.cache.find(name, what, &with_recipe(recipe, inputs.clone()), self.progress)
    }

    /// Something of the mirrors', which is not there if nothing may be fetched.
    fn fetched<T>(&self, result: Result<T>) -> Result<T> {
        if self.only_cached { result.context(NotCached) } else { result }
    }
}

fn with_recipe(recipe: &str, mut inputs: Inputs) -> Inputs {
    inputs.insert("recipe".to_owned(), digest_bytes(recipe.as_bytes()).to_string());
    inputs
}

/// The disk as one of the files whose sizes are told.
fn disk_of(machine: &Machine) -> Option<(String, PathBuf)> {
    machine.disk.as_ref().map(|disk| ("disk".to_owned(), disk.path.clone()))
}

/// The sizes of files in bytes.
fn sizes(files: impl IntoIterator<Item = (String, PathBuf)>) -> Result<BTreeMap<String, u64>> {
    let size = |(name, path): (String, PathBuf)| {
        let meta = path.metadata().with_context(|| format!("reading {}", path.display()))?;
        Ok((name, meta.len()))
    };
    files.into_iter().map(size).collect()
}
