//! The file system that firmware reads: FAT16 with the kernel, the initramfs, and
//! a boot loader for BIOS and one for UEFI that start the same two files.
//!
//! ```text
//! vmlinuz, initramfs.cpio       what is started
//! ldlinux.sys, ldlinux.c32      syslinux, started by a BIOS
//! syslinux.cfg                  its configuration
//! EFI/BOOT/BOOTX64.EFI          systemd-boot, started by UEFI
//! loader/                       its configuration
//! ```
//!
//! A unified kernel image would do for UEFI alone; this way both firmwares share
//! one kernel, and a new command line changes nothing but two texts.
//!
//! FAT16 because the smallest FAT32 has 33 MiB; UEFI reads both (UEFI 2.10, section
//! 13.3). Not supported: more than [`CLUSTERS_MAX`] clusters of 32 KiB.
//!
//! Specifications: the UAPI Group's Boot Loader Specification, type 1; syslinux,
//! doc/syslinux.txt.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, Job, explain_io, failed, refused};
use images::Guid;

use super::TIME;

/// syslinux's boot code for the MBR of a GPT disk: it starts the partition that
/// has the attribute for it.
pub(super) const BOOT_CODE: &str = "/usr/lib/SYSLINUX/gptmbr.bin";
/// systemd-boot for x86-64.
const SYSTEMD_BOOT: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";

/// Every file of the boot partition, and why it is there.
pub(crate) const FILES: [(&str, &str); 8] = [
    (KERNEL, "the kernel, for either firmware"),
    (INITRAMFS, "PID 1, the server and their configuration"),
    ("ldlinux.sys", "syslinux, which a BIOS starts"),
    ("ldlinux.c32", "syslinux's core"),
    ("syslinux.cfg", "what syslinux starts, and the command line"),
    ("EFI/BOOT/BOOTX64.EFI", "systemd-boot, which UEFI starts"),
    ("loader/loader.conf", "the settings of systemd-boot"),
    (ENTRY, "what systemd-boot starts, and the command line"),
];
/// The kernel.
pub(crate) const KERNEL: &str = "vmlinuz";
/// The initramfs.
pub(crate) const INITRAMFS: &str = "initramfs.cpio";
/// The entry of systemd-boot that names both, and the command line.
pub(crate) const ENTRY: &str = "loader/entries/appliance.conf";

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Clusters below which a FAT is not FAT16, with some room.
const CLUSTERS_MIN: u64 = 4_200;
/// Clusters above which it is not, with room for a MiB of the smallest.
const CLUSTERS_MAX: u64 = 63_000;
/// Sectors of the largest cluster that every reader takes.
const CLUSTER_SECTORS_MAX: u64 = 64;
/// Entries of the root directory, 32 bytes each: 32 sectors.
const ROOT_SECTORS: u64 = 32;
/// What syslinux installs, in bytes, with some room.
const SYSLINUX: u64 = 256 << 10;
/// Room for what is not counted, in clusters: directories and texts.
const OTHER_CLUSTERS: u64 = 32;
/// The longest command line, in bytes (`COMMAND_LINE_SIZE` of x86, less its end).
const CMDLINE_MAX: usize = 2047;
/// Copying an initramfs that holds a large site takes this long at most.
const DEADLINE: Duration = Duration::from_secs(600);

/// What firmware starts.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'a> {
    /// The kernel as a bzImage.
    pub kernel: &'a Path,
    /// The initramfs.
    pub initramfs: &'a Path,
    /// The kernel's command line.
    pub cmdline: &'a str,
}

