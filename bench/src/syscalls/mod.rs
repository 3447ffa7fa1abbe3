//! What each system call costs: a program in the guest makes it many times, on an
//! ext3 file system and on TCP connections over loopback.
//!
//! Under emulation the plugin counts the instructions between the program's markers
//! and the processor's clock counts them with every iteration of a `rep`; with KVM
//! there is the clock alone, in cycles. The guest gets a disk of our own instead of
//! the appliance's, on the same bus, so that every kernel looks up and reads the same
//! file: a path of four components, which not every site has. A machine without a
//! disk has it in the initramfs.

mod console;
mod disk;
mod initramfs;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use bench_guest::wire::{self, Call};
use host::{failed, refused};
use qemu::{Clock, Disk, DiskFormat, Engine, Guest, Machine, Network, Start};

use crate::counts::{self, Counter, Window};
use crate::data::{self, Syscalls};
use crate::{Subject, Tools};

use console::Told;

/// How long start and measurement may take. A stock kernel unpacks itself and loads
/// modules, which is some thousand million instructions on a host that does other
/// work too.
const DEADLINE: Duration = Duration::from_secs(900);
/// How long the guest may take to switch itself off.
const END_DEADLINE: Duration = Duration::from_secs(60);
/// The number of smallest values whose mean is the cost of a call (the thesis,
/// section 5.1).
const SMALLEST: u64 = 30;

/// The thesis's nine calls, each with the measurements that stand for it: a call
/// costs their mean, so that a read is half one of a byte and half one of 4 kB.
const NINE: [(&str, &[Call]); 9] = [
    ("close", &[Call::Close]),
    ("fcntl", &[Call::Fcntl]),
    ("ioctl", &[Call::Ioctl]),
    ("read", &[Call::Read1, Call::Read4096]),
    ("setsockopt", &[Call::Setsockopt]),
    ("shutdown", &[Call::Shutdown]),
    ("stat", &[Call::Stat]),
    ("write", &[Call::Write]),
    ("writev", &[Call::Writev]),
];

/// The cost of system calls, and what there is none of.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// What was measured.
    pub syscalls: Syscalls,
    /// Calls that the kernel refused, a sentence for each.
    pub refused: Vec<String>,
}

/// What the plugin counted between the markers of each call.
type Windows = BTreeMap<u16, Window>;

/// Measures the system calls of a subject's kernel. `weights` says how often the
/// server makes each call per request, by the call's name; those that are not among
/// the thesis's nine have no part in the total. `scratch` is a directory for files of
/// the moment.
///
/// # Errors
/// Refused when the subject does not start directly; otherwise when its machine does
/// not get to the end of the measurement, or says what makes no sense.
pub fn measure(
    subject: &Subject,
    tools: &Tools,
    weights: &BTreeMap<String, f64>,
    scratch: &Path,
) -> Result<Costs> {
    let mut machine = machine(subject, tools, scratch)?;
    let mut counter = None;
    if machine.accelerator.engine == Engine::Tcg {
        machine.clock = Clock::Instructions(0);
        counter = Some(Counter::attach(&mut machine, &tools.plugin, &subject.symbols)?);
    }
    let (_, told, windows) = run(&machine, counter)
        .with_context(|| format!("measuring the system calls of {}", subject.name))?;
    Ok(merge(&told, &windows, weights))
}

/// The time of system calls, with nothing counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// The ring of the processor in which the program runs that makes the calls.
    pub ring: u8,
    /// What each call takes, in ticks of the guest's time stamp counter: the mean of the
    /// 30 smallest.
    pub ticks: BTreeMap<String, f64>,
}

/// Takes the time of the system calls of a subject's kernel, which under emulation is the
/// host's. A kernel of the variant `kml` that is asked to runs the program in ring 0.
///
/// # Errors
/// As [`measure`].
pub fn take_times(subject: &Subject, tools: &Tools, scratch: &Path) -> Result<Times> {
    let machine = machine(subject, tools, scratch)?;
    let (ring, told, windows) = run(&machine, None)
        .with_context(|| format!("taking the time of system calls of {}", subject.name))?;
    let calls = merge(&told, &windows, &BTreeMap::new()).syscalls.calls;
    Ok(Times { ring, ticks: calls.into_iter().map(|(name, call)| (name, call.clock)).collect() })
}

/// The subject's machine with the program instead of the server.
fn machine(subject: &Subject, tools: &Tools, scratch: &Path) -> Result<Machine> {
    let mut machine = subject.machine.clone();
    let Start::Kernel(kernel) = &mut machine.start else {
        let what = format!("{} starts from its disk, not directly", subject.name);
        return Err(refused(what)
            .hint("system calls are measured with a kernel that QEMU loads itself")
            .into());
    };
    let page = machine.disk.is_none().then_some(disk::page());
    let archive = scratch.join("syscalls.cpio");
    let first =
        initramfs::write(&archive, &tools.syscalls, &tools.load_modules, &subject.support, page)?;
    kernel.initramfs = Some(archive);
    kernel.command_line.push_str(counts::COMMAND_LINE);
    let _ = write!(kernel.command_line, " rdinit={first}");
    if let Some(disk) = &mut machine.disk {
        let image = disk::make(scratch)?;
        *disk = Disk { bus: disk.bus, ..Disk::new(image, DiskFormat::Raw) };
    }
    machine.network = Network::None;
    machine.handed_over.clear();
    Ok(machine)
}

