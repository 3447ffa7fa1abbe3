//! A tarball of the user's that stands in for a source.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Result;
use host::{Command, refused};

use super::tested::SourceSpec;

/// How the packers that tar knows begin their files, and where a tar archive
/// says that it is one (POSIX.1-2017, pax, "ustar Interchange Format").
const MAGIC: &[(usize, &[u8])] =
    &[(0, b"\xfd7zXZ\0"), (0, b"\x1f\x8b"), (0, b"BZh"), (0, b"\x28\xb5\x2f\xfd"), (257, b"ustar")];

/// Looks at the file's kind and first bytes.
///
/// # Errors
/// Refused when it cannot be read or cannot be a tarball.
pub(super) fn check_kind(spec: &SourceSpec, path: &Path) -> Result<()> {
    let bytes = read_start(path).map_err(|error| {
        refused(format!("{} {}: {error}", spec.option().unwrap_or_default(), path.display()))
    })?;
    if MAGIC
        .iter()
        .any(|(offset, magic)| bytes.get(*offset..).is_some_and(|at| at.starts_with(magic)))
    {
        return Ok(());
    }
    Err(wrong(spec, path, "it is no tar archive, packed or not"))
}

/// Looks for the file that every tarball of this source holds.
///
/// # Errors
/// Refused when it is not there or the archive is damaged before it.
pub(super) fn check_content(spec: &SourceSpec, path: &Path) -> Result<()> {
    let marker = spec.marker.as_deref().unwrap_or_default();
    let outcome = Command::new("tar")
        // The first match ends the search.
        .args(["--occurrence=1", "--wildcards", "--no-wildcards-match-slash", "--list"])
        .arg(format!("--file={}", path.display()))
        .arg(format!("*/{marker}"))
        .outcome()?;
    if outcome.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&outcome.stderr);
    if said.contains("Not found in archive") && said.lines().count() <= 2 {
        return Err(wrong(spec, path, &format!("it holds no {marker} in its top directory")));
    }
    Err(wrong(spec, path, said.lines().next().unwrap_or("tar cannot read it")))
}

fn wrong(spec: &SourceSpec, path: &Path, why: &str) -> anyhow::Error {
    let option = spec.option().unwrap_or_default();
    refused(format!("{option} {} is no source of {}: {why}", path.display(), spec.name))
        .hint(format!(
            "give a tarball of {} {}, such as upstream publishes",
            spec.name, spec.series
        ))
        .into()
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(512).read_to_end(&mut bytes)?;
    Ok(bytes)
}
