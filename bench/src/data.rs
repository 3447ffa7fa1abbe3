//! What was measured: the content of `report.json`. Every page, table and plot is
//! made from it and nothing else.
//!
//! Counts are guest instructions unless a field says otherwise; an instruction
//! under `rep` counts once, and the bytes that it moved stand beside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the layout.
pub const LAYOUT: u32 = 1;

/// The results of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Where and how it was measured.
    pub environment: Environment,
    /// The name of the subject that ratios refer to.
    pub reference: String,
    /// What was measured, the appliance first.
    pub subjects: Vec<Measured>,
    /// What each tailoring step changes.
    pub stages: Vec<Stage>,
    /// What each I/O scheduler does to the waiting times.
    pub schedulers: Vec<Scheduler>,
    /// The runs that measured the stages, by group (`schedulers` is one): they can be
    /// other ones than that which measured the subjects.
    #[serde(default)]
    pub stage_runs: BTreeMap<String, StageRun>,
    /// Why the run is not complete, if it is not.
    pub partial: Vec<String>,
}

impl Report {
    /// The subject that the report is about.
    pub fn own(&self) -> Option<&Measured> {
        self.subjects.first()
    }

    /// Whether any step of tailoring was measured.
    pub fn has_stages(&self) -> bool {
        !self.stages.is_empty() || !self.schedulers.is_empty()
    }

    /// The subject that ratios refer to, if it is another and was measured.
    pub fn baseline(&self) -> Option<&Measured> {
        self.subjects.iter().skip(1).find(|subject| subject.name == self.reference)
    }
}

/// Where and how something was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of the command.
    pub appliance: String,
    /// The command that repeats the measurement.
    pub command: String,
    /// The day, as `2026-01-31`.
    pub date: String,
    /// QEMU's version.
    pub qemu: String,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// `tap` or `user`.
    pub network: String,
    /// Processors of the host.
    pub processors: u32,
}

/// The results of one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The subject's short name.
    pub name: String,
    /// What it is, in a sentence.
    pub title: String,
    /// The release of its kernel.
    pub kernel: String,
    /// Its kernel's command line.
    pub command_line: String,
    /// System calls.
    pub syscalls: Option<Syscalls>,
    /// Starts by firmware: `direct`, `bios`, `uefi`.
    pub boot: BTreeMap<String, Boot>,
    /// Loads by name: `keepalive`, `connect`, `crawl`, `http2`.
    pub requests: BTreeMap<String, Requests>,
    /// The ramp, by rising rate.
    pub ramp: Vec<RampPoint>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Sizes of its parts in bytes.
    pub sizes: BTreeMap<String, u64>,
    /// Counts by name, as [`crate::Subject::figures`].
    pub figures: BTreeMap<String, u64>,
    /// What could not be measured, and why.
    pub partial: Vec<String>,
}

/// The cost of system calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Syscalls {
    /// By name of the measurement: `close`, `read_1`, `read_4096`.
    pub calls: BTreeMap<String, Call>,
    /// How often the server makes each of them per request under load on the stock
    /// kernel.
    pub weights: BTreeMap<String, f64>,
    /// The sum over the thesis's nine calls of weight times cost.
    pub total: f64,
}

/// The cost of one system call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Instructions from the call to its return: the smallest count; 0 where none
    /// are counted (KVM).
    pub instructions: u64,
    /// Bytes that it moved under `rep`.
    pub rep_bytes: u64,
    /// Instructions of softirqs that ran inside, such as the receiver's part of a
    /// loopback connection; `instructions` is without them, `clock` is not.
    #[serde(default)]
    pub softirqs: u64,
    /// Time-stamp counter around the call: the mean of the 30 smallest, which are
    /// instructions with every iteration under emulation, and cycles with KVM.
    pub clock: f64,
    /// How often which time was seen, sorted by time.
    pub histogram: Vec<(u64, u64)>,
}

/// The way from reset to the first answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// Instructions up to the first `200`.
    pub instructions: u64,
    /// Every instruction up to the server's first wait, of the idle task and the timer
    /// too, and each turn of one under `rep`; 0 where they were not told apart.
    #[serde(default)]
    pub turns_too: u64,
    /// Instructions until the guest is at rest behind its first answer: a kernel may have
    /// begun what its threads go on with. 0 where that was not looked at.
    #[serde(default)]
    pub at_rest: u64,
    /// The phases in their order: firmware, decompression, kernel, PID 1, server.
    pub phases: Vec<Phase>,
}