/// Makes the file system for a partition at `start`; gives its image.
///
/// # Errors
/// Refused when the command line or the files do not fit; otherwise when a tool
/// fails or finds something wrong with the result.
pub(super) fn make(boot: Boot<'_>, id: Guid, start: u64, job: &Job<'_>) -> Result<PathBuf> {
    check_cmdline(boot.cmdline).map_err(refused)?;
    let image = job.scratch.join(IMAGE);
    let size = Size::of(&[boot.kernel, boot.initramfs, Path::new(SYSTEMD_BOOT)])?;
    let file = File::create(&image).map_err(|error| explain_io(error, &image))?;
    file.set_len(size.bytes()).map_err(|error| explain_io(error, &image))?;

    format(size, id, start, job)?;
    tool("syslinux", job).args(["--install", IMAGE]).run()?;
    for directory in ["EFI", "EFI/BOOT", "loader", "loader/entries"] {
        tool("mmd", job).args(["-i", IMAGE]).arg(format!("::{directory}")).run()?;
    }
    copy(Path::new(SYSTEMD_BOOT), "EFI/BOOT/BOOTX64.EFI", job)?;
    write("syslinux.cfg", &syslinux_config(boot.cmdline), job)?;
    write("loader/loader.conf", LOADER_CONFIG, job)?;
    write(ENTRY, &loader_entry(boot.cmdline), job)?;
    copy(boot.kernel, KERNEL, job)?;
    copy(boot.initramfs, INITRAMFS, job)?;
    check(job)?;
    Ok(image)
}

/// The name of the image in the scratch directory, where every tool runs: mtools
/// reads some characters of a path as its own.
const IMAGE: &str = "boot.fat";

/// What syslinux reads. Keys pressed on the console do not stop it.
fn syslinux_config(cmdline: &str) -> String {
    format!(
        "default appliance\nprompt 0\nnoescape 1\n\
         label appliance\n  linux /vmlinuz\n  initrd /initramfs.cpio\n  append {cmdline}\n"
    )
}

/// What systemd-boot reads: one entry, started at once, and nothing written.
const LOADER_CONFIG: &str = "\
default appliance.conf
timeout 0
editor no
auto-entries no
auto-firmware no
random-seed-mode off
";

fn loader_entry(cmdline: &str) -> String {
    format!("title appliance\nlinux /vmlinuz\ninitrd /initramfs.cpio\noptions {cmdline}\n")
}

/// Both loaders take the rest of a line as it is, but for spaces around it, and
/// systemd-boot for quotes around it.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(crate) fn check_cmdline(cmdline: &str) -> Result<(), String> {
    if cmdline.len() > CMDLINE_MAX {
        return Err(format!("the command line is longer than {CMDLINE_MAX} bytes"));
    }
    if !cmdline.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return Err("only printable ASCII on one line can be a command line".into());
    }
    if !cmdline.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("a command line begins with a letter or digit".into());
    }
    Ok(())
}

/// How large the file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    /// Sectors of a cluster, a power of two.
    cluster_sectors: u64,
    clusters: u64,
}

impl Size {
    /// The smallest that holds these files, and syslinux.
    fn of(files: &[&Path]) -> Result<Self> {
        let mut sizes = vec![SYSLINUX];
        for file in files {
            let meta = file.metadata().with_context(|| format!("reading {}", file.display()));
            sizes.push(meta?.len());
        }
        Self::for_sizes(&sizes)
    }

    fn for_sizes(sizes: &[u64]) -> Result<Self> {
        let mut cluster_sectors = 1;
        while cluster_sectors <= CLUSTER_SECTORS_MAX {
            let cluster = cluster_sectors * SECTOR;
            let used: u64 = sizes.iter().map(|bytes| bytes.div_ceil(cluster)).sum();
            let clusters = (used + OTHER_CLUSTERS).max(CLUSTERS_MIN);
            if clusters <= CLUSTERS_MAX {
                return Ok(Self { cluster_sectors, clusters });
            }
            cluster_sectors *= 2;
        }
        let total: u64 = sizes.iter().sum();
        Err(refused(format!("kernel and initramfs have {total} bytes, more than FAT16 holds"))
            .hint("keep the site on the disk: `server.storage = \"disk\"`")
            .into())
    }

