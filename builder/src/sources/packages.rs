//! Binary packages that are no source of an image: what a measurement compares an
//! image with. They are the mirrors' newest and no tested version is named, so
//! that a comparison is with what Debian installs today.

use std::path::PathBuf;

use anyhow::{Context, Result};
use host::{StagedDir, failed, refused, remove_tree};

use super::apt::Download;
use super::store::{self, File, Record};
use super::tested::Kind;
use super::{Fetcher, version};

/// A binary package in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Fetcher<'_> {
    /// The packages that the mirrors list and whose name begins so, in every
    /// version, the newest first.
    ///
    /// # Errors
    /// When there is no list of packages.
    pub fn packages(&self, prefix: &str) -> Result<Vec<Package>> {
        self.lists()?;
        let mut found = self.apt.list(prefix)?;
        found.sort_by(|a, b| version::compare(&b.version, &a.version));
        Ok(found)
    }

    /// What an installation of these on an empty system would install, each as
    /// `NAME (VERSION …)`. apt's patterns are names too.
    ///
    /// # Errors
    /// When one of them is not to be had.
    pub fn closure(&self, wanted: &[String], recommended: bool) -> Result<Vec<String>> {
        self.lists()?;
        self.apt.closure(wanted, recommended)
    }

    /// The files that name the archives, in the form of sources.list(5), for another
    /// apt.
    ///
    /// # Errors
    /// Refused with `--offline`, when another apt could fetch nothing.
    pub fn archives(&self) -> Result<Vec<PathBuf>> {
        if self.options.offline {
            return Err(refused("--offline: packages cannot be installed")
                .hint("run the same command once without --offline")
                .into());
        }
        self.lists()?;
        Ok(self.apt.archives())
    }

    /// The file of a package, fetched unless it is stored.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn package(&self, package: &Package) -> Result<PathBuf> {
        let Package { name, version } = package;
        let place = store::place(&self.sources, name, version);
        let _lock = self.lock()?;
        if let Some(record) = store::read(&place) {
            let path = place.join(&record.file.path);
            if store::digest(&path)? == record.file.sha256 {
                return Ok(path);
            }
            self.progress.notice(&format!("{} is damaged and was deleted", path.display()));
            remove_tree(&place)?;
        }
        let what = format!("fetching {name}");
        if self.options.offline {
            return Err(refused(format!("--offline: {name} {version} is not in the cache"))
                .hint("run the same command once without --offline")
                .into());
        }
        self.lists()?;
        let line = self.progress.begin(&what);
        let staged = StagedDir::new(&place)?;
        if self.apt.download(name, version, Kind::Deb, staged.path())? == Download::Gone {
            return Err(failed(format!("the mirror lists {name} {version} and does not have it"))
                .hint("try again later, or use a mirror that has it")
                .into());
        }
        let file = only_file(&staged).with_context(|| format!("fetching {name}"))?;
        let path = place.join(&file.path);
        let record =
            Record { version: version.clone(), file, patches: Vec::new(), instead_of: None };
        store::write(staged.path(), &record)?;
        staged.commit()?;
        line.done();
        Ok(path)
    }

    /// Sees to the lists of packages; offline they are what they are.
    fn lists(&self) -> Result<()> {
        if self.options.offline { self.apt.set_up() } else { self.apt.update().map(drop) }
    }
}

fn only_file(dir: &StagedDir) -> Result<File> {
    let name = store::names(dir.path())?.pop().context("apt fetched no package")?;
    File::new(dir.path(), name.into())
}
