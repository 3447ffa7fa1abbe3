//! Measurements of a subject: each boots it, does one thing with it, and gives a
//! part of the report.

mod boot;
mod crawl;
mod memory;
mod requests;
mod weights;

use anyhow::Result;
use qemu::{Engine, Machine, Start};

use crate::counts::{COMMAND_LINE, Counter};
use crate::{Subject, Tools};

pub use boot::boot;
pub use crawl::{CRAWL, crawl};
pub use memory::{FREE_PAGES, smallest, used};
pub use requests::{Counted, Load, REQUESTS, pages, requests};
pub use weights::{nine_under_load, weights};

/// The clock of a machine that is counted: loops that wait for time have as many turns
/// with 16 ns for each instruction as on a slow processor, and as many in each run.
const SHIFT: u8 = 4;

/// Gives the subject's machine a counter, and its kernel the addresses that its
/// symbols say; nothing where the processor itself executes the guest.
fn count(subject: &mut Subject, tools: &Tools) -> Result<Option<Counter>> {
    let Subject { machine, symbols, .. } = subject;
    if machine.accelerator.engine == Engine::Kvm {
        return Ok(None);
    }
    fix_addresses(machine);
    Counter::attach(machine, &tools.plugin, symbols).map(Some)
}

fn fix_addresses(machine: &mut Machine) {
    if let Start::Kernel(kernel) = &mut machine.start
        && !kernel.command_line.contains(COMMAND_LINE)
    {
        kernel.command_line.push_str(COMMAND_LINE);
    }
}

/// A count as a quantity; exact below 2^53.
pub(crate) fn quantity(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no run executes 2^53 instructions")]
    let quantity = number as f64;
    quantity
}
