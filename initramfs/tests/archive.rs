//! The archive, read back by ourselves and by GNU cpio.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};

use initramfs::Tree;

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.console().unwrap();
    tree.program("/init", b"\x7fELF".to_vec(), "PID 1").unwrap();
    tree.directory("/etc", "configuration").unwrap();
    tree.file("/etc/appliance.conf", b"hostname x\n".to_vec(), "of PID 1").unwrap();
    tree.directory("/etc-more", "sorts between /etc and what is in it").unwrap();
    tree
}

fn archive(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.write(&mut bytes).unwrap();
    bytes
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
            ("/init", 0o100_755, 4),
        ]
    );
}

#[test]
fn gnu_cpio_reads_it() {
    let mut cpio = match Command::new("cpio")
        .args(["--list", "--verbose", "--numeric-uid-gid"])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
    {
        Ok(cpio) => cpio,
        Err(error) => panic!("GNU cpio is needed for this test: {error}"),
    };
    cpio.stdin.take().unwrap().write_all(&archive(&tree())).unwrap();
    let output = cpio.wait_with_output().unwrap();
    assert!(output.status.success());
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(
        listing.contains("crw-------   1 0        0          5,   1 Jan  1  1970 dev/console"),
        "{listing}"
    );
    assert!(
        listing.contains("-rwxr-xr-x   1 0        0               4 Jan  1  1970 init"),
        "{listing}"
    );
}

#[test]
fn the_order_of_making_does_not_matter_but_the_content_does() {
    let mut other = Tree::new();
    other.directory("/etc-more", "").unwrap();
    other.directory("/etc", "").unwrap();
    other.file("/etc/appliance.conf", b"hostname x\n".to_vec(), "").unwrap();
    other.program("/init", b"\x7fELF".to_vec(), "").unwrap();
    other.console().unwrap();
    assert_eq!(archive(&tree()), archive(&other));
    other.file("/etc/more", Vec::new(), "").unwrap();
    assert_ne!(archive(&tree()), archive(&other));
}

#[test]
fn paths_that_cannot_be() {
    let mut tree = tree();
    for (path, what) in [
        ("etc/x", "absolute"),
        ("/", "absolute"),
        ("/etc/../x", "plain"),
        ("/etc//x", "plain"),
        ("/usr/x", "directory is not"),
        ("/init/x", "directory is not"),
        ("/init", "twice"),
    ] {
        let error = tree.file(path, Vec::new(), "").unwrap_err().to_string();
        assert!(error.contains(what), "{path}: {error}");
    }
}

#[test]
fn a_cut_archive_is_an_error() {
    let bytes = archive(&tree());
    for len in [0, 5, 110, bytes.len() / 2, bytes.len() - 200] {
        assert!(initramfs::read(&bytes[..len]).is_err(), "{len}");
    }
}
