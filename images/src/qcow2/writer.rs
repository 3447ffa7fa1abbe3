//! Writes an image in one pass over the disk.
//!
//! ```text
//! cluster 0      header, written last
//! then           data, compressed pieces packed without gaps; after each 512 MiB
//!                of the disk that hold anything the L2 table that finds them;
//!                after each 2 GiB of the image the block of its refcounts
//! then           L1 table, refcount table, the last refcount blocks
//! ```
//!
//! The memory in use is that of a run, one L2 table, one refcount block, and eight
//! bytes for each 512 MiB of the disk.

use std::io::{Seek, SeekFrom, Write};

use anyhow::{Result, ensure};

use super::{COMPRESSED, COPIED, MAGIC, SECTOR, compressed_offset_bits, header};
use crate::deflate::Deflate;
use crate::lengths::Lengths;
use crate::set_field;
use crate::source::{Run, Runs, Source};

/// Clusters of 64 KiB, as `qemu-img` makes them.
const CLUSTER_BITS: u32 = 16;
/// Bytes of a cluster.
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Bytes of a cluster, as a length in memory.
const CLUSTER_LEN: usize = 1 << CLUSTER_BITS;
/// Entries of an L2 table and of the refcount table: one cluster of them.
const TABLE_ENTRIES: usize = CLUSTER_LEN / 8;
/// Refcounts have 2^4 bits.
const REFCOUNT_ORDER: u32 = 4;
/// Refcounts in one refcount block.
const BLOCK_REFCOUNTS: usize = CLUSTER_LEN / 2;
/// QEMU reads compressed clusters with a window of 2^12 bytes and fails on what
/// looks back further (block/qcow2-threads.c, `qcow2_zlib_decompress`).
const WINDOW_BITS: u8 = 12;
/// The disks that can be written. The longest is the one whose L1 table has the
/// 32 MiB that QEMU reads (block/qcow2.h, `QCOW_MAX_L1_SIZE`).
pub const LENGTHS: Lengths = Lengths { format: "qcow2", max: 1 << 51, unit: SECTOR };

/// Writes the disk of `disk_len` bytes that `source` gives into `image`, which is
/// empty, and compresses it.
///
/// # Errors
/// [`Unfit`](crate::Unfit) when the format has no room for the disk; otherwise when
/// the disk is shorter or longer than said, or something cannot be read or written.
pub fn write(
    source: &mut impl Source,
    disk_len: u64,
    image: &mut (impl Write + Seek),
) -> Result<()> {
    write_with(source, disk_len, image, Some(Deflate::new(false, WINDOW_BITS)))
}

/// Writes a disk as [`write`] does, but with its clusters as they are.
///
/// # Errors
/// As [`write`].
pub fn write_uncompressed(
    source: &mut impl Source,
    disk_len: u64,
    image: &mut (impl Write + Seek),
) -> Result<()> {
    write_with(source, disk_len, image, None)
}

fn write_with(
    source: &mut impl Source,
    disk_len: u64,
    image: &mut (impl Write + Seek),
    mut deflate: Option<Deflate>,
) -> Result<()> {
    LENGTHS.check(disk_len)?;
    let mut writer = Writer::new(image);
    let mut runs = Runs::new(source, disk_len, CLUSTER_LEN);
    while let Some(run) = runs.next()? {
        match &mut deflate {
            Some(deflate) => writer.add_compressed(&run, deflate)?,
            None => writer.add(&run)?,
        }
        writer.end_refcounts()?;
    }
    writer.finish(disk_len)
}

struct Writer<'a, W> {
    image: &'a mut W,
    /// Where the next piece of data goes.
    position: u64,
    /// Where the refcount blocks are.
    refcount_blocks: Vec<u64>,
    /// The users of each cluster of the image behind those that the blocks count.
    refcounts: Vec<u16>,
    /// Where the L2 tables are, as L1 entries.
    l1: Vec<u64>,
    /// The L2 table in work, which comes behind those of `l1`.
    l2: Vec<u64>,
}

impl<'a, W: Write + Seek> Writer<'a, W> {
    fn new(image: &'a mut W) -> Self {
        Self {
            image,
            position: CLUSTER,
            refcount_blocks: Vec::new(),
            refcounts: vec![1],
            l1: Vec::new(),
            l2: Vec::with_capacity(TABLE_ENTRIES),
        }
    }

    /// Adds clusters as they are.
    fn add(&mut self, run: &Run<'_>) -> Result<()> {
        let place = self.put(run.bytes)?;
        for ((offset, _), place) in run.blocks().zip((place..).step_by(CLUSTER_LEN)) {
            self.set(offset / CLUSTER, place | COPIED)?;
        }
        Ok(())
    }

    /// Adds clusters, compressed where that makes them smaller.
    fn add_compressed(&mut self, run: &Run<'_>, deflate: &mut Deflate) -> Result<()> {
        let pieces = deflate.pieces(run.bytes, CLUSTER_LEN, CLUSTER_LEN - 1)?;
        for ((offset, cluster), piece) in run.blocks().zip(pieces) {
            let entry = if let Some(data) = piece {
                let place = self.put(&data)?;
                let further = (self.position - 1) / SECTOR - place / SECTOR;
                COMPRESSED | further << compressed_offset_bits(CLUSTER_BITS) | place
            } else {
                self.align();
                self.put(cluster)? | COPIED
            };
            self.set(offset / CLUSTER, entry)?;
        }
        Ok(())
    }

