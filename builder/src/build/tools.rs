//! The host's tools that have a part in the disk's bytes.

use std::path::Path;

use anyhow::Result;
use host::{Command, digest_file};

use crate::cache::Inputs;

/// Programs that say their version, and how they are asked.
const PROGRAMS: [(&str, &str); 3] =
    [("mke2fs", "-V"), ("mcopy", "--version"), ("syslinux", "--version")];
/// Files that get into the disk as they are.
const FILES: [&str; 2] =
    ["/usr/lib/SYSLINUX/gptmbr.bin", "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"];

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

/// The first line that a program prints, wherever and with whatever status.
fn version(program: &str, option: &str) -> Result<String> {
    let outcome = Command::new(program).arg(option).outcome()?;
    let said = [outcome.stdout, outcome.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
}
