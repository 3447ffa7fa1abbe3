//! Reads an image as the disk that it holds.

use std::io::{self, Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};
use flate2::{Decompress, FlushDecompress};

use super::{COMPRESSED, MAGIC, OFFSET, SECTOR, ZERO, compressed_offset_bits, header};
use crate::field;
use crate::part::{moved, read_block};

/// The cluster sizes that QEMU accepts, as powers of two.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// Incompatible feature: refcounts may be wrong, which matters to writers only.
const DIRTY: u64 = 1;

/// The disk in an image. It keeps the cluster that was read last.
#[derive(Debug)]
pub struct Reader<R> {
    image: R,
    version: u32,
    cluster_bits: u32,
    disk_len: u64,
    l1_entries: u64,
    l1: u64,
    position: u64,
    /// Number of the cluster in `cluster`.
    loaded: Option<u64>,
    cluster: Vec<u8>,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens an image.
    ///
    /// # Errors
    /// When it is none, is damaged, or uses what we do not support.
    pub fn new(mut image: R) -> Result<Self> {
        let mut head = Vec::new();
        image.seek(SeekFrom::Start(0))?;
        image.by_ref().take(header::BYTES as u64).read_to_end(&mut head)?;
        ensure!(head.starts_with(&MAGIC), "it is no qcow2 image");
        ensure!(head.len() == header::BYTES, "the image ends within its header");
        let word = |offset| u32::from_be_bytes(field(&head, offset));
        let long = |offset| u64::from_be_bytes(field(&head, offset));
        let version = word(header::VERSION);
        ensure!(matches!(version, 2 | 3), "version {version} of qcow2 is unknown");
        if version == 3 && long(header::INCOMPATIBLE) & !DIRTY != 0 {
            bail!("the image uses features {:#x} that are not read", long(header::INCOMPATIBLE));
        }
        ensure!(long(header::BACKING_FILE) == 0, "the image needs a backing file");
        ensure!(word(header::ENCRYPTION) == 0, "the image is encrypted");
        let cluster_bits = word(header::CLUSTER_BITS);
        ensure!(CLUSTER_BITS.contains(&cluster_bits), "clusters of 2^{cluster_bits} bytes");
        Ok(Self {
            image,
            version,
            cluster_bits,
            disk_len: long(header::SIZE),
            l1_entries: word(header::L1_ENTRIES).into(),
            l1: long(header::L1),
            position: 0,
            loaded: None,
            cluster: vec![0; 1 << cluster_bits],
        })
    }

    /// Puts a cluster of the disk into `self.cluster`.
    fn load(&mut self, number: u64) -> Result<()> {
        if self.loaded == Some(number) {
            return Ok(());
        }
        self.loaded = None;
        let l2_bits = self.cluster_bits - 3;
        let index = number >> l2_bits;
        ensure!(index < self.l1_entries, "the disk is longer than its tables");
        let l2 = self.entry(self.l1, index)? & OFFSET;
        let entry = match l2 {
            0 => 0,
            l2 => self.entry(l2, number & ((1 << l2_bits) - 1))?,
        };
        if entry & COMPRESSED != 0 {
            self.inflate(entry)?;
        } else if entry & OFFSET == 0 || (self.version == 3 && entry & ZERO != 0) {
            self.cluster.fill(0);
        } else {
            self.image.seek(SeekFrom::Start(entry & OFFSET))?;
            self.image.read_exact(&mut self.cluster).context("reading a cluster")?;
        }
        self.loaded = Some(number);
        Ok(())
    }

    fn entry(&mut self, table: u64, index: u64) -> Result<u64> {
        let place = table.checked_add(index * 8).context("a table outside of the image")?;
        let mut entry = [0; 8];
        self.image.seek(SeekFrom::Start(place))?;
        self.image.read_exact(&mut entry).context("reading a table")?;
        Ok(u64::from_be_bytes(entry))
    }

    fn inflate(&mut self, entry: u64) -> Result<()> {
        let bits = compressed_offset_bits(self.cluster_bits);
        let place = entry & ((1 << bits) - 1);
        let further = (entry & (COMPRESSED - 1)) >> bits;
        let len = (further + 1) * SECTOR - place % SECTOR;
        let mut data = Vec::new();
        self.image.seek(SeekFrom::Start(place))?;
        self.image.by_ref().take(len).read_to_end(&mut data).context("reading a cluster")?;
        let mut inflate = Decompress::new(false);
        inflate
            .decompress(&data, &mut self.cluster, FlushDecompress::Finish)
            .context("decompressing a cluster")?;
        ensure!(inflate.total_out() == self.cluster.len() as u64, "a compressed cluster is short");
        Ok(())
    }
}

impl<R: Read + Seek> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.disk_len.saturating_sub(self.position);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        self.load(self.position >> self.cluster_bits)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let count = read_block(&self.cluster, self.position, left, buffer);
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for Reader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(self.position, self.disk_len, to)?;
        Ok(self.position)
    }
}
