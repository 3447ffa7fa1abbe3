//! What the fetcher decides, with real tarballs and no network.

use std::fs;

use host::{Kind, Problem, digest_bytes};
use tempfile::TempDir;

use super::*;

const UPSTREAM: &[u8] = b"bytes of a tarball";

/// A repository that names one tested source, with a cache of its own.
struct Place {
    dir: TempDir,
    progress: Progress,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repository/kernel", "repository/lighttpd-static", "cache"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let tested = format!(
            "[server]\npackage = \"server\"\nkind = \"dsc\"\nseries = \"1.4\"\n\
             version = \"1.4.2-1\"\nsha256 = \"{}\"\nmarker = \"src/server.c\"\n",
            digest_bytes(UPSTREAM)
        );
        fs::write(dir.path().join("repository/lighttpd-static/source.toml"), tested).unwrap();
        fs::write(dir.path().join("repository/kernel/source.toml"), "").unwrap();
        Self { dir, progress: Progress::silent() }
    }

    fn fetcher(&self, options: FetchOptions) -> Fetcher<'_> {
        let mut fetcher = Fetcher::new(&self.dir.path().join("cache"), options, &self.progress);
        fetcher.repository = self.dir.path().join("repository");
        fetcher
    }

    /// Stores a version as if it had been fetched.
    fn store(&self, version: &str, bytes: &[u8], instead_of: Option<&str>) -> PathBuf {
        let place = self.dir.path().join(format!("cache/sources/server_{version}"));
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("server.tar"), bytes).unwrap();
        let file = File { path: "server.tar".into(), sha256: digest_bytes(bytes).to_string() };
        let record = Record {
            version: version.to_owned(),
            file,
            patches: Vec::new(),
            instead_of: instead_of.map(str::to_owned),
        };
        store::write(&place, &record).unwrap();
        place.join("server.tar")
    }

    /// A tarball with one file in its top directory.
    fn tarball(&self, name: &str, member: &str) -> PathBuf {
        let tree = self.dir.path().join(name);
        let file = tree.join("top").join(member);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "int main;").unwrap();
        let tarball = self.dir.path().join(format!("{name}.tar.xz"));
        let command = host::Command::new("tar").arg("-C").arg(&tree).arg("-cJf").arg(&tarball);
        command.arg("top").run().unwrap();
        tarball
    }
}

fn offline() -> FetchOptions {
    FetchOptions { offline: true, ..FetchOptions::default() }
}

fn given(path: PathBuf) -> FetchOptions {
    FetchOptions { overrides: BTreeMap::from([("server".to_owned(), path)]), ..offline() }
}

fn problem<T>(result: Result<T>) -> (Kind, String) {
    let error = result.err().unwrap();
    let problem = error.chain().find_map(|cause| cause.downcast_ref::<Problem>()).unwrap();
    (problem.kind, format!("{} ({})", problem.what, problem.hint.as_deref().unwrap_or_default()))
}

#[test]
fn offline_says_what_is_missing_and_how_to_get_it() {
    let place = Place::new();
    let (kind, text) = problem(place.fetcher(offline()).get("server"));
    assert_eq!(kind, Kind::Refused);
    assert!(text.starts_with("--offline: server 1.4.2-1 (package server) is not in /"), "{text}");
    assert!(text.ends_with("or give a tarball with --server-source FILE)"), "{text}");
}

#[test]
fn the_tested_version_comes_before_others() {
    let place = Place::new();
    place.store("1.4.9-1", b"newer", Some("1.4.2-1"));
    place.store("1.4.2-1", UPSTREAM, None);
    let fetcher = place.fetcher(FetchOptions { locked: true, ..offline() });
    let source = fetcher.get("server").unwrap();
    assert_eq!((source.version.as_str(), source.verified().unwrap().exists()), ("1.4.2-1", true));
}

#[test]
fn another_version_of_the_series_stands_in_unless_locked() {
    let place = Place::new();
    place.store("1.4.1-1", b"older", Some("1.4.2-1"));
    place.store("1.40-1", b"another series", Some("1.4.2-1"));
    let online = FetchOptions::default();
    assert_eq!(place.fetcher(online).get("server").unwrap().version, "1.4.1-1");
    let locked = FetchOptions { locked: true, ..offline() };
    assert_eq!(problem(place.fetcher(locked).get("server")).0, Kind::Refused);
}

