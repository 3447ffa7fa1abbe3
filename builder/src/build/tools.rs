//! What else has a part in the bytes: the host's tools, and our own code.

use std::path::Path;

use anyhow::{Context, Result};
use host::{Command, digest_file, digest_tree};

use crate::cache::Inputs;
use crate::home;

/// Programs that say their version, and how they are asked.
const PROGRAMS: [(&str, &str); 3] =
    [("mke2fs", "-V"), ("mcopy", "--version"), ("syslinux", "--version")];
/// Files that get into the disk as they are.
const FILES: [&str; 2] =
    ["/usr/lib/SYSLINUX/gptmbr.bin", "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"];

/// Our crates whose code makes the server's check, the initramfs and the disk.
const CRATES: [&str; 4] = ["builder/src", "images/src", "initramfs/src", "lighttpd-static/src"];

/// Versions of the programs and digests of the files, by name.
///
/// # Errors
/// When one is missing.
pub(super) fn of_disk() -> Result<Inputs> {
    let mut found = Inputs::new();
    for (program, option) in PROGRAMS {
        found.insert(program.into(), version(program, option)?);
    }
    for path in FILES {
        found.insert(path.into(), digest_file(Path::new(path))?.to_string());
    }
    Ok(found)
}

/// The digest of the code of the steps that our own crates carry out.
///
/// # Errors
/// When the repository cannot be read.
pub(super) fn of_builder() -> Result<String> {
    let digest = |dir| -> Result<String> {
        let dir = home::repository().join(dir);
        let digest = digest_tree(&dir).with_context(|| format!("reading {}", dir.display()))?;
        Ok(digest.to_string())
    };
    let crates: Result<Vec<String>> = CRATES.into_iter().map(digest).collect();
    Ok(crates?.join(" "))
}

/// The first line that a program prints, wherever and with whatever status.
fn version(program: &str, option: &str) -> Result<String> {
    let outcome = Command::new(program).arg(option).outcome()?;
    let said = [outcome.stdout, outcome.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
}
