//! The files that are served, collected from a directory of the host.
//!
//! A symbolic link stays one if it leads to something inside the site; its target
//! is written anew, relative to the link, so that it means the same wherever the
//! site is mounted. Owners, permissions and times of the host do not count.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use host::{Digest, check_interrupt, digest_bytes, digest_stream, refused};

/// The longest name of a file that ext3 holds, in bytes (`EXT4_NAME_LEN` of
/// fs/ext4/ext4.h).
const NAME_MAX: usize = 255;
/// The longest path that Linux takes, in bytes, with room for the document root.
const PATH_MAX: usize = 4096 - 256;

/// All files of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    entries: Vec<Entry>,
}

/// A file, directory or link of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is below the document root.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry of a site is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Where its content is on the host.
        source: PathBuf,
        /// Size in bytes.
        bytes: u64,
        /// Digest of the content.
        digest: Digest,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, relative to the directory that it is in.
        target: PathBuf,
    },
}

impl Site {
    /// Collects the site below `root`.
    ///
    /// # Errors
    /// Refused when the directory is missing, holds no file, or holds something
    /// that cannot be read or be part of a site.
    pub fn collect(root: &Path) -> Result<Self> {
        let root = match root.canonicalize() {
            Ok(root) if root.is_dir() => root,
            Ok(_) => {
                let what = format!("the site {} is no directory", root.display());
                return Err(refused(what).hint(NAME_A_DIRECTORY).into());
            }
            Err(error) => {
                let what = format!("the site {} cannot be read: {error}", root.display());
                return Err(refused(what).hint(NAME_A_DIRECTORY).into());
            }
        };
        let mut entries = Vec::new();
        collect_directory(&root, Path::new(""), &mut entries)?;
        if !entries.iter().any(|entry| matches!(entry.kind, EntryKind::File { .. })) {
            return Err(about(&root, "holds no file")
                .hint("put at least an index.html there")
                .into());
        }
        Ok(Self { entries })
    }

    /// Every entry below the document root, in the order of names (as bytes), a
    /// directory before what it holds.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File { .. })).count()
    }

    /// The sum of the sizes of all files.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(Entry::bytes).sum()
    }

    /// The digest of everything that a guest sees of the site.
    pub fn digest(&self) -> Digest {
        let mut text = Vec::new();
        for Entry { path, kind } in &self.entries {
            let (mark, content) = match kind {
                EntryKind::Directory => (b'd', &[][..]),
                EntryKind::File { digest, .. } => (b'f', &digest.0[..]),
                EntryKind::Link { target } => (b'l', target.as_os_str().as_bytes()),
            };
            // Lengths in front, so that no two sites look the same.
            for part in [&[mark][..], path.as_os_str().as_bytes(), content] {
                text.extend(part.len().to_le_bytes());
                text.extend(part);
            }
        }
        digest_bytes(&text)
    }
}

impl Entry {
    /// The size of a file; 0 of what is none.
    pub fn bytes(&self) -> u64 {
        match self.kind {
            EntryKind::File { bytes, .. } => bytes,
            EntryKind::Directory | EntryKind::Link { .. } => 0,
        }
    }
}

const NAME_A_DIRECTORY: &str = "name the directory of the site in `server.root` of appliance.toml";

/// A refusal about something in the site; its name is shown on one line.
fn about(path: &Path, what: &str) -> host::Problem {
    refused(format!("in the site, {path:?} {what}"))
}

/// Adds what the directory `within` of the site holds.
fn collect_directory(root: &Path, within: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    check_interrupt()?;
    let place = root.join(within);
    let unreadable = |error| about(&place, &format!("cannot be read: {error}")).hint(MAKE_READABLE);
    let list = fs::read_dir(&place).map_err(unreadable)?;
    let mut names = list
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    names.sort_unstable();
    for name in names {
        let path = within.join(&name);
        check_name(&root.join(&path), &path, &name)?;
        let kind = collect_entry(root, &path)?;
        let is_directory = kind == EntryKind::Directory;
        entries.push(Entry { path: path.clone(), kind });
        if is_directory {
            collect_directory(root, &path, entries)?;
        }
    }
    Ok(())
}

const MAKE_READABLE: &str = "make it readable for the user who builds";

fn check_name(place: &Path, path: &Path, name: &OsStr) -> Result<()> {
    let hint = "give it a shorter name";
    if name.len() > NAME_MAX {
        let what = format!("has a name of {} bytes; ext3 holds {NAME_MAX}", name.len());
        return Err(about(place, &what).hint(hint).into());
    }
    if path.as_os_str().len() > PATH_MAX {
        let what = format!("has a path of more than {PATH_MAX} bytes");
        return Err(about(place, &what).hint(hint).into());
    }
    Ok(())
}

