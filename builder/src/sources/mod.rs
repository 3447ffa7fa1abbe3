//! Sources: the kernel, the server and the C library as Debian packs them, or as
//! tarballs of the user's.
//!
//! [`Fetcher::get`] finds a source, or fetches it; [`Source::verified`] checks its
//! digests when a step really reads it. The version that was tested comes first;
//! when the mirrors no longer have it, another one of its series builds too, with
//! a notice, and is recorded.

mod apt;
mod entries;
mod packages;
mod store;
mod tarball;
mod tested;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Lock, StagedDir, check_interrupt, failed, refused, remove_tree};

use crate::home;
use crate::manifest::SourceRecord;
use crate::progress::Progress;
use apt::{Apt, Download};
pub use packages::Package;
use store::{File, Record};
use tested::SourceSpec;

/// Where sources may come from.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// Refuse every version but the tested one.
    pub locked: bool,
    /// Use only what is in the cache.
    pub offline: bool,
    /// Tarballs of the user's, by the name of the source.
    pub overrides: BTreeMap<String, PathBuf>,
}

/// The way to every source of one build.
pub struct Fetcher<'a> {
    repository: PathBuf,
    sources: PathBuf,
    options: FetchOptions,
    progress: &'a Progress,
    apt: Apt,
}

/// A source that is there.
pub struct Source<'a> {
    /// The Debian version, or the file name of a tarball of the user's.
    pub version: String,
    /// The SHA-256 of the tarball.
    pub sha256: String,
    /// The tarball (or other file), not checked yet.
    pub path: PathBuf,
    /// Debian's patches to it, in their order, for `patch -p1`.
    pub patches: Vec<PathBuf>,
    origin: Origin,
    spec: SourceSpec,
    fetcher: &'a Fetcher<'a>,
}

/// Where a source is from, and so what is done about a wrong digest.
enum Origin {
    Stored(Record),
    User,
}

impl<'a> Fetcher<'a> {
    /// Sources for the repository's build, kept below the directory of a cache.
    pub fn new(cache: &Path, options: FetchOptions, progress: &'a Progress) -> Self {
        // Commands that run elsewhere get paths below it.
        let cache = std::path::absolute(cache).unwrap_or_else(|_| cache.to_owned());
        Self {
            repository: home::repository(),
            sources: cache.join("sources"),
            options,
            progress,
            apt: Apt::new(cache.join("apt"), cache.join("logs/sources.log")),
        }
    }

