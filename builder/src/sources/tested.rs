//! The sources that were tested, as the `source.toml` of a folder names them.
//!
//! ```toml
//! [lighttpd]                  # the name by which a build asks for it
//! package = "lighttpd"        # in Debian
//! kind = "dsc"                # a source package, or "deb": a binary package
//! series = "1.4.69"           # other versions of it build too, with a notice
//! version = "1.4.69-1"
//! sha256 = "16ac8d…"          # of the upstream tarball, or of the member
//! marker = "src/lighttpd.h"   # a file that a user's tarball must hold
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The files that name tested sources, below the repository.
const FILES: &[&str] = &["kernel/source.toml", "lighttpd-static/source.toml"];

/// How Debian packs a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A file in a binary package.
    Deb,
    /// The upstream tarball of a source package, and Debian's patches to it.
    Dsc,
}

/// A source and the version of it that was tested.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceSpec {
    /// The name by which a build asks for it.
    #[serde(skip)]
    pub(super) name: String,
    /// The Debian package.
    pub(super) package: String,
    /// What kind of package that is.
    pub(super) kind: Kind,
    /// The versions that build too begin with this.
    pub(super) series: String,
    /// The version that was tested.
    pub(super) version: String,
    /// The SHA-256 of the tarball (or other file) that the build uses.
    pub(super) sha256: String,
    /// The file of a binary package that the build uses.
    pub(super) member: Option<PathBuf>,
    /// A file that every tarball of this source holds below its top directory;
    /// without it, no tarball of the user's can stand in for it.
    pub(super) marker: Option<String>,
}

impl SourceSpec {
    /// The option that takes a tarball of the user's instead.
    pub(super) fn option(&self) -> Option<String> {
        self.marker.as_ref().map(|_| format!("--{}-source", self.name))
    }
}

/// Reads the tested sources of a repository, by name.
///
/// # Errors
/// When a file cannot be read or is not as it must be.
pub(super) fn read(repository: &Path) -> Result<BTreeMap<String, SourceSpec>> {
    let mut all = BTreeMap::new();
    for file in FILES {
        let path = repository.join(file);
        let read =
            || -> Result<BTreeMap<String, SourceSpec>> { parse(&fs::read_to_string(&path)?) };
        all.append(&mut read().with_context(|| format!("reading {}", path.display()))?);
    }
    Ok(all)
}

fn parse(text: &str) -> Result<BTreeMap<String, SourceSpec>> {
    let mut specs: BTreeMap<String, SourceSpec> = toml::from_str(text)?;
    for (name, spec) in &mut specs {
        spec.name.clone_from(name);
        let is_digest =
            |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(is_digest(&spec.sha256), "the sha256 of [{name}] is no digest");
        ensure!(spec.kind == Kind::Dsc || spec.member.is_some(), "[{name}] names no member");
    }
    Ok(specs)
}
