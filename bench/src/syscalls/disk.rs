//! The ext3 file system with the page that the program looks up and reads, made by
//! mke2fs with the features of an appliance's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bench_guest::wire::{MOUNT, PAGE, PAGE_BYTES, UUID};
use host::{Command, explain_io};

/// The size of the disk: the journal gets half of what is free at most, and has 4 MiB
/// at least.
const BYTES: u64 = 16 << 20;
/// The configuration of mke2fs, so that the host's has no part in the result; the
/// same as in `builder/src/disk/ext3.rs`.
const CONFIG: &str = "\
[fs_types]
    ext3 = {
        base_features = none
        features = has_journal,filetype,sparse_super,large_file,dir_index
    }
    site = {
        blocksize = 4096
        inode_size = 256
        reserved_ratio = 0
    }
";
/// The kernel reads neither, but the image is the same each time.
const TIME: &str = "1767225600";

/// The content of the page.
pub(super) fn page() -> Vec<u8> {
    vec![b'p'; PAGE_BYTES]
}

/// Makes the image below a directory.
pub(super) fn make(scratch: &Path) -> Result<PathBuf> {
    let tree = scratch.join("syscalls.site");
    let below = PAGE.trim_start_matches(MOUNT).trim_start_matches('/');
    let place = tree.join(below);
    let parent = place.parent().context("a page without a directory")?;
    fs::create_dir_all(parent).map_err(|error| explain_io(error, parent))?;
    fs::write(&place, page()).map_err(|error| explain_io(error, &place))?;
    let config = scratch.join("mke2fs.conf");
    fs::write(&config, CONFIG).map_err(|error| explain_io(error, &config))?;
    let image = scratch.join("syscalls.ext3");
    let file = File::create(&image).map_err(|error| explain_io(error, &image))?;
    file.set_len(BYTES).map_err(|error| explain_io(error, &image))?;
    let options = format!("root_owner=0:0,hash_seed={UUID},lazy_itable_init=0");
    let said = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext3", "-T", "site", "-J", "size=4"])
        .args(["-U", UUID, "-E", &options, "-d"])
        .args([&tree, &image])
        .env("MKE2FS_CONFIG", &config)
        .env("E2FSPROGS_FAKE_TIME", TIME)
        .run()?;
    // It ends with 0 even if there is no room for the journal.
    let said = String::from_utf8_lossy(&said);
    ensure!(said.trim().is_empty(), "mke2fs warns: {}", said.trim());
    Ok(image)
}