/// A phase of a start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its instructions.
    pub instructions: u64,
    /// Its time in milliseconds, as the host saw it.
    pub milliseconds: f64,
}

/// A load with a fixed number of requests; counts are per request, and 0 where none
/// are taken (KVM).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// How many were made.
    pub requests: u64,
    /// Instructions of the kernel.
    pub kernel: f64,
    /// Of these, the ones in interrupts and softirqs.
    pub interrupts: f64,
    /// Instructions of programs.
    pub user: f64,
    /// Instructions that would leave a virtual machine.
    pub exits: f64,
    /// Bytes moved under `rep`.
    pub rep_bytes: f64,
    /// Requests per second as the host saw it.
    pub per_second: f64,
    /// System calls by name.
    pub calls: BTreeMap<String, CallShare>,
    /// Kernel instructions by function, the largest first.
    pub functions: Vec<(String, f64)>,
}

/// A system call's part in a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallShare {
    /// How often it is made per request.
    pub count: f64,
    /// Its instructions per call, interrupts and softirqs apart.
    pub instructions: f64,
    /// Instructions of softirqs that ran inside, per call.
    #[serde(default)]
    pub softirqs: f64,
}

/// One rate of the ramp.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RampPoint {
    /// Offered connections per second.
    pub rate: u32,
    /// Connections made.
    pub connections: u64,
    /// Replies.
    pub replies: u64,
    /// Replies per second: mean, smallest, largest of five-second samples.
    pub reply_rate: (f64, f64, f64),
    /// Mean milliseconds to a reply.
    pub reply_time: f64,
    /// KiB per second on the network.
    pub network: f64,
    /// Clients that gave up after four seconds.
    pub timeouts: u64,
    /// Connections that were refused, reset or failed otherwise.
    pub errors: u64,
    /// Calls that failed for want of the client's own descriptors or addresses, and
    /// connections that it opened too late: then the point says nothing of the
    /// server.
    pub client_limit: u64,
}

/// The memory of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The smallest memory in MiB that serves; 0 where it was not searched for.
    pub smallest: u32,
    /// KiB in use after the load.
    pub used: u64,
}

/// A run that measured a group of stages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRun {
    /// Where and how.
    pub environment: Environment,
    /// The release of the kernel that was varied.
    pub kernel: String,
    /// What could not be measured, and why.
    pub partial: Vec<String>,
}

/// One tailoring step of the thesis, on today's kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// A short name. Where the thesis has the step it is the name in
    /// [`crate::report::thesis`], so that its figures stand beside these.
    pub name: String,
    /// What it changes.
    pub title: String,
    /// The group that it belongs to: `packages`, `configuration`, `devices`,
    /// `flags`, `tailoring`.
    pub group: String,
    /// Whether the stages before it hold too.
    pub cumulative: bool,
    /// What it is compared with.
    pub before: Cost,
    /// What was measured with it.
    pub after: Cost,
}

/// What one side of a [`Stage`] costs. What was not measured is 0 or is not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// A name of the side; the same one in every stage that has it.
    #[serde(default)]
    pub side: String,
    /// The total of the nine calls, as [`Syscalls::total`]; where the server's own
    /// calls under load were counted instead, the sum over those of a request.
    pub total: f64,
    /// Instructions of each call, by name as in [`Syscalls::calls`].
    pub calls: BTreeMap<String, f64>,
    /// Instructions of the kernel for a request, by load.
    #[serde(default)]
    pub kernel: BTreeMap<String, f64>,
    /// Exits of the virtual machine for a request, by load.
    #[serde(default)]
    pub exits: BTreeMap<String, f64>,
    /// More figures by name, which ends with the unit if there is one: `modules`,
    /// `modules_loaded`, `image_bytes`, `configuration_bytes`.
    pub figures: BTreeMap<String, f64>,
}

/// The waiting times of one I/O scheduler under a rising rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scheduler {
    /// Its name.
    pub name: String,
    /// What clients waited for pages from a slow disk, by rising rate.
    pub waits: Vec<Wait>,
}

/// What clients waited at one rate, in milliseconds; those that lost are not among
/// them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// Offered connections per second.
    pub rate: u32,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The longest.
    pub longest: f64,
    /// Clients that gave up after four seconds or got no right answer.
    pub lost: u64,
    /// As [`RampPoint::client_limit`].
    pub client_limit: u64,
}
