//! The source tree: unpacked once, with our patches applied.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, StagedDir, failed, refused};

/// Unpacking takes ten seconds on a disk of today.
const UNPACK_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Unpacks a tarball of the kernel into `tree` and applies the `*.patch` files of
/// `patches` in the order of their names. A tree that is there stays as it is:
/// the caller names it after what goes into it. What is interrupted leaves
/// nothing that counts.
///
/// # Errors
/// Refused when the tarball holds no kernel; failed when it cannot be unpacked or
/// a patch does not apply exactly.
pub fn unpack(tarball: &Path, patches: &Path, tree: &Path, log: &Path) -> Result<()> {
    check_name(tree)?;
    if tree.exists() {
        return Ok(());
    }
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
    for patch in patch_files(patches)? {
        apply(&patch, staged.path(), log)?;
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

fn patch_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in dir.read_dir().with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("patch")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Applies a patch without fuzz: every line of its context has to be there, since
/// a hunk that nearly fits may fit the wrong place.
fn apply(patch: &Path, tree: &Path, log: &Path) -> Result<()> {
    let outcome = Command::new("patch")
        .args(["--strip=1", "--fuzz=0", "--forward", "--batch", "--no-backup-if-mismatch"])
        .args(["--reject-file=-", "--input"])
        .arg(std::path::absolute(patch)?)
        .current_dir(tree)
        .log(log)
        .outcome()
        .with_context(|| format!("applying {}", patch.display()))?;
    if outcome.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&outcome.stdout);
    let name = patch.file_name().unwrap_or_default().to_string_lossy();
    Err(failed(format!("the patch {name} does not apply exactly: {}", failures(&said)))
        .hint(format!(
            "make the patch again for this kernel source, or build the tested version; the full log is {}",
            log.display()
        ))
        .into())
}

/// What `patch` says about the hunks that failed, each with its file.
fn failures(said: &str) -> String {
    let mut file = "a file";
    let mut found = Vec::new();
    for line in said.lines() {
        let line = line.trim_end_matches('.');
        // The second form quotes the patch, when there is no such file.
        if let Some(name) =
            line.strip_prefix("patching file ").or_else(|| line.strip_prefix("|+++ b/"))
        {
            file = name;
        } else if line.contains("FAILED at") || line.ends_with("ignored") {
            found.push(format!("{file}: {line}"));
        }
    }
    if found.is_empty() { said.trim().replace('\n', "; ") } else { found.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

    /// Changes line 5; its context is lines 2 to 8.
    const PATCH: &str = "From: a\nSubject: [PATCH] five\n\n---\n--- a/dir/file\n+++ b/dir/file\n\
        @@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";

    /// A tarball that looks like a kernel's, and one patch.
    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new(file: &str, patches: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let top = dir.path().join("linux-1");
            fs::create_dir_all(top.join("scripts/kconfig")).unwrap();
            fs::create_dir_all(top.join("dir")).unwrap();
            fs::write(top.join("dir/file"), file).unwrap();
            fs::create_dir(dir.path().join("patches")).unwrap();
            for (name, text) in patches {
                fs::write(dir.path().join("patches").join(name), text).unwrap();
            }
            let tar = ["--create", "--file=kernel.tar", "linux-1"];
            Command::new("tar").args(tar).current_dir(dir.path()).run().unwrap();
            Self { dir }
        }

        fn unpack(&self) -> Result<String> {
            let path = |name| self.dir.path().join(name);
            unpack(&path("kernel.tar"), &path("patches"), &path("tree"), &path("log"))?;
            Ok(fs::read_to_string(path("tree/dir/file"))?)
        }

        fn left(&self) -> Vec<String> {
            let names = self.dir.path().read_dir().unwrap();
            let mut names: Vec<_> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.retain(|name| name.contains("tree"));
            names
        }
    }

    #[test]
    fn patches_apply_in_the_order_of_their_names() {
        let second = PATCH.replace("+five", "+V").replace("-5", "-five");
        let bench = Bench::new(FILE, &[("0002-v.patch", &second), ("0001-five.patch", PATCH)]);
        assert_eq!(bench.unpack().unwrap(), FILE.replace('5', "V"));
        assert_eq!(bench.left(), ["tree"]);
    }

    #[test]
    fn lines_may_have_moved() {
        let moved = format!("0\n0\n{FILE}");
        let bench = Bench::new(&moved, &[("0001-five.patch", PATCH)]);
        assert_eq!(bench.unpack().unwrap(), moved.replace('5', "five"));
    }

    #[test]
    fn a_patch_that_needs_fuzz_is_refused() {
        let bench = Bench::new(&FILE.replace('8', "eight"), &[("0001-five.patch", PATCH)]);
        let text = bench.unpack().unwrap_err().to_string();
        assert_eq!(
            text,
            "the patch 0001-five.patch does not apply exactly: dir/file: Hunk #1 FAILED at 2"
        );
        assert!(bench.left().is_empty(), "half a tree is left");
    }

    #[test]
    fn a_patch_that_fails_names_its_hunk() {
        let two = format!("{PATCH}--- a/dir/other\n+++ b/dir/other\n@@ -1 +1 @@\n-a\n+b\n");
        let bench = Bench::new(FILE, &[("0001-five.patch", &two)]);
        let text = bench.unpack().unwrap_err().to_string();
        assert!(text.starts_with("the patch 0001-five.patch does not apply exactly"), "{text}");
        assert!(text.ends_with("dir/other: 1 out of 1 hunk ignored"), "{text}");
    }

    #[test]
    fn a_tarball_of_something_else_is_refused() {
        let bench = Bench::new(FILE, &[]);
        fs::remove_dir_all(bench.dir.path().join("linux-1/scripts")).unwrap();
        let tar = ["--create", "--file=kernel.tar", "linux-1"];
        Command::new("tar").args(tar).current_dir(bench.dir.path()).run().unwrap();
        assert!(bench.unpack().unwrap_err().to_string().ends_with("holds no Linux source"));
        assert!(bench.left().is_empty());
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
