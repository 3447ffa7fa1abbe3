//! Compression of a disk in pieces, on every processor.

use std::thread;

use anyhow::{Context, Result, anyhow};
use flate2::{Compress, Compression, FlushCompress, Status};

/// More workers have nothing to do: a run has few pieces.
const WORKERS_MAX: usize = 16;

/// Compresses pieces of a disk, each by itself. What comes out does not depend on
/// the number of processors.
pub(crate) struct Deflate {
    workers: Vec<Compress>,
}

impl Deflate {
    /// With zlib's header and checksum or without, and a window of 2^`window_bits`
    /// bytes.
    pub(crate) fn new(header: bool, window_bits: u8) -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        let worker = || Compress::new_with_window_bits(Compression::default(), header, window_bits);
        Self { workers: std::iter::repeat_with(worker).take(count).collect() }
    }

    /// Compresses `bytes` in pieces of `piece` bytes, the last of which may be
    /// shorter. None stands for a piece that would take more than `limit` bytes.
    ///
    /// # Errors
    /// When the compressor fails.
    pub(crate) fn pieces(
        &mut self,
        bytes: &[u8],
        piece: usize,
        limit: usize,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let share = bytes.len().div_ceil(piece).div_ceil(self.workers.len()).max(1) * piece;
        let done: Vec<Result<Vec<_>>> = thread::scope(|scope| {
            let threads: Vec<_> = self
                .workers
                .iter_mut()
                .zip(bytes.chunks(share))
                .map(|(worker, share)| {
                    let each = move || {
                        share.chunks(piece).map(|piece| one(worker, piece, limit)).collect()
                    };
                    scope.spawn(each)
                })
                .collect();
            let failed = |_| Err(anyhow!("a thread that compresses failed"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect()
        });
        let done: Vec<Vec<_>> = done.into_iter().collect::<Result<_>>()?;
        Ok(done.into_iter().flatten().collect())
    }
}

fn one(worker: &mut Compress, piece: &[u8], limit: usize) -> Result<Option<Vec<u8>>> {
    let mut compressed = Vec::with_capacity(limit);
    worker.reset();
    let status = worker
        .compress_vec(piece, &mut compressed, FlushCompress::Finish)
        .context("compressing the disk")?;
    Ok((status == Status::StreamEnd).then_some(compressed))
}