fn collect_entry(root: &Path, path: &Path) -> Result<EntryKind> {
    let source = root.join(path);
    let unreadable =
        |error| about(&source, &format!("cannot be read: {error}")).hint(MAKE_READABLE);
    let meta = source.symlink_metadata().map_err(unreadable)?;
    let kind = meta.file_type();
    if kind.is_dir() {
        return Ok(EntryKind::Directory);
    }
    if kind.is_symlink() {
        return Ok(EntryKind::Link { target: link_target(root, path)? });
    }
    let special = [
        (kind.is_socket(), "is a socket"),
        (kind.is_fifo(), "is a named pipe"),
        (kind.is_block_device() || kind.is_char_device(), "is a device"),
    ];
    if let Some((_, what)) = special.iter().find(|(is, _)| *is) {
        return Err(about(&source, what).hint("a site holds files, directories and links").into());
    }
    let digest = File::open(&source).and_then(digest_stream).map_err(unreadable)?;
    Ok(EntryKind::File { bytes: meta.len(), digest, source })
}

/// Where a link leads, relative to its directory.
fn link_target(root: &Path, path: &Path) -> Result<PathBuf> {
    let link = root.join(path);
    let target = link.canonicalize().map_err(|error| {
        about(&link, &format!("is a link that leads nowhere: {error}"))
            .hint("remove it or mend its target")
    })?;
    let Ok(inside) = target.strip_prefix(root) else {
        let what = format!("is a link that leads outside, to {}", target.display());
        return Err(about(&link, &what).hint("copy what it leads to into the site").into());
    };
    // The directory of the link is a real one: links are not followed on the way.
    let directory = path.parent().unwrap_or(Path::new(""));
    Ok(relative(directory, inside))
}

/// The way from a directory to a path, both given below the same root.
fn relative(directory: &Path, path: &Path) -> PathBuf {
    let mut from = directory.components().peekable();
    let mut to = path.components().peekable();
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let way: PathBuf = from.map(|_| Component::ParentDir).chain(to).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn site() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("b/deep.html"), "deep").unwrap();
        fs::write(dir.path().join("a.html"), "a").unwrap();
        dir
    }

    fn error(root: &Path) -> String {
        Site::collect(root).unwrap_err().to_string()
    }

    #[test]
    fn entries_are_sorted_and_links_are_relative() {
        let dir = site();
        symlink("../a.html", dir.path().join("b/up")).unwrap();
        symlink(dir.path().join("b/deep.html"), dir.path().join("absolute")).unwrap();
        symlink(".", dir.path().join("c")).unwrap();
        let site = Site::collect(dir.path()).unwrap();
        let paths: Vec<_> = site.entries().iter().map(|e| e.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a.html", "absolute", "b", "b/deep.html", "b/up", "c"]);
        let link = |at: usize| match &site.entries()[at].kind {
            EntryKind::Link { target } => target.to_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!([link(1), link(4), link(5)], ["b/deep.html", "../a.html", "."]);
        assert_eq!(site.bytes(), 5);
    }

    #[test]
    fn the_digest_depends_on_content_and_names_alone() {
        let (one, other) = (site(), site());
        let digest = |dir: &tempfile::TempDir| Site::collect(dir.path()).unwrap().digest();
        assert_eq!(digest(&one), digest(&other));
        fs::write(other.path().join("a.html"), "A").unwrap();
        assert_ne!(digest(&one), digest(&other));
    }

    #[test]
    fn what_is_no_site_is_refused() {
        let dir = site();
        assert!(error(&dir.path().join("none")).contains("cannot be read: No such file"));
        assert!(error(&dir.path().join("a.html")).contains("is no directory"));
        let empty = tempfile::tempdir().unwrap();
        fs::create_dir(empty.path().join("only-a-directory")).unwrap();
        assert!(error(empty.path()).contains("holds no file"));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let dir = site();
        let strange = dir.path().join("b/strange\n");
        let _socket = UnixListener::bind(&strange).unwrap();
        let message = error(dir.path());
        assert!(message.ends_with("/b/strange\\n\" is a socket"), "{message}");
        fs::remove_file(&strange).unwrap();

        for (target, part) in [
            ("/etc", "leads outside, to /etc"),
            ("..", "leads outside"),
            ("missing", "leads nowhere: No such file"),
            ("strange\n", "leads nowhere: Too many levels"),
        ] {
            symlink(target, &strange).unwrap();
            // `..` of b is the site itself; from the root it is outside.
            let root = if target == ".." { dir.path().join("b") } else { dir.path().to_owned() };
            let message = error(&root);
            assert!(message.contains(part), "{message}");
            fs::remove_file(&strange).unwrap();
        }
    }

    #[test]
    fn names_longer_than_ext3_holds_are_refused() {
        let name = "x".repeat(256);
        let path = Path::new(&name);
        assert!(check_name(path, path, path.as_os_str()).is_err());
        let path = Path::new(&name[1..]);
        assert!(check_name(path, path, path.as_os_str()).is_ok());
    }
}
