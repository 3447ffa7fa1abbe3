//! The source tree: unpacked once, then patched as it is wanted.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, StagedDir, refused};

/// Unpacking takes ten seconds on a disk of today.
const UNPACK_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Unpacks a tarball of the kernel into `tree`. What is interrupted leaves nothing that
/// counts.
///
/// # Errors
/// Refused when the tarball holds no kernel; failed when it cannot be unpacked.
pub fn unpack(tarball: &Path, tree: &Path, log: &Path) -> Result<()> {
    check_name(tree)?;
    let staged = StagedDir::new(tree)?;
    Command::new("tar")
        .args(["--extract", "--strip-components=1", "--no-same-owner", "--file"])
        .arg(std::path::absolute(tarball)?)
        .arg("--directory")
        .arg(staged.path())
        .log(log)
        .deadline(UNPACK_DEADLINE)
        .run()
        .with_context(|| format!("unpacking {}", tarball.display()))?;
    if !staged.path().join("scripts/kconfig").is_dir() {
        return Err(refused(format!("{} holds no Linux source", tarball.display()))
            .hint("give a tarball of the kernel, whose files are below one directory")
            .into());
    }
    staged.commit()
}

/// Make takes neither spaces nor colons in the name of the source directory.
fn check_name(tree: &Path) -> Result<()> {
    let name = tree.to_string_lossy();
    if !name.contains([' ', '\t', '\n', ':']) {
        return Ok(());
    }
    Err(refused(format!("the kernel cannot be built in {name:?}: the name has a space or a colon"))
        .hint("use a cache directory without them")
        .into())
}

/// The version that a tree's Makefile states, for example "6.12.117".
///
/// # Errors
/// When the Makefile cannot be read or states none.
pub fn version(tree: &Path) -> Result<String> {
    let path = tree.join("Makefile");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))
            .map(str::trim)
            .with_context(|| format!("{} states no {name}", path.display()))
    };
    let (version, patch_level, sublevel) =
        (value("VERSION")?, value("PATCHLEVEL")?, value("SUBLEVEL")?);
    Ok(format!("{version}.{patch_level}.{sublevel}{}", value("EXTRAVERSION")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tarball_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("linux-1/dir")).unwrap();
        let tar = ["--create", "--file=kernel.tar", "linux-1"];
        Command::new("tar").args(tar).current_dir(dir.path()).run().unwrap();
        let error = unpack(&path("kernel.tar"), &path("tree"), &path("log")).unwrap_err();
        assert!(error.to_string().ends_with("holds no Linux source"), "{error}");
        let mut names = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.all(|name| !name.to_string_lossy().contains("tree")), "half a tree is left");
    }

    #[test]
    fn a_directory_that_make_cannot_take_is_refused() {
        let error = check_name(Path::new("/home/my cache/tree")).unwrap_err();
        assert!(error.to_string().contains("space or a colon"));
    }

    #[test]
    fn the_version_is_the_makefiles() {
        let dir = tempfile::tempdir().unwrap();
        let text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n";
        fs::write(dir.path().join("Makefile"), text).unwrap();
        assert_eq!(version(dir.path()).unwrap(), "6.12.117");
    }
}