#[test]
fn a_stand_in_for_a_former_tested_version_counts_offline_only() {
    let place = Place::new();
    place.store("1.4.1-1", b"older", Some("1.4.0-1"));
    let specs = tested::read(&place.dir.path().join("repository")).unwrap();
    assert_eq!(place.fetcher(FetchOptions::default()).stored(&specs["server"]), None);
    assert_eq!(place.fetcher(offline()).get("server").unwrap().version, "1.4.1-1");
}

#[test]
fn a_damaged_file_is_deleted_and_never_used() {
    let place = Place::new();
    let file = place.store("1.4.2-1", UPSTREAM, None);
    let fetcher = place.fetcher(offline());
    let source = fetcher.get("server").unwrap();
    fs::write(&file, b"bytes of a tarbalL").unwrap();
    assert_eq!(problem(source.verified()).0, Kind::Refused);
    assert!(!file.exists());
}

#[test]
fn a_tarball_of_the_user_stands_in_for_a_source() {
    let place = Place::new();
    let fetcher = place.fetcher(given(place.tarball("good", "src/server.c")));
    let source = fetcher.get("server").unwrap();
    assert_eq!((source.version.as_str(), source.verified().is_ok()), ("good.tar.xz", true));
    let locked = FetchOptions { locked: true, ..fetcher.options.clone() };
    assert!(problem(place.fetcher(locked).get("server")).1.contains("--locked refuses"));
}

#[test]
fn what_is_no_tarball_of_the_source_is_refused() {
    let place = Place::new();
    let fetcher = place.fetcher(given(place.tarball("other", "src/client.c")));
    let text = problem(fetcher.get("server").unwrap().verified()).1;
    assert!(text.contains("it holds no src/server.c in its top directory"), "{text}");
    let package = place.dir.path().join("server.deb");
    fs::write(&package, "!<arch>\ndebian-binary").unwrap();
    let text = problem(place.fetcher(given(package)).get("server")).1;
    assert!(text.contains("it is no tar archive"), "{text}");
    let (kind, _) = problem(place.fetcher(given("/no/such/file".into())).get("server"));
    assert_eq!(kind, Kind::Refused);
}

#[test]
fn patches_of_debian_are_kept_in_their_order() {
    let place = Place::new();
    let dir = place.dir.path().join("fetched");
    fs::create_dir_all(dir.join("tree/debian/patches/fixes")).unwrap();
    let patches = dir.join("tree/debian/patches");
    fs::write(patches.join("series"), "# first\nfixes/b.patch -p1\n\na.patch\n").unwrap();
    fs::write(patches.join("fixes/b.patch"), "b").unwrap();
    fs::write(patches.join("a.patch"), "a").unwrap();
    let packaging = dir.join("server_1.4.2-1.debian.tar.xz");
    let tar = host::Command::new("tar").arg("-C").arg(dir.join("tree")).arg("-cJf");
    tar.arg(&packaging).arg("debian").run().unwrap();
    remove_tree(&dir.join("tree")).unwrap();
    fs::write(dir.join("server_1.4.2.orig.tar.gz"), UPSTREAM).unwrap();
    fs::write(dir.join("server_1.4.2.orig.tar.gz.asc"), "signature").unwrap();

    let specs = tested::read(&place.dir.path().join("repository")).unwrap();
    let record = store::unpack(&dir, &specs["server"], "1.4.2-1").unwrap();
    let kept: Vec<&str> = record.files().filter_map(|file| file.path.to_str()).collect();
    let expected = ["server_1.4.2.orig.tar.gz", "patches/001-fixes-b.patch", "patches/002-a.patch"];
    assert_eq!(kept, expected);
    assert_eq!(record.file.sha256, specs["server"].sha256);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn the_patch_of_an_old_format_is_kept() {
    let place = Place::new();
    let dir = place.dir.path().join("fetched");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("server_1.4.2.orig.tar.gz"), UPSTREAM).unwrap();
    fs::write(dir.join("server_1.4.2-1.diff"), "--- a\n+++ b\n").unwrap();
    host::Command::new("gzip").arg(dir.join("server_1.4.2-1.diff")).run().unwrap();

    let specs = tested::read(&place.dir.path().join("repository")).unwrap();
    let record = store::unpack(&dir, &specs["server"], "1.4.2-1").unwrap();
    assert_eq!(record.patches[0].path, Path::new("patches/server_1.4.2-1.diff"));
    let kept = fs::read_to_string(dir.join(&record.patches[0].path)).unwrap();
    assert_eq!(kept, "--- a\n+++ b\n");
}