/// Boots the machine and lets the program work; gives its ring, what it says, and what
/// the plugin counted.
fn run(machine: &Machine, mut counter: Option<Counter>) -> Result<(u8, Vec<Told>, Windows)> {
    let mut guest = machine.boot()?;
    let lines = listen(&mut guest).map_err(|error| error.context(guest.evidence()))?;
    let (ring, told) = console::parse(&lines)?;
    let windows = match &mut counter {
        Some(counter) => counter.read()?.windows,
        None => Windows::new(),
    };
    guest.type_in("\n")?;
    guest.wait_shutdown(END_DEADLINE)?;
    Ok((ring, told, windows))
}

/// The program's lines up to the last one.
fn listen(guest: &mut Guest) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let last = guest.wait_for("the end of the measurement", DEADLINE, |line| {
        let text = console::text(line)?;
        lines.push(text.to_owned());
        console::is_last(text).then(|| text.to_owned())
    })?;
    match last.strip_prefix(wire::FAILED) {
        Some(why) => Err(failed(format!("the program in the guest failed:{why}")).into()),
        None => Ok(lines),
    }
}

/// Puts together what the clock and what the plugin counted.
fn merge(told: &[Told], windows: &Windows, weights: &BTreeMap<String, f64>) -> Costs {
    let values = |call: Call| {
        let times = told.iter().find(|told| told.call == call)?.times.as_deref().ok()?;
        let counts = windows.get(&call.window()).map(|window| &window.histogram);
        let counts = counts.into_iter().flatten().map(|(value, count)| (*value, *count));
        Some((times, counts.collect::<Vec<_>>()))
    };
    // What the measuring itself costs has no part in the call's.
    let (empty_times, empty_counts) = values(Call::Empty).unwrap_or_default();
    let mut syscalls = Syscalls { weights: weights.clone(), ..Syscalls::default() };
    let mut refused = Vec::new();
    for Told { call, times } in told.iter().filter(|told| told.call != Call::Empty) {
        let name = call.name();
        if let Err(errno) = times {
            refused.push(format!("{name}: refused by the kernel (errno {errno})"));
        }
        let Some((times, counts)) = values(*call) else { continue };
        let histogram = without(times, smallest(empty_times));
        let clock = Mean::of_smallest(&histogram);
        let counts = Mean::of_smallest(&without(&counts, smallest(&empty_counts)));
        let measured = data::Call {
            instructions: counts.rounded(),
            rep_bytes: windows.get(&call.window()).map_or(0, |window| window.rep_bytes),
            softirqs: windows.get(&call.window()).map_or(0, |window| window.softirqs),
            clock: clock.exact(),
            histogram,
        };
        syscalls.calls.insert(name.to_owned(), measured);
    }
    syscalls.total = total(&syscalls).unwrap_or(0.0);
    Costs { syscalls, refused }
}

fn smallest(values: &[(u64, u64)]) -> u64 {
    values.first().map_or(0, |(value, _)| *value)
}

/// The values less a constant.
fn without(values: &[(u64, u64)], less: u64) -> Vec<(u64, u64)> {
    values.iter().map(|(value, count)| (value.saturating_sub(less), *count)).collect()
}

/// A mean before it is divided.
struct Mean {
    sum: u64,
    count: u64,
}

impl Mean {
    /// Of the [`SMALLEST`] values; nothing for no values.
    fn of_smallest(values: &[(u64, u64)]) -> Self {
        let mut mean = Self { sum: 0, count: 0 };
        for (value, count) in values {
            let count = (*count).min(SMALLEST - mean.count);
            mean.sum = mean.sum.saturating_add(value.saturating_mul(count));
            mean.count += count;
        }
        mean
    }

    fn rounded(&self) -> u64 {
        self.sum.saturating_add(self.count / 2).checked_div(self.count).unwrap_or(0)
    }

    fn exact(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

/// Gives the calls other weights, and the total that comes of them.
pub fn weigh(syscalls: &mut Syscalls, weights: &BTreeMap<String, f64>) {
    syscalls.weights.clone_from(weights);
    syscalls.total = total(syscalls).unwrap_or(0.0);
}

/// The weighted sum over the thesis's nine calls: in instructions, or by the clock
/// where none are counted. Nothing if a call that has a weight was not measured.
fn total(syscalls: &Syscalls) -> Option<f64> {
    let mut total = 0.0;
    for (name, measurements) in NINE {
        let weight = syscalls.weights.get(name).copied().unwrap_or(0.0);
        if weight == 0.0 {
            continue;
        }
        let mut cost = 0.0;
        for measurement in measurements {
            let call = syscalls.calls.get(measurement.name())?;
            cost += if call.instructions > 0 { call.instructions as f64 } else { call.clock };
        }
        total += weight * cost / measurements.len() as f64;
    }
    Some(total)
}

#[cfg(test)]
mod tests;
