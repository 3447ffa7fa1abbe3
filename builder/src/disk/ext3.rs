//! The file system of the site: ext3, or ext4, made by mke2fs and debugfs.
//!
//! Scope: a file system without reserved blocks and with the smallest journal, as
//! a function of the site, its UUID and its size alone. mke2fs copies a staged tree
//! in the order of names; what it takes over from the host (owners, times) is then
//! set for every inode. Not supported: extended attributes, hard links.
//!
//! Specification: Linux, Documentation/filesystems/ext4.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use host::{Command, Job, check_interrupt, digest_file, explain_io, failed, refused};
use images::Guid;

use super::TIME;
use super::site::{Entry, EntryKind, Site};
use super::usage::Usage;
use crate::spec::{DiskSize, FilesystemKind};

/// Bytes of a block: a page of the guest.
pub(super) const BLOCK: u64 = 4096;
/// Bytes of an inode: the smaller ones end in the year 2038.
pub(super) const INODE: u64 = 256;
/// Blocks of the smallest journal (`JBD2_MIN_JOURNAL_BLOCKS` of
/// include/linux/jbd2.h).
pub(super) const JOURNAL_BLOCKS: u64 = 1024;
/// The first inode that is not reserved belongs to lost+found; the site's follow
/// it.
pub(super) const LOST_AND_FOUND: u64 = 11;
/// The root directory's inode.
const ROOT: u64 = 2;
/// The directory for what e2fsck finds, which it wants to be there.
const LOST_AND_FOUND_NAME: &str = "lost+found";
/// Making a file system takes some seconds for each gigabyte.
const DEADLINE: Duration = Duration::from_secs(1800);

/// A file system to be made.
#[derive(Clone, Copy, Debug)]
pub struct Volume<'a> {
    /// What it holds.
    pub site: &'a Site,
    /// Its kind.
    pub kind: FilesystemKind,
    /// Its size.
    pub size: DiskSize,
}

impl Volume<'_> {
    /// The size of the file system in bytes; a whole number of MiB if it is ours to
    /// choose, as a partition is.
    ///
    /// # Errors
    /// Refused when the given size does not hold the site.
    pub fn bytes(&self) -> Result<u64> {
        let needed = Usage::of(self.site).blocks()? * BLOCK;
        match self.size {
            DiskSize::Auto => Ok(needed.next_multiple_of(1 << 20)),
            DiskSize::Bytes(bytes) if bytes / BLOCK * BLOCK >= needed => Ok(bytes / BLOCK * BLOCK),
            DiskSize::Bytes(bytes) => {
                let mebibytes = needed.div_ceil(1 << 20);
                Err(refused(format!(
                    "a file system of {bytes} bytes does not hold the site, which needs {needed}"
                ))
                .hint(format!("set `disk.size` to \"{mebibytes}M\" or more, or to \"auto\""))
                .into())
            }
        }
    }
}

/// Makes the file system; gives its image.
///
/// # Errors
/// Refused when it cannot hold the site; otherwise when a tool fails or finds
/// something wrong with the result.
pub(super) fn make(volume: Volume<'_>, uuid: Guid, job: &Job<'_>) -> Result<PathBuf> {
    let reserved = |entry: &Entry| entry.path == Path::new(LOST_AND_FOUND_NAME);
    if volume.site.entries().iter().any(reserved) {
        return Err(refused(format!("the site holds `{LOST_AND_FOUND_NAME}`"))
            .hint("rename it: the file system has a directory of that name for itself")
            .into());
    }
    let image = job.scratch.join("site.ext");
    let file = File::create(&image).map_err(|error| explain_io(error, &image))?;
    file.set_len(volume.bytes()?).map_err(|error| explain_io(error, &image))?;
    let tree = job.scratch.join("site");
    stage(volume.site, &tree)?;
    populate(volume, uuid, &tree, &image, job)?;
    normalise(volume.site, &image, job)?;
    check(&image, job)?;
    Ok(image)
}