    /// A whole number of MiB, as a partition is.
    fn bytes(self) -> u64 {
        // Two bytes for each cluster and for two that do not exist, in two copies.
        let fat_sectors = ((self.clusters + 2) * 2).div_ceil(SECTOR);
        // mkfs.fat aligns the boot sector, each FAT and the root directory to a
        // cluster.
        let alignment = 4 * self.cluster_sectors;
        let sectors =
            1 + 2 * fat_sectors + ROOT_SECTORS + alignment + self.clusters * self.cluster_sectors;
        (sectors * SECTOR).next_multiple_of(1 << 20)
    }
}

fn format(size: Size, id: Guid, start: u64, job: &Job<'_>) -> Result<()> {
    let [a, b, c, d, ..] = id.bytes();
    tool("mkfs.fat", job)
        .args(["--invariant", "-F", "16", "-S", "512", "-n", "BOOT"])
        .args(["-s", &size.cluster_sectors.to_string()])
        .args(["-i", &format!("{:08x}", u32::from_be_bytes([a, b, c, d]))])
        // Where the partition is: a BIOS's boot sector reads sectors of the disk.
        .args(["-h", &(start / SECTOR).to_string()])
        .arg(IMAGE)
        .run()?;
    Ok(())
}

/// A command on the image, with a fixed time and without the user's settings.
fn tool<'a>(program: &str, job: &Job<'_>) -> Command<'a> {
    Command::new(program)
        .env("SOURCE_DATE_EPOCH", TIME.to_string())
        .env("MTOOLSRC", "/dev/null")
        .env("TMPDIR", ".")
        .current_dir(&job.scratch)
        .log(&job.log)
        .deadline(DEADLINE)
}

fn copy(source: &Path, name: &str, job: &Job<'_>) -> Result<()> {
    // An absolute path is neither an option nor a drive letter.
    let source = std::path::absolute(source)?;
    tool("mcopy", job).args(["-i", IMAGE]).arg(source).arg(format!("::{name}")).run()?;
    Ok(())
}

fn write(name: &str, text: &str, job: &Job<'_>) -> Result<()> {
    let path = job.scratch.join("boot.text");
    fs::write(&path, text).map_err(|error| explain_io(error, &path))?;
    copy(&path, name, job)
}

/// fsck.fat ends with 0 for some of what it finds, so all that it says counts: its
/// version, and the count of files and clusters.
pub(super) fn check(job: &Job<'_>) -> Result<()> {
    let said = tool("fsck.fat", job).args(["-n", IMAGE]).run()?;
    let said = String::from_utf8_lossy(&said);
    let expected = |line: &&str| line.starts_with("fsck.fat ") || line.starts_with(IMAGE);
    let found: Vec<&str> = said.lines().filter(|line| !expected(line)).collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(failed(format!("fsck.fat finds in the boot partition: {}", found.join("; "))).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_grows_with_what_it_holds() {
        for megabytes in [1, 5, 40, 300, 2000] {
            let bytes = megabytes * 1_000_000;
            let size = Size::for_sizes(&[bytes]).unwrap();
            assert!((CLUSTERS_MIN..=CLUSTERS_MAX).contains(&size.clusters), "{size:?}");
            assert!(size.bytes() > bytes, "{size:?}");
            assert!(size.bytes() < bytes + bytes / 50 + (4 << 20), "{size:?}");
        }
        assert!(Size::for_sizes(&[3_000_000_000]).is_err());
    }

    #[test]
    fn a_command_line_that_a_loader_would_change_is_refused() {
        assert!(check_cmdline("console=ttyS0 quiet \"a b\"").is_ok());
        for bad in ["", " a", "\"a\"", "a\nb", "ä", "-", &"a".repeat(2048)] {
            assert!(check_cmdline(bad).is_err(), "{bad}");
        }
    }
}
