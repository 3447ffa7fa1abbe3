//! `NOTICES`: the licences of what an image holds.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What is in every image and comes with no licence file of a step: where its
/// source is to be had and what its licence is.
const ALWAYS: &str = "\
This image holds the programs below, each under its own licence. The manifest
beside this file names the exact source of each that was built here.

Linux            GPL-2.0 with the Linux syscall note. Source: the Debian package
                 that the manifest names, with the patches of kernel/patches of
                 this project, and of kernel/patches-kml for the variant kml;
                 configuration: kernel.config.
syslinux         GPL-2.0-or-later (on disks, the BIOS boot loader). Source: the
                 Debian package syslinux.
systemd-boot     LGPL-2.1-or-later (on disks, the UEFI boot loader). Source: the
                 Debian package systemd.
PID 1            MIT OR Apache-2.0, part of this project.
";

/// The files that a licence is in, in the results of a step.
const LICENCE_FILES: [&str; 3] = ["COPYRIGHT", "COPYING", "LICENCE"];

/// The text for an image with these parts, by name and directory of results.
///
/// # Errors
/// When a part has no licence file.
pub(super) fn text<'a>(parts: impl Iterator<Item = (&'a str, &'a Path)>) -> Result<String> {
    let mut text = ALWAYS.to_owned();
    for (name, dir) in parts {
        let file = LICENCE_FILES.iter().map(|file| dir.join(file)).find(|file| file.is_file());
        let file = file.with_context(|| format!("{name} left no licence in {}", dir.display()))?;
        let licence = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let _ = write!(text, "\n======== {name}\n\n{}", String::from_utf8_lossy(&licence));
    }
    Ok(text)
}
