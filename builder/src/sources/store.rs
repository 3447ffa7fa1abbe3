//! Fetched sources in the cache.
//!
//! ```text
//! CACHE/sources/NAME_VERSION/source.json    what it is, and the digest of each file
//! CACHE/sources/NAME_VERSION/FILE           the tarball, or the member of a package
//! CACHE/sources/NAME_VERSION/patches/       Debian's patches to it, in their order
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use host::{Command, digest_file, remove_tree};
use serde::{Deserialize, Serialize};

use super::tested::{Kind, SourceSpec};
use super::version;

const RECORD: &str = "source.json";

/// A file of a source, relative to its directory, and its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

impl File {
    pub(super) fn new(dir: &Path, path: PathBuf) -> Result<Self> {
        let sha256 = digest(&dir.join(&path))?;
        Ok(Self { path, sha256 })
    }
}

/// The digest of a file as text.
pub(super) fn digest(path: &Path) -> Result<String> {
    Ok(digest_file(path)?.to_string())
}

/// A source that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: String,
    pub(super) file: File,
    pub(super) patches: Vec<File>,
    /// The tested version that the mirrors did not have when this was fetched.
    pub(super) instead_of: Option<String>,
}

impl Record {
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        std::iter::once(&self.file).chain(&self.patches)
    }
}

/// The directory of one version of a source.
pub(super) fn place(sources: &Path, name: &str, version: &str) -> PathBuf {
    sources.join(format!("{name}_{version}"))
}

/// What is stored of one version; one that is not all there does not count.
pub(super) fn read(place: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(place.join(RECORD)).ok()?).ok()?;
    let complete = record.files().all(|file| place.join(&file.path).is_file());
    complete.then_some(record)
}

/// All that is stored of a source's series, the newest version first.
pub(super) fn of_series(sources: &Path, spec: &SourceSpec) -> Vec<Record> {
    let prefix = format!("{}_", spec.name);
    let entries = sources.read_dir().into_iter().flatten().flatten();
    let mut records: Vec<Record> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .filter_map(|entry| read(&entry.path()))
        .filter(|record| version::is_in_series(&record.version, &spec.series))
        .collect();
    records.sort_by(|a, b| version::compare(&b.version, &a.version));
    records
}

/// Turns a directory with the files of a package into one that is stored.
///
/// # Errors
/// When the package does not hold what the specification says.
pub(super) fn unpack(dir: &Path, spec: &SourceSpec, version: &str) -> Result<Record> {
    let fetched = names(dir)?;
    let (file, patches) = match spec.kind {
        Kind::Deb => (member(dir, &fetched, spec)?, Vec::new()),
        Kind::Dsc => {
            let is_upstream =
                |name: &&String| name.contains(".orig.tar.") && !name.ends_with(".asc");
            let upstream = fetched.iter().find(is_upstream);
            let upstream = upstream.context("the package has no upstream tarball")?;
            (PathBuf::from(upstream), patches(dir, &fetched)?)
        }
    };
    for name in fetched.iter().filter(|name| Path::new(name) != file) {
        fs::remove_file(dir.join(name)).with_context(|| format!("removing {name}"))?;
    }
    Ok(Record {
        version: version.to_owned(),
        file: File::new(dir, file)?,
        patches: patches.into_iter().map(|path| File::new(dir, path)).collect::<Result<_>>()?,
        instead_of: (version != spec.version).then(|| spec.version.clone()),
    })
}

/// Writes the record, which makes the directory a stored source.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(dir: &Path, record: &Record) -> Result<()> {
    host::write_atomically(&dir.join(RECORD), &serde_json::to_vec_pretty(record)?)
}

/// The names in a directory, sorted.
pub(super) fn names(dir: &Path) -> Result<Vec<String>> {
    let read = || -> io::Result<Vec<String>> {
        dir.read_dir()?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut names = read().with_context(|| format!("reading {}", dir.display()))?;
    names.sort();
    Ok(names)
}

/// Takes the member out of the binary package.
fn member(dir: &Path, fetched: &[String], spec: &SourceSpec) -> Result<PathBuf> {
    let package = fetched.iter().find(|name| name.ends_with(".deb"));
    let package = package.context("apt fetched no package")?;
    let member = spec.member.as_deref().context("no member is named")?;
    let tree = dir.join("tree");
    Command::new("dpkg-deb").arg("-x").arg(dir.join(package)).arg(&tree).run()?;
    let name = PathBuf::from(member.file_name().context("the member has no name")?);
    fs::rename(tree.join(member), dir.join(&name))
        .map_err(|error| anyhow!("{package} does not hold {}: {error}", member.display()))?;
    remove_tree(&tree)?;
    Ok(name)
}

/// Takes Debian's patches out of the packaging (dpkg-source(1)): one file in the
/// format 1.0, a series in a tarball in the format 3.0 (quilt).
fn patches(dir: &Path, fetched: &[String]) -> Result<Vec<PathBuf>> {
    let packaging = |infix: &str| fetched.iter().find(|name| name.contains(infix));
    if let Some(name) = packaging(".debian.tar.") {
        return series(dir, name);
    }
    let name = packaging(".diff.gz").context("the source package has no packaging of Debian's")?;
    let patch = Command::new("gzip").arg("-dc").arg(dir.join(name)).output()?;
    let place = Path::new("patches").join(name.trim_end_matches(".gz"));
    host::write_atomically(&dir.join(&place), &patch)?;
    Ok(vec![place])
}

fn series(dir: &Path, packaging: &str) -> Result<Vec<PathBuf>> {
    let tree = dir.join("tree");
    fs::create_dir(&tree).with_context(|| format!("making {}", tree.display()))?;
    Command::new("tar").arg("-xf").arg(dir.join(packaging)).arg("-C").arg(&tree).run()?;
    let from = tree.join("debian/patches");
    let series = fs::read_to_string(from.join("series")).unwrap_or_default();
    let mut patches = Vec::new();
    for patch in series.lines().filter_map(|line| line.split_whitespace().next()) {
        if patch.starts_with('#') {
            continue;
        }
        let name = format!("{:03}-{}", patches.len() + 1, patch.replace('/', "-"));
        let place = Path::new("patches").join(name);
        let bytes = fs::read(from.join(patch))
            .with_context(|| format!("reading the patch {patch} of {packaging}"))?;
        host::write_atomically(&dir.join(&place), &bytes)?;
        patches.push(place);
    }
    remove_tree(&tree)?;
    Ok(patches)
}
