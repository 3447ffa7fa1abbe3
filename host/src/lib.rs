//! What a build asks of the machine that it runs on: commands, files, digests,
//! locks, and the word of the user to stop.
//!
//! Every host command of the workspace is started by [`Command`]; QEMU alone is
//! started elsewhere, in the crate `qemu`.

mod command;
mod digest;
mod files;
mod interrupt;
mod job;
mod nearest;
mod problem;

pub use command::{Command, Outcome, find_program, quote};
pub use digest::{Digest, digest_bytes, digest_file, digest_stream, digest_tree};
pub use files::{Lock, Staged, StagedDir, explain_io, remove_tree, write_atomically};
pub use interrupt::{Interrupted, catch_interrupts, check_interrupt, interrupted, take_interrupt};
pub use job::Job;
pub use nearest::nearest;
pub use problem::{Kind, Problem, failed, refused};
