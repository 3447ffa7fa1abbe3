//! Who executes: which task, in which system call, in which interrupt.
//!
//! The interface shows no registers, so that all is told from addresses: the entry
//! points of the kernel, the instructions that leave it, and the stack that
//! `__switch_to_asm` pushes to and pops from, which is the task's.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

/// Bytes of a kernel stack, by which it is aligned (THREAD_SIZE of x86-64).
const STACK: u64 = 16 * 1024;
/// No task was seen yet: the first one.
const FIRST: u64 = 0;

/// What a call costs.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CallCounts {
    /// How often it was made and came back.
    pub count: u64,
    /// Instructions in all.
    pub sum: u64,
    /// Instructions of the cheapest.
    pub min: u64,
    /// Instructions of softirqs that ran inside, which are not in the others.
    pub softirqs: u64,
}

impl CallCounts {
    fn add(&mut self, cost: u64, softirqs: u64) {
        self.min = if self.count == 0 { cost } else { self.min.min(cost) };
        self.count += 1;
        self.sum += cost;
        self.softirqs += softirqs;
    }
}

/// What was counted between two marks.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Window {
    pub count: u64,
    pub sum: u64,
    pub min: u64,
    /// Bytes that the cheapest moved under `rep`.
    pub rep_bytes: u64,
    /// Instructions of softirqs in the cheapest, which are not in its count.
    pub softirqs: u64,
    pub histogram: BTreeMap<u64, u64>,
}

/// Why the kernel was entered beside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nested {
    Interrupt,
    /// The tick: how many there are depends on how fast the host is.
    Timer,
    Exception,
    /// Work that interrupts left for later: it belongs to what it is nested in, but
    /// is apart from a system call, inside which it runs when that lets it.
    Softirq,
}

#[derive(Default)]
struct Task {
    is_idle: bool,
    call: Option<Call>,
    nested: Vec<Nested>,
}

struct Call {
    name: Option<usize>,
    cost: u64,
    softirqs: u64,
}

struct Open {
    mark: u16,
    total: u64,
    apart: u64,
    softirqs: u64,
    rep_bytes: u64,
}

/// The state, and the sums of what was executed where.
#[derive(Default)]
pub(crate) struct Tracker {
    tasks: HashMap<u64, Task>,
    current: u64,
    settled: u64,
    /// Instructions since the start that follow the host's speed: of the idle task,
    /// and of the timer.
    waiting: u64,
    window: Option<Open>,
    pub calls: HashMap<Option<usize>, CallCounts>,
    pub windows: BTreeMap<u16, Window>,
    pub interrupts: u64,
    pub timer: u64,
    pub exceptions: u64,
    /// Of softirqs outside of interrupts.
    pub softirqs: u64,
    pub idle: u64,
}

impl Tracker {
    fn task(&mut self) -> &mut Task {
        self.tasks.entry(self.current).or_default()
    }

    /// Attributes what was executed since the last event.
    pub(crate) fn settle(&mut self, total: u64) {
        let passed = total.saturating_sub(self.settled);
        self.settled = total;
        let task = self.task();
        let kind = task.nested.iter().rfind(|kind| **kind != Nested::Softirq);
        let is_softirq = kind.is_none() && !task.nested.is_empty();
        match (kind, &mut task.call) {
            (Some(Nested::Timer), _) => {
                self.timer += passed;
                self.waiting += passed;
            }
            (Some(Nested::Exception), _) => self.exceptions += passed,
            (Some(_), _) => self.interrupts += passed,
            (None, call) if is_softirq => {
                if let Some(call) = call {
                    call.softirqs += passed;
                }
                self.softirqs += passed;
            }
            (None, Some(call)) => call.cost += passed,
            (None, None) if task.is_idle => {
                self.idle += passed;
                self.waiting += passed;
            }
            (None, None) => {}
        }
    }

    /// The instructions since the start without those that follow the host's speed.
    pub(crate) fn work(&mut self, total: u64) -> u64 {
        self.settle(total);
        total - self.waiting
    }

    pub(crate) fn enter_call(&mut self, total: u64) {
        self.settle(total);
        // From user mode: whatever was open has ended without a return.
        let call = Call { name: None, cost: 0, softirqs: 0 };
        *self.task() = Task { call: Some(call), ..Task::default() };
    }

    /// A task begins, perhaps on the stack of one that has ended.
    pub(crate) fn begin(&mut self, total: u64) {
        self.settle(total);
        *self.task() = Task::default();
    }

    /// The task is the one that runs when no other does.
    pub(crate) fn idle(&mut self, total: u64) {
        self.settle(total);
        self.task().is_idle = true;
    }

    pub(crate) fn name_call(&mut self, name: usize) {
        let task = self.task();
        if let (true, Some(call)) = (task.nested.is_empty(), &mut task.call) {
            call.name.get_or_insert(name);
        }
    }

    pub(crate) fn nest(&mut self, total: u64, kind: Nested) {
        self.settle(total);
        self.task().nested.push(kind);
    }

    /// An instruction that leaves the kernel, or one level of it, comes next.
    pub(crate) fn leave(&mut self, total: u64) {
        self.settle(total + 1);
        let task = self.task();
        if task.nested.pop().is_some() {
            return;
        }
        if let Some(Call { name, cost, softirqs }) = task.call.take() {
            self.calls.entry(name).or_default().add(cost, softirqs);
        }
    }

    /// The softirqs that ran have returned.
    pub(crate) fn end_softirqs(&mut self, total: u64) {
        self.settle(total);
        let nested = &mut self.task().nested;
        if let Some(begin) = nested.iter().rposition(|kind| *kind == Nested::Softirq) {
            nested.truncate(begin);
        }
    }

    pub(crate) fn stack(&mut self, total: u64, address: u64) {
        let base = address & !(STACK - 1);
        if base == self.current {
            return;
        }
        self.settle(total);
        if self.current == FIRST
            && let Some(first) = self.tasks.remove(&FIRST)
        {
            self.tasks.insert(base, first);
        }
        self.current = base;
    }

    pub(crate) fn mark(&mut self, mark: u16, total: u64, rep_bytes: u64) {
        self.settle(total);
        let softirqs = self.softirqs;
        let apart = self.interrupts + self.timer + self.exceptions + softirqs;
        if mark != 0 {
            self.window = Some(Open { mark, total, apart, softirqs, rep_bytes });
            return;
        }
        let Some(open) = self.window.take() else { return };
        // The mark that opened it is not in it.
        let cost = total - open.total - 1 - (apart - open.apart);
        let window = self.windows.entry(open.mark).or_default();
        if window.count == 0 || cost < window.min {
            window.min = cost;
            window.rep_bytes = rep_bytes - open.rep_bytes;
            window.softirqs = softirqs - open.softirqs;
        }
        window.count += 1;
        window.sum += cost;
        *window.histogram.entry(cost).or_default() += 1;
    }

    /// Forgets the sums, not the state.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.windows.clear();
        (self.interrupts, self.timer, self.exceptions) = (0, 0, 0);
        (self.softirqs, self.idle) = (0, 0);
    }
}
