//! ext3 file systems for measurements, made by mke2fs with the features of an
//! appliance's.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Result, ensure};
use host::{Command, explain_io};

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

/// Makes an image of so many bytes with the files of a directory. The journal takes half
/// of what is free at most, and 4 MiB.
pub(crate) fn make(tree: &Path, image: &Path, bytes: u64, uuid: &str) -> Result<()> {
    let config = image.with_extension("mke2fs");
    fs::write(&config, CONFIG).map_err(|error| explain_io(error, &config))?;
    let file = File::create(image).map_err(|error| explain_io(error, image))?;
    file.set_len(bytes).map_err(|error| explain_io(error, image))?;
    let options = format!("root_owner=0:0,hash_seed={uuid},lazy_itable_init=0");
    let said = Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext3", "-T", "site", "-J", "size=4"])
        .args(["-U", uuid, "-E", &options, "-d"])
        .args([tree, image])
        .env("MKE2FS_CONFIG", &config)
        .env("E2FSPROGS_FAKE_TIME", TIME)
        .run()?;
    // It ends with 0 even if there is no room for the journal.
    let said = String::from_utf8_lossy(&said);
    ensure!(said.trim().is_empty(), "mke2fs warns: {}", said.trim());
    Ok(())
}