    /// Finds a source by its name in a `source.toml`, or fetches it.
    ///
    /// # Errors
    /// Refused when the options do not allow what there is; failed when it cannot
    /// be fetched.
    pub fn get(&'a self, name: &str) -> Result<Source<'a>> {
        let spec = tested::read(&self.repository)?
            .remove(name)
            .with_context(|| format!("no source.toml names the source `{name}`"))?;
        if let Some(path) = self.options.overrides.get(name) {
            return self.given(spec, path);
        }
        let record = match self.stored(&spec) {
            Some(record) => record,
            None if self.options.offline => return Err(self.missing(&spec)),
            None => self.fetch(&spec)?,
        };
        if record.version != spec.version {
            self.tell_untested(&spec, &record.version);
        }
        Ok(self.source(spec, record))
    }

    fn tell_untested(&self, spec: &SourceSpec, found: &str) {
        let (name, tested) = (&spec.name, &spec.version);
        self.progress
            .notice(&format!("{name}: building {found}, which is not the tested {tested}"));
    }

    fn source(&'a self, spec: SourceSpec, record: Record) -> Source<'a> {
        let place = store::place(&self.sources, &spec.name, &record.version);
        Source {
            version: record.version.clone(),
            sha256: record.file.sha256.clone(),
            path: place.join(&record.file.path),
            patches: record.patches.iter().map(|file| place.join(&file.path)).collect(),
            origin: Origin::Stored(record),
            spec,
            fetcher: self,
        }
    }

    /// The user's tarball as a source.
    fn given(&'a self, spec: SourceSpec, path: &Path) -> Result<Source<'a>> {
        tarball::check_kind(&spec, path)?;
        let sha256 = store::digest(path)?;
        if self.options.locked && sha256 != spec.sha256 {
            return Err(refused(format!(
                "--locked refuses {}, which is not the tested {} {}",
                path.display(),
                spec.name,
                spec.version
            ))
            .hint(format!("build without --locked, or give the file with SHA-256 {}", spec.sha256))
            .into());
        }
        if sha256 != spec.sha256 {
            self.tell_untested(&spec, &path.display().to_string());
        }
        Ok(Source {
            version: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256,
            path: path.to_owned(),
            patches: Vec::new(),
            origin: Origin::User,
            spec,
            fetcher: self,
        })
    }

    /// What the cache has and the options allow: the tested version, or another
    /// that was fetched because the mirrors did not have it.
    fn stored(&self, spec: &SourceSpec) -> Option<Record> {
        let tested = store::read(&store::place(&self.sources, &spec.name, &spec.version));
        if let Some(record) = tested.filter(|record| record.file.sha256 == spec.sha256) {
            return Some(record);
        }
        if self.options.locked {
            return None;
        }
        store::of_series(&self.sources, spec).into_iter().find(|record| {
            record.version != spec.version
                && (self.options.offline || record.instead_of.as_ref() == Some(&spec.version))
        })
    }

    fn missing(&self, spec: &SourceSpec) -> anyhow::Error {
        let mut way = "run the same command once without --offline".to_owned();
        if let Some(option) = spec.option() {
            way.push_str(&format!(", or give a tarball with {option} FILE"));
        }
        refused(format!(
            "--offline: {} {} (package {}) is not in {}",
            spec.name,
            spec.version,
            spec.package,
            self.sources.display()
        ))
        .hint(way)
        .into()
    }

    fn lock(&self) -> Result<Lock> {
        Lock::acquire(&self.sources, || self.progress.notice("waiting for another build to fetch"))
    }

    /// Fetches the tested version, or the next one that is to be had.
    fn fetch(&self, spec: &SourceSpec) -> Result<Record> {
        let _lock = self.lock()?;
        if let Some(record) = self.stored(spec) {
            return Ok(record);
        }
        let what = format!("fetching {}", spec.name);
        let line = self.progress.begin(&what);
        let listed = self.apt.versions(&spec.package, spec.kind)?;
        for version in self.candidates(spec, &listed) {
            check_interrupt()?;
            if let Some(record) = self.fetch_version(spec, version)? {
                line.done();
                return Ok(record);
            }
            self.progress.notice(&format!(
                "{}: the mirror lists {version} of {} and does not have it",
                spec.name, spec.package
            ));
        }
        Err(self.nothing_fits(spec, &listed))
    }

    /// The versions that the options allow, the best first.
    fn candidates<'b>(&self, spec: &'b SourceSpec, listed: &'b [String]) -> Vec<&'b str> {
        let is_tested = |version: &&String| **version == spec.version;
        let tested = listed.iter().filter(is_tested);
        let others = listed
            .iter()
            .filter(|version| !is_tested(version) && version::is_in_series(version, &spec.series));
        let allowed = if self.options.locked { 0 } else { listed.len() };
        tested.chain(others.take(allowed)).map(String::as_str).collect()
    }

    /// Fetches one version into its place; none, when the mirror does not have it.
    fn fetch_version(&self, spec: &SourceSpec, version: &str) -> Result<Option<Record>> {
        let staged = StagedDir::new(&store::place(&self.sources, &spec.name, version))?;
        let dir = staged.path();
        if self.apt.download(&spec.package, version, spec.kind, dir)? == Download::Gone {
            return Ok(None);
        }
        let record = store::unpack(dir, spec, version)
            .with_context(|| format!("unpacking {} {version}", spec.package))?;
        if version == spec.version && record.file.sha256 != spec.sha256 {
            return Err(failed(format!(
                "{} {version} of the mirror is not what was tested: SHA-256 {} instead of {}",
                spec.package, record.file.sha256, spec.sha256
            ))
            .hint("do not use it: the archive or our source.toml was changed; please report it")
            .into());
        }
        store::write(dir, &record)?;
        staged.commit()?;
        Ok(Some(record))
    }

    fn nothing_fits(&self, spec: &SourceSpec, listed: &[String]) -> anyhow::Error {
        let (package, version) = (&spec.package, &spec.version);
        let others: Vec<&str> =
            listed.iter().map(String::as_str).filter(|listed| listed != version).collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        if self.options.locked {
            return refused(format!(
                "--locked: the mirrors do not have {package} {version}; its other versions there: {others}"
            ))
            .hint("build without --locked to use another version of the same series")
            .into();
        }
        let series = &spec.series;
        failed(format!(
            "the mirrors have no version of {package} {series}; its other versions there: {others}"
        ))
        .hint(match spec.option() {
            Some(option) => format!("give a tarball with {option} FILE"),
            None => "use a mirror that has it".to_owned(),
        })
        .into()
    }

    /// Fetches a version again whose stored files were damaged.
    fn repair(&self, spec: &SourceSpec, record: &Record, damaged: &File) -> Result<()> {
        let place = store::place(&self.sources, &spec.name, &record.version);
        let path = place.join(&damaged.path);
        self.progress.notice(&format!("{} is damaged and was deleted", path.display()));
        let _lock = self.lock()?;
        remove_tree(&place)?;
        if self.options.offline {
            return Err(self.missing(spec));
        }
        let what = format!("fetching {} again", spec.name);
        let line = self.progress.begin(&what);
        self.apt.versions(&spec.package, spec.kind)?;
        let again = self.fetch_version(spec, &record.version)?;
        line.done();
        match again {
            Some(again) if again.file == record.file && again.patches == record.patches => Ok(()),
            Some(_) => Err(failed(format!("{} changed on the mirror", path.display())).into()),
            None => Err(failed(format!("{} is no longer on the mirror", path.display()))
                .hint("run the same command again to build another version of the series")
                .into()),
        }
    }
}

impl Source<'_> {
    /// What the manifest says of it.
    pub fn record(&self) -> SourceRecord {
        SourceRecord {
            name: self.spec.name.clone(),
            version: self.version.clone(),
            sha256: self.sha256.clone(),
            tested: self.sha256 == self.spec.sha256,
        }
    }

    /// The Debian version that the project was tested with.
    pub fn tested_version(&self) -> &str {
        &self.spec.version
    }

    /// What the key of a step says of it: the digests of tarball and patches.
    pub fn key(&self) -> String {
        match &self.origin {
            Origin::User => self.sha256.clone(),
            Origin::Stored(record) => {
                record.files().map(|file| file.sha256.as_str()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// Checks every digest; call it before the files are read. Damaged files of
    /// the cache are fetched again. Gives the tarball.
    ///
    /// # Errors
    /// When a damaged file cannot be fetched again, or the user's tarball is no
    /// tarball of this source.
    pub fn verified(&self) -> Result<&Path> {
        match &self.origin {
            Origin::User => {
                tarball::check_content(&self.spec, &self.path)?;
                if store::digest(&self.path)? != self.sha256 {
                    return Err(failed(format!(
                        "{} was changed during the build",
                        self.path.display()
                    ))
                    .into());
                }
            }
            Origin::Stored(record) => {
                let place = store::place(&self.fetcher.sources, &self.spec.name, &record.version);
                for file in record.files() {
                    let found = store::digest(&place.join(&file.path));
                    if found.ok().as_ref() != Some(&file.sha256) {
                        self.fetcher.repair(&self.spec, record, file)?;
                        break;
                    }
                }
            }
        }
        Ok(&self.path)
    }
}
