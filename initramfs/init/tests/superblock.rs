//! The superblock of a file system that mke2fs makes.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

use init::superblock::{LEN, OFFSET, Uuid, uuid};

#[test]
fn a_real_file_system_is_recognised() {
    let expected = "0b8e5bc5-6b5b-4a5c-9d3a-3f1d2c4b5a69";
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(1 << 20).unwrap();
    let status = Command::new("mke2fs")
        .args(["-q", "-t", "ext3", "-U", expected])
        .arg(image.path())
        // It is where an ordinary user's PATH does not lead.
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .status()
        .unwrap_or_else(|error| panic!("e2fsprogs is needed for this test: {error}"));
    assert!(status.success());
    let mut block = [0; LEN];
    File::open(image.path()).unwrap().read_exact_at(&mut block, OFFSET).unwrap();
    assert_eq!(uuid(&block), Uuid::parse(expected));
}
