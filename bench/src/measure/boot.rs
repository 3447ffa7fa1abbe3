//! The way from reset to the moment when the server waits for requests.

use anyhow::{Context, Result};
use qemu::{Clock, Start};

use crate::counts::{Counter, Moment};
use crate::data::{Boot, Phase};
use crate::loads::{self, Link, in_guest};
use crate::{Subject, Tools};

use super::SHIFT;

/// Moments that the plugin notes, in their order, and the phases that they begin;
/// before the first is the firmware. A kernel with modules has one program more, the
/// one that loads them.
const PHASES: [(&str, &str); 5] = [
    ("decompression", "decompression"),
    ("entry", "kernel"),
    ("program 1", "PID 1"),
    ("program 2", "server"),
    ("wait", ""),
];
const PHASES_WITH_MODULES: [(&str, &str); 6] = [
    ("decompression", "decompression"),
    ("entry", "kernel"),
    ("program 1", "modules"),
    ("program 2", "PID 1"),
    ("program 3", "server"),
    ("wait", ""),
];

/// Boots a subject and counts up to the server's first wait for requests; with the
/// processor itself only the time is measured, up to the first right answer.
///
/// # Errors
/// When it does not come up, its first answer is wrong, or the user interrupts.
pub fn boot(subject: &Subject, tools: &Tools, link: &Link) -> Result<Boot> {
    let mut subject = subject.clone();
    let mut counter = super::count(&mut subject, tools)?;
    if let Some(counter) = &mut counter
        && !subject.is_whole_machine()
    {
        subject.machine.clock = Clock::Instructions(SHIFT);
        let has_modules = !subject.support.modules.is_empty();
        let moments = if has_modules { &PHASES_WITH_MODULES[..] } else { &PHASES };
        let mut guest = loads::boot_undisturbed(&subject, || counter.has_come("wait"))?;
        return in_guest(&mut guest, &subject.name, |_| {
            let mut boot = counted(counter, first_phase(&subject.machine.start), moments)?;
            counter.rest()?;
            boot.at_rest = counter.work()?;
            Ok(boot)
        });
    }
    let (mut guest, _) = loads::boot(&subject, link)?;
    let milliseconds = guest.age().as_secs_f64() * 1000.0;
    in_guest(&mut guest, &subject.name, |_| {
        let instructions = counter.as_mut().map_or(Ok(0), Counter::total)?;
        Ok(whole(instructions, milliseconds))
    })
}

/// A start without phases.
fn whole(instructions: u64, milliseconds: f64) -> Boot {
    let phases = vec![Phase { name: "all".into(), instructions, milliseconds }];
    Boot { instructions, phases, ..Boot::default() }
}

/// What a start begins with. UEFI loads a kernel that unpacks itself as one of UEFI's
/// programs, at an address that nobody knows before.
fn first_phase(start: &Start) -> &'static str {
    match start {
        Start::Uefi => "firmware, decompression",
        Start::Bios | Start::Kernel(_) => "firmware",
    }
}

fn counted(counter: &mut Counter, first: &str, moments: &[(&str, &str)]) -> Result<Boot> {
    let noted = counter.read()?.phases;
    let mut phases = Vec::new();
    let (mut name, mut begin) = (first, Moment::default());
    for (moment, next) in moments {
        // A firmware may load the kernel elsewhere than it is linked for; its first function
        // in C has the same address everywhere.
        let at = match (*moment, noted.get(*moment)) {
            ("entry", None) => noted.get("kernel"),
            (_, at) => at,
        };
        let Some(at) = at else { continue };
        let instructions = at.instructions.checked_sub(begin.instructions);
        phases.push(Phase {
            name: name.into(),
            instructions: instructions.context("the phases of a start are out of order")?,
            milliseconds: at.milliseconds - begin.milliseconds,
        });
        (name, begin) = (next, *at);
    }
    let Moment { instructions, turns_too, .. } = begin;
    Ok(Boot { instructions, turns_too, phases, ..Boot::default() })
}