    /// Sets the entry of a cluster of the disk, behind all that were set.
    fn set(&mut self, number: u64, entry: u64) -> Result<()> {
        let number = usize::try_from(number)?;
        let table = number / TABLE_ENTRIES;
        if table > self.l1.len() {
            self.end_l2()?;
            self.l1.resize(table, 0);
        }
        self.l2.resize(number % TABLE_ENTRIES, 0);
        self.l2.push(entry);
        Ok(())
    }

    fn end_l2(&mut self) -> Result<()> {
        if !self.l2.is_empty() {
            let l2 = std::mem::take(&mut self.l2);
            let entry = self.put_table(&l2)? | COPIED;
            self.l1.push(entry);
        }
        Ok(())
    }

    /// Writes bytes at the position, counts them as a user of their clusters, and
    /// gives the position.
    fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        let place = self.position;
        self.image.seek(SeekFrom::Start(place))?;
        self.image.write_all(bytes)?;
        self.position += bytes.len() as u64;
        let counted = self.refcount_blocks.len() * BLOCK_REFCOUNTS;
        let first = usize::try_from(place / CLUSTER)? - counted;
        let last = usize::try_from((self.position - 1) / CLUSTER)? - counted;
        if self.refcounts.len() <= last {
            self.refcounts.resize(last + 1, 0);
        }
        for count in &mut self.refcounts[first..=last] {
            *count += 1;
        }
        Ok(place)
    }

    fn align(&mut self) {
        self.position = self.position.next_multiple_of(CLUSTER);
    }

    /// Writes a table in clusters of its own and gives its place.
    fn put_table(&mut self, entries: &[u64]) -> Result<u64> {
        self.align();
        let mut bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        bytes.resize(bytes.len().next_multiple_of(CLUSTER_LEN), 0);
        self.put(&bytes)
    }

    /// Writes the refcount blocks whose clusters are all in use: nothing more comes
    /// before the position.
    fn end_refcounts(&mut self) -> Result<()> {
        while self.refcounts.len() > BLOCK_REFCOUNTS {
            let further = self.refcounts.split_off(BLOCK_REFCOUNTS);
            let block = std::mem::replace(&mut self.refcounts, further);
            self.align();
            self.refcount_blocks.push(self.position);
            self.put(&refcount_bytes(&block))?;
        }
        Ok(())
    }

    fn finish(mut self, disk_len: u64) -> Result<()> {
        self.end_l2()?;
        let tables = disk_len.div_ceil(CLUSTER * TABLE_ENTRIES as u64);
        self.l1.resize(usize::try_from(tables)?, 0);
        let l1 = std::mem::take(&mut self.l1);
        let l1_place = self.put_table(&l1)?;
        let refcounts_place = self.put_refcounts()?;

        let mut bytes = vec![0; header::BYTES];
        let mut set = |offset, value: &[u8]| set_field(&mut bytes, offset, value);
        set(0, &MAGIC);
        set(header::VERSION, &3u32.to_be_bytes());
        set(header::CLUSTER_BITS, &CLUSTER_BITS.to_be_bytes());
        set(header::SIZE, &disk_len.to_be_bytes());
        set(header::L1_ENTRIES, &u32::try_from(l1.len())?.to_be_bytes());
        set(header::L1, &l1_place.to_be_bytes());
        set(header::REFCOUNTS, &refcounts_place.to_be_bytes());
        set(header::REFCOUNTS_CLUSTERS, &1u32.to_be_bytes());
        set(header::REFCOUNT_ORDER, &REFCOUNT_ORDER.to_be_bytes());
        set(header::LENGTH, &u32::try_from(header::BYTES)?.to_be_bytes());
        self.image.seek(SeekFrom::Start(0))?;
        self.image.write_all(&bytes)?;
        Ok(())
    }

    /// Writes the refcount table and its last blocks, which count themselves too.
    fn put_refcounts(&mut self) -> Result<u64> {
        self.align();
        let others = self.refcounts.len() + 1;
        let mut blocks = 1;
        while blocks * BLOCK_REFCOUNTS < others + blocks {
            blocks += 1;
        }
        let place = self.position;
        let first = place + CLUSTER;
        let new = (0..blocks as u64).map(|block| first + block * CLUSTER);
        let table: Vec<u64> = self.refcount_blocks.iter().copied().chain(new).collect();
        ensure!(table.len() <= TABLE_ENTRIES, "the image becomes longer than 16 TiB");
        self.put_table(&table)?;
        self.refcounts.resize(others + blocks, 1);
        self.put(&refcount_bytes(&self.refcounts))?;
        Ok(place)
    }
}

fn refcount_bytes(refcounts: &[u16]) -> Vec<u8> {
    let mut bytes: Vec<u8> = refcounts.iter().flat_map(|count| count.to_be_bytes()).collect();
    bytes.resize(bytes.len().next_multiple_of(CLUSTER_LEN), 0);
    bytes
}
