//! The patches to the source, and what becomes of one whose measure is off.
//!
//! Later patches have lines of earlier ones in their context, in two files that the
//! series itself makes: the menu and its header. So of a patch that is left out
//! exactly that is applied which goes into files of the series' own. The kernel's
//! files stay as they are upstream, and a release to which the patch does not fit any
//! more can be built without it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Command, Digest, Problem, StagedDir, digest_bytes, failed};

use crate::tailor::{OPTIONS, Tailor};
use crate::tree;
use crate::upstream::Upstream;

/// Where files are patched before the tree gets them.
const PATCHING: &str = ".patching";

/// Directories of `NNNN-name.patch` files in the form of `git format-patch`.
#[derive(Clone, Copy, Debug)]
pub struct Patches<'a> {
    /// The directories, in the order in which they are applied.
    pub dirs: &'a [PathBuf],
    /// Which measures are taken; a patch of no measure is always applied.
    pub tailor: Tailor,
    /// The release of the kernel that all of them were tested with.
    pub tested: &'a str,
}

/// A patch.
struct Patch {
    /// Its file name.
    name: String,
    /// What of it is applied, if anything.
    text: String,
}

impl Patches<'_> {
    /// Makes an unpacked source what it is with them, whichever patches it had before;
    /// they are applied in the order of their names, one directory after the other. No
    /// file is written that stays as it is.
    ///
    /// # Errors
    /// Failed when one does not apply exactly: with its name, the hunk, and the
    /// release that it was tested with. The source is then as it was.
    pub fn apply(&self, tree: &Path, log: &Path) -> Result<()> {
        let patches = self.read()?;
        let parts = patches.iter().flat_map(|patch| parts(&patch.text));
        let paths: BTreeSet<String> = parts.map(path_of).map(str::to_owned).collect();
        let mut upstream = Upstream::of(tree)?;
        upstream.keep(&paths)?;
        let staged = StagedDir::new(&tree.join(PATCHING))?;
        upstream.copy(&paths, staged.path())?;
        for patch in patches.iter().filter(|patch| !patch.text.is_empty()) {
            apply(&patch.text, staged.path(), log)
                .with_context(|| format!("applying {}", patch.name))?
                .map_err(|hunks| self.misfit(&patch.name, &hunks, tree, log))?;
        }
        upstream.replace(&paths, staged.path())
    }

    /// The digest of what is applied: the same for every tree that comes out the same.
    ///
    /// # Errors
    /// When a patch cannot be read.
    pub fn digest(&self) -> Result<Digest> {
        let texts: Vec<String> = self.read()?.into_iter().map(|patch| patch.text).collect();
        Ok(digest_bytes(texts.concat().as_bytes()))
    }

    /// The patches, each with what of it is applied.
    fn read(&self) -> Result<Vec<Patch>> {
        let mut patches = Vec::new();
        let mut own = BTreeSet::new();
        for dir in self.dirs {
            let mut files: Vec<PathBuf> = Vec::new();
            for entry in dir.read_dir().with_context(|| self.reading(dir))? {
                let path = entry?.path();
                if path.extension() == Some(OsStr::new("patch")) {
                    files.push(path);
                }
            }
            files.sort();
            for file in files {
                patches.push(self.read_one(&file, &mut own)?);
            }
        }
        Ok(patches)
    }

    /// Reads a patch; `own` are the files that the series has made so far.
    fn read_one(&self, path: &Path, own: &mut BTreeSet<String>) -> Result<Patch> {
        let text = fs::read_to_string(path).with_context(|| self.reading(path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_off = |name: &str| {
            let mut options = OPTIONS.iter().filter(|option| option.patch == name).peekable();
            options.peek().is_some() && options.all(|option| !self.tailor.has(option.measure))
        };
        own.extend(parts(&text).filter(|part| is_new(part)).map(path_of).map(str::to_owned));
        let is_left_out = is_off(&name);
        let wanted = |part: &&str| !is_left_out || own.contains(path_of(part));
        let text = parts(&text).filter(wanted).collect();
        Ok(Patch { name, text })
    }

    fn reading(&self, path: &Path) -> String {
        format!("reading {}", path.display())
    }

    /// The error of a patch that does not fit, with the ways out.
    fn misfit(&self, name: &str, hunks: &str, source: &Path, log: &Path) -> Problem {
        let release = tree::version(source).unwrap_or_else(|_| "this kernel".into());
        let what = format!("the patch {name} does not apply exactly to {release}: {hunks}");
        let mut ways = format!("the newest release that it is known to fit is {}", self.tested);
        ways.push_str(": build that (--locked)");
        if let Some(option) = self.tailor.options().find(|option| option.patch == name) {
            let off = self.tailor.without(option.measure);
            ways.push_str(&format!(", or build without it ({off} in [kernel.tailor])"));
        }
        ways.push_str(&format!("; the full log is {}", log.display()));
        failed(what).hint(ways)
    }
}

/// The parts of a patch, one for each file; what it says before is in none of them.
fn parts(patch: &str) -> impl Iterator<Item = &str> {
    const START: &str = "diff --git a/";
    let starts = patch.match_indices(START).map(|(at, _)| at);
    let mut starts: Vec<usize> =
        starts.filter(|at| *at == 0 || patch.as_bytes()[at - 1] == b'\n').collect();
    starts.push(patch.len());
    let ranges: Vec<_> = starts.windows(2).map(|pair| pair[0]..pair[1]).collect();
    ranges.into_iter().map(|range| &patch[range])
}

/// Whether a part makes its file.
fn is_new(part: &str) -> bool {
    part.lines().nth(1).is_some_and(|line| line.starts_with("new file mode"))
}

/// The file that a part is about, in the tree.
fn path_of(part: &str) -> &str {
    let first = part.lines().next().unwrap_or_default();
    first.rsplit_once(" b/").map_or("", |(_, path)| path)
}

/// Applies a patch without fuzz: every line of its context has to be there, since
/// a hunk that nearly fits may fit the wrong place. Gives the hunks that do not.
fn apply(text: &str, tree: &Path, log: &Path) -> Result<Result<(), String>> {
    let outcome = Command::new("patch")
        .args(["--strip=1", "--fuzz=0", "--forward", "--batch", "--no-backup-if-mismatch"])
        .arg("--reject-file=-")
        .input(text)
        .current_dir(tree)
        .log(log)
        .outcome()?;
    if outcome.status.success() {
        return Ok(Ok(()));
    }
    Ok(Err(failures(&String::from_utf8_lossy(&outcome.stdout))))
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
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const FILE: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

    /// Changes line 5; its context is lines 2 to 8.
    const PATCH: &str = "From: a\nSubject: [PATCH] five\n\n---\ndiff --git a/dir/file b/dir/file\n\
        --- a/dir/file\n+++ b/dir/file\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";

    /// Makes a file of the series' own, and adds to it.
    const MENU: &str = "diff --git a/menu b/menu\nnew file mode 100644\n--- /dev/null\n\
        +++ b/menu\n@@ -0,0 +1 @@\n+menu\n";
    const ENTRY: &str = "diff --git a/menu b/menu\n--- a/menu\n+++ b/menu\n@@ -1 +1,2 @@\n menu\n\
        +dac\n";

    /// An unpacked source, and patches.
    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new(file: &str, patches: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let makefile = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 999\nEXTRAVERSION =\n";
            fs::create_dir_all(dir.path().join("tree/dir")).unwrap();
            fs::create_dir(dir.path().join("patches")).unwrap();
            fs::write(dir.path().join("tree/Makefile"), makefile).unwrap();
            fs::write(dir.path().join("tree/dir/file"), file).unwrap();
            for (name, text) in patches {
                fs::write(dir.path().join("patches").join(name), text).unwrap();
            }
            Self { dir }
        }

        fn patches<T>(&self, tailor: Tailor, work: impl FnOnce(Patches) -> T) -> T {
            let dirs = [self.dir.path().join("patches")];
            work(Patches { dirs: &dirs, tailor, tested: "6.12.117-1" })
        }

        fn digest(&self, tailor: Tailor) -> Digest {
            self.patches(tailor, |patches| patches.digest()).unwrap()
        }

        /// The file and the menu after the patches.
        fn apply(&self, tailor: Tailor) -> Result<(String, String)> {
            let tree = self.dir.path().join("tree");
            let log = self.dir.path().join("log");
            self.patches(tailor, |patches| patches.apply(&tree, &log))?;
            let menu = fs::read_to_string(tree.join("menu")).unwrap_or_default();
            Ok((fs::read_to_string(tree.join("dir/file"))?, menu))
        }

        fn failure(&self, tailor: Tailor) -> (String, String) {
            let problem = self.apply(tailor).unwrap_err().downcast::<Problem>().unwrap();
            (problem.what, problem.hint.unwrap_or_default())
        }
    }

    #[test]
    fn the_digest_is_of_what_is_applied() {
        let dac = Tailor { dac: true, ..Tailor::default() };
        let digests = |text: &str| {
            let bench = Bench::new(FILE, &[("0002-tailor-dac.patch", text)]);
            fs::write(bench.dir.path().join("patches/README.md"), text).unwrap();
            [bench.digest(Tailor::default()), bench.digest(dac)]
        };
        let first = digests(PATCH);
        assert_ne!(first[0], first[1], "the measure is off, and on");
        assert_eq!(first, digests(&PATCH.replace("Subject: [PATCH] five", "Subject: 5")));
        let other = digests(&PATCH.replace("+five", "+V"));
        assert_eq!(first[0], other[0], "a measure that is off");
        assert_ne!(first[1], other[1], "a measure that is on");
    }

    #[test]
    fn patches_apply_in_the_order_of_their_names() {
        let second = PATCH.replace("+five", "+V").replace("-5", "-five");
        let bench = Bench::new(FILE, &[("0002-v.patch", &second), ("0001-five.patch", PATCH)]);
        assert_eq!(bench.apply(Tailor::default()).unwrap().0, FILE.replace('5', "V"));
    }

    #[test]
    fn a_source_follows_its_patches() {
        let other = "diff --git a/dir/other b/dir/other\n--- a/dir/other\n+++ b/dir/other\n\
            @@ -1 +1 @@\n-a\n+b\n";
        let patches = [("1.patch", PATCH), ("2.patch", MENU), ("3.patch", other)];
        let bench = Bench::new(FILE, &patches);
        let path = |name: &str| bench.dir.path().join(name);
        let read = |name: &str| fs::read_to_string(path("tree/dir").join(name)).unwrap();
        let written = |name: &str| path("tree/dir").join(name).metadata().unwrap().ino();
        fs::write(path("tree/dir/other"), "a\n").unwrap();
        bench.apply(Tailor::default()).unwrap();
        assert_eq!(read("other"), "b\n");

        let before = written("other");
        fs::write(path("patches/1.patch"), PATCH.replace("+five", "+V")).unwrap();
        fs::remove_file(path("patches/2.patch")).unwrap();
        bench.apply(Tailor::default()).unwrap();
        assert_eq!(read("file"), FILE.replace('5', "V"));
        assert_eq!(written("other"), before, "what stays was written again");
        assert!(!path("tree/menu").exists(), "what no patch makes any more is still there");

        fs::write(path("patches/1.patch"), PATCH.replace("-5", "-6")).unwrap();
        bench.failure(Tailor::default());
        assert_eq!(read("file"), FILE.replace('5', "V"), "a patch that fails changed the tree");

        fs::remove_file(path("patches/1.patch")).unwrap();
        fs::remove_file(path("patches/3.patch")).unwrap();
        bench.apply(Tailor::default()).unwrap();
        assert_eq!((read("file"), read("other")), (FILE.to_owned(), "a\n".to_owned()));
    }

    #[test]
    fn lines_may_have_moved() {
        let moved = format!("0\n0\n{FILE}");
        let bench = Bench::new(&moved, &[("0001-five.patch", PATCH)]);
        assert_eq!(bench.apply(Tailor::default()).unwrap().0, moved.replace('5', "five"));
    }

    #[test]
    fn a_patch_that_needs_fuzz_is_refused() {
        let bench = Bench::new(&FILE.replace('8', "eight"), &[("0001-five.patch", PATCH)]);
        let (what, hint) = bench.failure(Tailor::default());
        assert_eq!(
            what,
            "the patch 0001-five.patch does not apply exactly to 6.12.999: \
             dir/file: Hunk #1 FAILED at 2"
        );
        assert!(hint.contains("known to fit is 6.12.117-1"), "{hint}");
        assert!(!hint.contains("kernel.tailor"), "{hint}");
    }

    #[test]
    fn a_patch_that_fails_names_its_hunk() {
        let other = "diff --git a/dir/other b/dir/other\n--- a/dir/other\n+++ b/dir/other\n";
        let two = format!("{PATCH}{other}@@ -1 +1 @@\n-a\n+b\n");
        let bench = Bench::new(FILE, &[("0001-five.patch", &two)]);
        let (what, _) = bench.failure(Tailor::default());
        assert!(what.ends_with("dir/other: 1 out of 1 hunk ignored"), "{what}");
    }

    #[test]
    fn a_patch_that_does_not_fit_can_be_left_out() {
        let (name, patch) = ("0002-tailor-dac.patch", format!("{ENTRY}{PATCH}"));
        let other = FILE.replace('8', "eight");
        let bench = Bench::new(&other, &[("0001-menu.patch", MENU), (name, &patch)]);
        let with_dac = Tailor { dac: true, ..Tailor::CONFIGURATION };
        let (what, hint) = bench.failure(with_dac);
        assert!(what.starts_with("the patch 0002-tailor-dac.patch does not apply"), "{what}");
        assert!(hint.contains("(`dac = false` in [kernel.tailor])"), "{hint}");
        let (_, hint) = bench.failure(Tailor::ALL);
        assert!(hint.contains("(`dac = false` and `vfs = false` in [kernel.tailor])"), "{hint}");

        let bench = Bench::new(&other, &[("0001-menu.patch", MENU), (name, &patch)]);
        let (file, menu) = bench.apply(Tailor::CONFIGURATION).unwrap();
        assert_eq!((&file, &menu[..]), (&other, "menu\ndac\n"));

        let bench = Bench::new(FILE, &[("0001-menu.patch", MENU), (name, &patch)]);
        let (file, menu) = bench.apply(with_dac).unwrap();
        assert_eq!((&file[..], &menu[..]), (&FILE.replace('5', "five")[..], "menu\ndac\n"));
    }
}
