//! The loads: what is asked of a server while it is measured.
//!
//! The fixed loads ask the same things in the same order every time, and compare
//! every byte of every answer: a fast wrong answer is no result. They run where the
//! server's address can be reached: for a guest on a tap that is inside
//! [`qemu::Guest::in_its_network`].
//!
//! [`ramp`] is the thesis's other load: connections at a rising rate, by `httperf`;
//! [`waits`] is the same for pages that are on the disk and not in memory.

mod client;
mod crawl;
mod fixed;
mod http2;
mod httperf;
mod machine;
mod outcome;
mod ramp;
mod reference;
mod site;
mod sources;
mod target;
mod waits;

use anyhow::Result;

pub use crawl::{Crawl, crawl};
pub use fixed::{connect, in_turn, keepalive};
pub use http2::http2;
pub use httperf::check as check_httperf;
pub use machine::{
    Link, boot, boot_at_rest, boot_undisturbed, boot_within, in_guest, network_choice,
};
pub use outcome::Outcome;
pub use ramp::{Ramp, Rates, ramp, ramp_at};
pub use site::write_site;
pub use target::{Expected, Target};
pub use waits::{Waits, waits, write_pages};

/// A moment of a load with a fixed number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A connection was made; nothing was asked on it yet.
    Connected,
    /// An answer has come; the connection is to be ended.
    Answered,
    /// So many requests are over, answered or not.
    Done(u64),
}

/// Called at each step of a load, in which it may rest, or end the load by an error.
pub type Watch<'a> = &'a mut dyn FnMut(Step) -> Result<()>;

/// What watches nothing.
///
/// # Errors
/// None.
pub fn unwatched(_: Step) -> Result<()> {
    Ok(())
}

/// Told how much of a load is done, and how much there is in all: 0 if that is not
/// known.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);