/// Copies the site to where its permissions are ours to set, and checks that it is
/// still what was collected.
fn stage(site: &Site, tree: &Path) -> Result<()> {
    make_directory(tree)?;
    for Entry { path, kind } in site.entries() {
        check_interrupt()?;
        let place = tree.join(path);
        match kind {
            EntryKind::Directory => make_directory(&place)?,
            EntryKind::Link { target } => {
                symlink(target, &place).map_err(|error| explain_io(error, &place))?;
            }
            EntryKind::File { source, digest, .. } => {
                fs::copy(source, &place)
                    .map_err(|error| explain_io(error, &place))
                    .with_context(|| format!("copying {}", source.display()))?;
                set_mode(&place, 0o644)?;
                let copied = digest_file(&place)?;
                if copied != *digest {
                    return Err(failed(format!("{} changed during the build", source.display()))
                        .hint("run the same command again")
                        .into());
                }
            }
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir(path).map_err(|error| explain_io(error, path))?;
    set_mode(path, 0o755)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| explain_io(error, path))
}

/// Lets mke2fs make the file system and copy the staged tree into it.
fn populate(
    volume: Volume<'_>,
    uuid: Guid,
    tree: &Path,
    image: &Path,
    job: &Job<'_>,
) -> Result<()> {
    let config = job.scratch.join("mke2fs.conf");
    fs::write(&config, CONFIG).map_err(|error| explain_io(error, &config))?;
    let options = format!(
        "root_owner=0:0,hash_seed={uuid},no_copy_xattrs,lazy_itable_init=0,lazy_journal_init=0"
    );
    let said = Command::new("mke2fs")
        .args(["-q", "-F", "-t", volume.kind.name(), "-T", "site"])
        .args(["-J", &format!("size={}", (JOURNAL_BLOCKS * BLOCK) >> 20)])
        .args(["-N", &Usage::of(volume.site).inodes().to_string()])
        .args(["-U", &uuid.to_string(), "-E", &options, "-d"])
        .args([tree, image])
        .env("MKE2FS_CONFIG", &config)
        .env("E2FSPROGS_FAKE_TIME", TIME.to_string())
        .log(&job.log)
        .deadline(DEADLINE)
        .run()?;
    // It ends with 0 even if there is no room for the journal.
    let said = String::from_utf8_lossy(&said);
    ensure!(said.trim().is_empty(), "mke2fs warns: {}", said.trim());
    Ok(())
}

/// The configuration of mke2fs, so that the host's has no part in the result.
const CONFIG: &str = "\
[fs_types]
    ext3 = {
        base_features = none
        features = has_journal,filetype,sparse_super,large_file,dir_index
    }
    ext4 = {
        base_features = none
        features = has_journal,extent,filetype,sparse_super,large_file,dir_index,\
huge_file,dir_nlink,extra_isize
    }
    site = {
        blocksize = 4096
        inode_size = 256
        reserved_ratio = 0
    }
";

/// Sets owner and times of every inode. Inodes are named by number, since debugfs
/// cannot be told every name: mke2fs gives them out in the order of the tree.
///
/// All files have the same time, but its nanoseconds follow the content, so that
/// an entity tag made of a file's time changes with each change of the file.
fn normalise(site: &Site, image: &Path, job: &Job<'_>) -> Result<()> {
    let mut script = String::new();
    set_fields(&mut script, ROOT, 0);
    set_fields(&mut script, LOST_AND_FOUND, 0);
    for (inode, entry) in (LOST_AND_FOUND + 1..).zip(site.entries()) {
        set_fields(&mut script, inode, nanoseconds(&entry.kind));
    }
    let path = job.scratch.join("inodes.debugfs");
    fs::write(&path, script).map_err(|error| explain_io(error, &path))?;
    // The log would repeat every line of the script.
    let outcome = Command::new("debugfs")
        .args(["-w", "-f"])
        .args([&path, image])
        .env("E2FSPROGS_FAKE_TIME", TIME.to_string())
        .deadline(DEADLINE)
        .outcome()?;
    // It ends with 0 in any case, and names itself first.
    let said = String::from_utf8_lossy(&outcome.stderr);
    let mut lines = said.lines().filter(|line| !line.starts_with("debugfs "));
    if let Some(line) = lines.next() {
        return Err(failed(format!("debugfs could not set the inodes: {line}")).into());
    }
    Ok(())
}

fn set_fields(script: &mut String, inode: u64, nanoseconds: u32) {
    for owner in ["uid", "gid"] {
        let _ = writeln!(script, "set_inode_field <{inode}> {owner} 0");
    }
    for time in ["atime", "ctime", "mtime", "crtime"] {
        let _ = writeln!(script, "set_inode_field <{inode}> {time} @{TIME}");
        // The two low bits extend the seconds (fs/ext4/ext4.h).
        let extra = if time == "mtime" { nanoseconds << 2 } else { 0 };
        let _ = writeln!(script, "set_inode_field <{inode}> {time}_extra {extra}");
    }
}

fn nanoseconds(kind: &EntryKind) -> u32 {
    match kind {
        EntryKind::File { digest, .. } => {
            let [a, b, c, d, ..] = digest.0;
            u32::from_be_bytes([a, b, c, d]) % 1_000_000_000
        }
        EntryKind::Directory | EntryKind::Link { .. } => 0,
    }
}

pub(super) fn check(image: &Path, job: &Job<'_>) -> Result<()> {
    Command::new("e2fsck").arg("-fn").arg(image).log(&job.log).deadline(DEADLINE).run()?;
    Ok(())
}
