//! Writes an image in one pass over the disk.
//!
//! ```text
//! cluster 0      header, written last
//! then           data, compressed pieces packed without gaps; after each 512 MiB
//!                of the disk the L2 table that finds them
//! then           L1 table, refcount table, refcount blocks
//! ```
//!
//! The memory in use is one cluster, one L2 table, eight bytes for each 512 MiB
//! of the disk, and two for each 64 KiB of the image.

use std::io::{Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result, ensure};
use flate2::{Compress, Compression, FlushCompress, Status};

use super::{COMPRESSED, COPIED, MAGIC, SECTOR, compressed_offset_bits, header};
use crate::raw::{fill, is_zero};

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

/// Writes the disk of `disk_len` bytes that `source` gives as an image, from the
/// start of `image` on.
///
/// # Errors
/// When the disk is shorter or longer than said, or something cannot be read or
/// written.
pub fn write(source: &mut impl Read, disk_len: u64, image: &mut (impl Write + Seek)) -> Result<()> {
    let mut writer = Writer::new(image);
    let mut cluster = vec![0; CLUSTER_LEN];
    let mut left = disk_len;
    while left > 0 {
        let want = usize::try_from(left.min(CLUSTER))?;
        let count = fill(source, &mut cluster[..want]).context("reading the disk")?;
        ensure!(count == want, "the disk ends {} bytes early", left - count as u64);
        // The last cluster may reach beyond the disk.
        cluster[want..].fill(0);
        writer.add(&cluster)?;
        left -= count as u64;
    }
    ensure!(fill(source, &mut [0]).context("reading the disk")? == 0, "the disk is too long");
    writer.finish(disk_len)
}

struct Writer<'a, W> {
    image: &'a mut W,
    /// Where the next piece of data goes.
    position: u64,
    /// The users of each cluster of the image.
    refcounts: Vec<u16>,
    /// Where the L2 tables are, as L1 entries.
    l1: Vec<u64>,
    /// The L2 table in work.
    l2: Vec<u64>,
    compress: Compress,
    compressed: Vec<u8>,
}

impl<'a, W: Write + Seek> Writer<'a, W> {
    fn new(image: &'a mut W) -> Self {
        Self {
            image,
            position: CLUSTER,
            refcounts: vec![1],
            l1: Vec::new(),
            l2: Vec::with_capacity(TABLE_ENTRIES),
            compress: Compress::new_with_window_bits(Compression::best(), false, WINDOW_BITS),
            compressed: Vec::with_capacity(CLUSTER_LEN - 1),
        }
    }

    /// Adds the next cluster of the disk.
    fn add(&mut self, cluster: &[u8]) -> Result<()> {
        let entry = if is_zero(cluster) {
            0
        } else if self.compress(cluster)? {
            self.put_compressed()?
        } else {
            self.align();
            let place = self.put(cluster)?;
            place | COPIED
        };
        self.l2.push(entry);
        if self.l2.len() == TABLE_ENTRIES {
            self.end_l2()?;
        }
        Ok(())
    }

    /// Whether the cluster became smaller.
    fn compress(&mut self, cluster: &[u8]) -> Result<bool> {
        self.compress.reset();
        self.compressed.clear();
        let status =
            self.compress.compress_vec(cluster, &mut self.compressed, FlushCompress::Finish)?;
        Ok(status == Status::StreamEnd)
    }

    fn put_compressed(&mut self) -> Result<u64> {
        let data = std::mem::take(&mut self.compressed);
        let place = self.put(&data)?;
        let further = (self.position - 1) / SECTOR - place / SECTOR;
        self.compressed = data;
        Ok(COMPRESSED | further << compressed_offset_bits(CLUSTER_BITS) | place)
    }

    /// Writes bytes at the position, counts them as a user of their clusters, and
    /// gives the position.
    fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        let place = self.position;
        self.image.seek(SeekFrom::Start(place))?;
        self.image.write_all(bytes)?;
        self.position += bytes.len() as u64;
        let first = usize::try_from(place / CLUSTER)?;
        let last = usize::try_from((self.position - 1) / CLUSTER)?;
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

    fn end_l2(&mut self) -> Result<()> {
        let l2 = std::mem::take(&mut self.l2);
        let entry =
            if l2.iter().all(|entry| *entry == 0) { 0 } else { self.put_table(&l2)? | COPIED };
        self.l1.push(entry);
        Ok(())
    }

    fn finish(mut self, disk_len: u64) -> Result<()> {
        if !self.l2.is_empty() {
            self.end_l2()?;
        }
        let l1 = std::mem::take(&mut self.l1);
        // QEMU wants a table even for a disk of no bytes.
        let l1_place = self.put_table(if l1.is_empty() { &[0] } else { &l1 })?;
        let refcounts_place = self.put_refcounts()?;

        let mut bytes = vec![0; header::BYTES];
        let mut set = |offset: usize, value: &[u8]| {
            bytes[offset..offset + value.len()].copy_from_slice(value);
        };
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

    /// Writes the refcount table and its blocks, which count themselves too.
    fn put_refcounts(&mut self) -> Result<u64> {
        self.align();
        let others = self.refcounts.len() + 1;
        let mut blocks = 1;
        while blocks * BLOCK_REFCOUNTS < others + blocks {
            blocks += 1;
        }
        ensure!(blocks <= TABLE_ENTRIES, "the image is too long");
        let place = self.position;
        let first = place + CLUSTER;
        let table: Vec<u64> = (0..blocks as u64).map(|block| first + block * CLUSTER).collect();
        self.put_table(&table)?;
        self.refcounts.resize(others + blocks, 1);
        let mut bytes: Vec<u8> =
            self.refcounts.iter().flat_map(|count| count.to_be_bytes()).collect();
        bytes.resize(blocks * CLUSTER_LEN, 0);
        self.image.seek(SeekFrom::Start(first))?;
        self.image.write_all(&bytes)?;
        Ok(place)
    }
}
