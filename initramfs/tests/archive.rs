//! The archive, read back by ourselves and by GNU cpio.

#![allow(clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use initramfs::Tree;

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.console().unwrap();
    tree.program("/init", b"\x7fELF".to_vec(), "PID 1").unwrap();
    tree.directory("/etc", "configuration").unwrap();
    tree.file("/etc/appliance.conf", b"hostname x\n".to_vec(), "of PID 1").unwrap();
    tree.directory("/etc-more", "sorts between /etc and what is in it").unwrap();
    tree.file(b"/etc/\xff", b"of bytes".to_vec(), "a name that is no UTF-8").unwrap();
    tree.link("/link", b"etc", "a link").unwrap();
    tree
}

fn archive(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_tree_comes_back_and_can_be_changed() {
    let bytes = archive(&tree());
    let mut again = Tree::read(&bytes[..]).unwrap();
    assert_eq!(archive(&again), bytes);
    assert_eq!(again.content("/init"), Some(&b"\x7fELF"[..]));
    assert_eq!(again.content("/etc"), None);
    again.rename("/init", "/init.next").unwrap();
    assert_eq!(again.content("/init.next"), Some(&b"\x7fELF"[..]));
    assert!(again.rename("/init", "/etc/init").is_err());
    assert!(again.rename("/etc", "/other").is_err());
    for end in [1, 50, bytes.len() - 1] {
        assert!(Tree::read(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let found = initramfs::read(&archive(&tree())[..]).unwrap();
    let seen: Vec<_> = found.iter().map(|e| (e.path.as_str(), e.mode, e.bytes)).collect();
    assert_eq!(
        seen,
        [
            ("/dev", 0o040_755, 0),
            ("/dev/console", 0o020_600, 0),
            ("/etc", 0o040_755, 0),
            ("/etc-more", 0o040_755, 0),
            ("/etc/appliance.conf", 0o100_644, 11),
            ("/etc/\u{fffd}", 0o100_644, 8),
            ("/init", 0o100_755, 4),
            ("/link", 0o120_777, 3),
        ]
    );
}

/// Runs GNU cpio on an archive in `dir`; gives its output.
fn gnu_cpio(dir: &Path, arguments: &[&str], archive: &[u8]) -> String {
    let mut cpio = Command::new("cpio")
        .args(arguments)
        .current_dir(dir)
        .envs([("TZ", "UTC"), ("LC_ALL", "C")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("GNU cpio is needed for this test: {error}"));
    cpio.stdin.take().unwrap().write_all(archive).unwrap();
    let output = cpio.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn gnu_cpio_lists_it() {
    let arguments = ["--list", "--verbose", "--numeric-uid-gid", "--quiet"];
    let listing = gnu_cpio(Path::new("/"), &arguments, &archive(&tree()));
    for line in [
        "drwxr-xr-x   2 0        0               0 Jan  1  1970 dev\n",
        "crw-------   1 0        0          5,   1 Jan  1  1970 dev/console\n",
        "-rw-r--r--   1 0        0              11 Jan  1  1970 etc/appliance.conf\n",
        "-rwxr-xr-x   1 0        0               4 Jan  1  1970 init\n",
        "lrwxrwxrwx   1 0        0               3 Jan  1  1970 link -> etc\n",
    ] {
        assert!(listing.contains(line), "{line} is not in\n{listing}");
    }
}

#[test]
fn gnu_cpio_unpacks_it() {
    let dir = tempfile::tempdir().unwrap();
    // A device node needs root: everything else.
    let arguments = ["--extract", "--quiet", "--nonmatching", "dev/console"];
    gnu_cpio(dir.path(), &arguments, &archive(&tree()));
    let read = |name: &[u8]| fs::read(dir.path().join(OsStr::from_bytes(name))).unwrap();
    assert_eq!(read(b"etc/appliance.conf"), b"hostname x\n");
    assert_eq!(read(b"link/\xff"), b"of bytes");
    assert_eq!(fs::metadata(dir.path().join("init")).unwrap().mode(), 0o100_755);
}

#[test]
fn the_order_of_making_does_not_matter_but_the_content_does() {
    let mut other = Tree::new();
    other.directory("/etc-more", "").unwrap();
    other.directory("/etc", "").unwrap();
    other.file("/etc/appliance.conf", b"hostname x\n".to_vec(), "").unwrap();
    other.program("/init", b"\x7fELF".to_vec(), "").unwrap();
    other.console().unwrap();
    other.link("/link", b"etc", "").unwrap();
    other.file(b"/etc/\xff", b"of bytes".to_vec(), "").unwrap();
    assert_eq!(archive(&tree()), archive(&other));
    other.file("/etc/more", Vec::new(), "").unwrap();
    assert_ne!(archive(&tree()), archive(&other));
}

#[test]
fn what_the_kernel_would_leave_out_is_refused() {
    let mut tree = tree();
    let long_name = format!("/etc/{}", "n".repeat(256));
    let long_path = "/n".repeat(2048);
    for (path, what) in [
        ("etc/x", "absolute"),
        ("/", "absolute"),
        ("/etc/../x", "plain"),
        ("/etc//x", "plain"),
        ("/etc/x\0", "zero byte"),
        ("/usr/x", "directory is not"),
        ("/init/x", "directory is not"),
        ("/init", "twice"),
        ("/TRAILER!!!", "ends an archive"),
        (&long_name, "255 bytes"),
        (&long_path, "4096 bytes"),
    ] {
        let error = format!("{:#}", tree.file(path, Vec::new(), "").unwrap_err());
        assert!(error.contains(what), "{path}: {error}");
    }
    for target in [&b""[..], b"\0", &[b'n'; 4096]] {
        assert!(tree.link("/bad", target, "").is_err());
    }
    assert_eq!(archive(&tree), archive(&self::tree()), "a refused entry leaves no trace");
}

#[test]
fn a_file_that_newc_cannot_say_is_refused() {
    // Its zero pages are never touched, so that it takes no memory.
    let content = vec![0; 1 << 32];
    let error = tree().file("/large", content, "").unwrap_err();
    assert_eq!(format!("{error:#}"), "archiving /large: the file has 4 GiB or more");
}

#[test]
fn an_archive_that_is_cut_or_damaged_is_an_error() {
    let bytes = archive(&tree());
    for len in [0, 5, 110, bytes.len() / 2, bytes.len() - 124] {
        assert!(initramfs::read(&bytes[..len]).is_err(), "{len}");
    }
    let content = bytes.windows(8).position(|part| part == b"hostname").unwrap();
    let error = format!("{:#}", initramfs::read(&bytes[..content + 4]).unwrap_err());
    assert_eq!(error, "reading the cpio entry after /etc-more: the archive ends too early");
    // A digit of the first entry's inode, and of the length of its name.
    for at in [6, 94] {
        let mut damaged = bytes.clone();
        damaged[at] = b'+';
        assert!(initramfs::read(&damaged[..]).is_err(), "{at}");
    }
    let mut after = bytes.clone();
    after[94..102].copy_from_slice(b"FFFFFFFF");
    let error = format!("{:#}", initramfs::read(&after[..]).unwrap_err());
    assert_eq!(error, "reading the first cpio entry: a name of 4294967295 bytes");
}
