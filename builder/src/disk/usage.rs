//! How many blocks and inodes of ext3 a site takes.
//!
//! The count is an upper bound that is little more than the truth: ext4 takes a bit
//! less, and so do files with blocks of zeros.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::ext3::{BLOCK, INODE, JOURNAL_BLOCKS, LOST_AND_FOUND};
use super::site::{EntryKind, Site};

/// Blocks of a group: as many as one block of bitmap counts.
const GROUP_BLOCKS: u64 = BLOCK * 8;
/// Blocks that an inode points to itself.
const DIRECT_BLOCKS: u64 = 12;
/// Pointers in an indirect block.
const POINTERS: u64 = BLOCK / 4;
/// Bytes of a directory entry without its name.
const ENTRY: u64 = 8;
/// The longest target that a link keeps in its inode, in bytes.
const INLINE_LINK: usize = 59;
/// Blocks of lost+found, which mke2fs makes larger than empty.
const LOST_AND_FOUND_BLOCKS: u64 = 4;
/// Bytes of a group's descriptor.
const DESCRIPTOR: u64 = 32;
/// Blocks that nothing is counted for.
const SLACK_BLOCKS: u64 = 8;
/// mke2fs drops a last group that has fewer blocks than this beyond its tables.
const LAST_GROUP_BLOCKS: u64 = 50;

/// What a site takes of a file system, metadata of the groups apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    inodes: u64,
    content_blocks: u64,
}

impl Usage {
    /// Counts for a site.
    pub(super) fn of(site: &Site) -> Self {
        let mut content_blocks = LOST_AND_FOUND_BLOCKS;
        let mut directories = HashMap::from([(Path::new(""), Directory::new())]);
        directories.entry(Path::new("")).and_modify(|root| root.add("lost+found".len()));
        for entry in site.entries() {
            content_blocks += match &entry.kind {
                EntryKind::File { bytes, .. } => file_blocks(*bytes),
                EntryKind::Link { target } if target.as_os_str().len() > INLINE_LINK => 1,
                EntryKind::Link { .. } => 0,
                EntryKind::Directory => {
                    directories.insert(&entry.path, Directory::new());
                    0
                }
            };
            let name = entry.path.file_name().map_or(0, |name| name.as_bytes().len());
            let parent = entry.path.parent().unwrap_or(Path::new(""));
            directories.entry(parent).and_modify(|directory| directory.add(name));
        }
        content_blocks += directories
            .values()
            .map(|directory| file_blocks(directory.blocks * BLOCK))
            .sum::<u64>();
        Self { inodes: LOST_AND_FOUND + site.entries().len() as u64, content_blocks }
    }

    /// Inodes in all, reserved ones included.
    pub(super) fn inodes(self) -> u64 {
        self.inodes
    }

    /// Blocks of the smallest file system that holds the site.
    ///
    /// # Errors
    /// When no file system is that large.
    pub(super) fn blocks(self) -> Result<u64> {
        let journal = file_blocks(JOURNAL_BLOCKS * BLOCK);
        // mke2fs gives the journal half of what is free at most.
        let used = (self.content_blocks + journal).max(2 * journal) + SLACK_BLOCKS;
        let mut blocks = used;
        // Each round adds what the groups of the round before take.
        loop {
            let needed = used + self.group_blocks(blocks);
            if needed <= blocks {
                break Ok(blocks);
            }
            blocks = needed;
            u32::try_from(blocks).context("the site is larger than ext3 can be")?;
        }
    }

    /// Blocks that the tables of all groups take.
    fn group_blocks(self, blocks: u64) -> u64 {
        let groups = blocks.div_ceil(GROUP_BLOCKS);
        let inode_blocks = self.inodes.div_ceil(groups).div_ceil(BLOCK / INODE);
        let descriptors = (groups * DESCRIPTOR).div_ceil(BLOCK);
        // Superblock, descriptors, two bitmaps, inodes. Not every group has a copy
        // of the first two.
        let tables = groups * (1 + descriptors + 2 + inode_blocks);
        let dropped = if groups > 1 { LAST_GROUP_BLOCKS } else { 0 };
        tables + dropped
    }
}

/// Blocks of a file's content and of the pointers to it.
fn file_blocks(bytes: u64) -> u64 {
    let data = bytes.div_ceil(BLOCK);
    let mut pointers = 0;
    let mut level = data.saturating_sub(DIRECT_BLOCKS);
    // A block of each level for what the level below it needs: at most one too
    // many for each level.
    while level > 0 {
        level = level.div_ceil(POINTERS);
        pointers += level;
        level = level.saturating_sub(1);
    }
    data + pointers
}

/// The blocks of a directory, filled as libext2fs does.
struct Directory {
    blocks: u64,
    /// Bytes in use in the last block.
    filled: u64,
}

impl Directory {
    /// A directory with its entries `.` and `..`.
    fn new() -> Self {
        let mut directory = Self { blocks: 1, filled: 0 };
        directory.add(1);
        directory.add(2);
        directory
    }

    fn add(&mut self, name: usize) {
        let entry = (ENTRY + name as u64).next_multiple_of(4);
        if self.filled + entry > BLOCK {
            self.blocks += 1;
            self.filled = 0;
        }
        self.filled += entry;
    }
}
