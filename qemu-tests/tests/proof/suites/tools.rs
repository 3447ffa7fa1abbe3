//! The suites that are programs of their own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use appliance::home;
use host::{Command, find_program};

use super::guest::Packed;

/// Where file systems are mounted: the disk's, and tmpfs.
const PLACES: [&str; 2] = ["/D", "/T"];

/// What changes files and directories, one call a case; its configuration is
/// `pjdfstest.toml`.
pub(crate) fn pjdfstest() -> Result<Packed> {
    // Minutes, when it is built for the first time.
    let said = Command::new(home::repository().join("setup/pjdfstest"))
        .env("APPLIANCE_CACHE", home::cache())
        .deadline(Duration::from_secs(1800))
        .output()?;
    let program = PathBuf::from(String::from_utf8_lossy(&said).trim());
    let mut packed = Packed::new()?;
    packed.program(&program)?;
    packed.file("/etc/pjdfstest", include_str!("pjdfstest.toml"))?;
    for (place, other) in [(PLACES[0], PLACES[1]), (PLACES[1], PLACES[0])] {
        let command = format!("pjdfstest -c /etc/pjdfstest -p {place}/work -s {other}");
        packed.run(&format!("pjdfstest{place}"), 600, place, &command);
    }
    Ok(packed)
}

/// Stressors of files, paths and sockets.
const STRESSORS: &str = "access chattr chdir chmod chown close copy-file dentry dir dirdeep dirmany \
    dup epoll eventfd fallocate fcntl fiemap file-ioctl filename flock fpunch fsize fstat full \
    getdent handle hdd inode-flags io lease link locka lockf lockofd memfd mknod msync null open \
    pipe poll procfs readahead rename seal seek sendfile sock sockabuse sockfd sockmany sockpair \
    splice symlink sync-file tee touch udp utime vm-splice xattr zero";

/// They check what they are told, some hundred times each.
pub(crate) fn stress_ng() -> Result<Packed> {
    let mut packed = Packed::new()?;
    packed.program(&find_program("stress-ng").context("stress-ng is missing")?)?;
    for name in STRESSORS.split_ascii_whitespace() {
        let command = format!(
            "stress-ng --{name} 1 --{name}-ops 100 --timeout 2 --verify --no-rand-seed --oomable \
             --temp-path /D/work"
        );
        packed.run(name, 300, "/D", &command);
    }
    Ok(packed)
}

/// Ways to read and write.
const ENGINES: &[&str] =
    &["sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "libaio", "posixaio", "splice"];
/// In order, anywhere, and anywhere while it is read again.
const PATTERNS: &[(&str, &str)] = &[
    ("in-order", "--rw=write"),
    ("anywhere", "--rw=randwrite"),
    ("again", "--rw=randwrite --verify_backlog=8"),
];

/// Writes, and reads what was written, which carries its checksum.
pub(crate) fn fio() -> Result<Packed> {
    let mut packed = Packed::new()?;
    packed.program(&find_program("fio").context("fio is missing")?)?;
    for engine in ENGINES {
        for (name, pattern) in PATTERNS {
            let command = format!(
                "fio --name=job --ioengine={engine} {pattern} --size=1m --bsrange=512-24k \
                 --bs_unaligned=1 --verify=crc32c --verify_fatal=1 --randseed=4 \
                 --directory=/D/work --thread"
            );
            packed.run(&format!("{engine}-{name}"), 300, "/D", &command);
        }
    }
    Ok(packed)
}
