//! The disk with the page that the program looks up and reads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench_guest::wire::{MOUNT, PAGE, PAGE_BYTES, UUID};
use host::explain_io;

use crate::ext3;

/// The size of the disk.
const BYTES: u64 = 16 << 20;

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
    let image = scratch.join("syscalls.ext3");
    ext3::make(&tree, &image, BYTES, UUID)?;
    Ok(image)
}
