//! Who executes: which task, in which system call, in which interrupt.
//!
//! The interface shows no registers, so that all is told from addresses: the entry
//! points of the kernel, the instructions that leave it, and the stack that
//! `__switch_to_asm` pushes to and pops from, which is the task's.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::cells::{EXITS, HALT};

/// Bytes of a kernel stack, by which it is aligned (THREAD_SIZE of x86-64).
const STACK: u64 = 16 * 1024;
/// No task was seen yet: the first one.
const FIRST: u64 = 0;

/// What a call costs.
#[derive(Clone, Copy, Debug, Default, Serialize)]
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

    /// Adds what came at another time.
    pub(crate) fn merge(&mut self, other: Self) {
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.count += other.count;
        self.sum += other.sum;
        self.softirqs += other.softirqs;
    }

    /// What came after a moment; the cheapest stays that of all.
    pub(crate) fn since(&self, before: Self) -> Self {
        Self {
            count: self.count - before.count,
            sum: self.sum - before.sum,
            min: self.min,
            softirqs: self.softirqs - before.softirqs,
        }
    }
}

/// Exits of every kind, in the order of [`EXITS`].
pub(crate) type Exits = [u64; EXITS.len()];

/// The counters at an event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    pub total: u64,
    pub exits: Exits,
}

/// Instructions of the kernel beside system calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub interrupts: u64,
    pub timer: u64,
    pub exceptions: u64,
    /// Of softirqs outside of interrupts.
    pub softirqs: u64,
    pub idle: u64,
}

impl Sums {
    pub(crate) fn add(&mut self, other: Self) {
        self.interrupts += other.interrupts;
        self.timer += other.timer;
        self.exceptions += other.exceptions;
        self.softirqs += other.softirqs;
        self.idle += other.idle;
    }

    pub(crate) fn since(&self, before: Self) -> Self {
        Self {
            interrupts: self.interrupts - before.interrupts,
            timer: self.timer - before.timer,
            exceptions: self.exceptions - before.exceptions,
            softirqs: self.softirqs - before.softirqs,
            idle: self.idle - before.idle,
        }
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
    settled: Now,
    /// Instructions since the start that follow the host's speed: of the idle task,
    /// and of the timer.
    waiting: u64,
    /// Their exits, without the halts that a device ended: how often the timer ends
    /// one depends on the host, what a request ends does not.
    pub waiting_exits: Exits,
    /// Whether a halt was the last instruction of the idle task.
    is_halted: bool,
    window: Option<Open>,
    pub calls: HashMap<Option<usize>, CallCounts>,
    pub windows: BTreeMap<u16, Window>,
    pub sums: Sums,
}

impl Tracker {
    fn task(&mut self) -> &mut Task {
        self.tasks.entry(self.current).or_default()
    }

    /// Attributes what was executed since the last event.
    pub(crate) fn settle(&mut self, now: Now) {
        let passed = now.total.saturating_sub(self.settled.total);
        let before = std::mem::replace(&mut self.settled, now).exits;
        let task = self.tasks.entry(self.current).or_default();
        let kind = task.nested.iter().rfind(|kind| **kind != Nested::Softirq);
        let is_softirq = kind.is_none() && !task.nested.is_empty();
        match (kind, &mut task.call) {
            (Some(Nested::Timer), _) => {
                self.sums.timer += passed;
                self.wait(passed, before);
            }
            (Some(Nested::Exception), _) => self.sums.exceptions += passed,
            (Some(_), _) => self.sums.interrupts += passed,
            (None, call) if is_softirq => {
                if let Some(call) = call {
                    call.softirqs += passed;
                }
                self.sums.softirqs += passed;
            }
            (None, Some(call)) => call.cost += passed,
            (None, None) if task.is_idle => {
                self.sums.idle += passed;
                self.wait(passed, before);
            }
            (None, None) => {}
        }
    }

    /// What was executed since the last event was waiting.
    fn wait(&mut self, passed: u64, before: Exits) {
        self.waiting += passed;
        if passed > 0 {
            self.is_halted = self.settled.exits[HALT] > before[HALT];
        }
        for (kind, waiting) in self.waiting_exits.iter_mut().enumerate() {
            *waiting += self.settled.exits[kind].saturating_sub(before[kind]);
        }
    }

    /// The instructions since the start without those that follow the host's speed.
    pub(crate) fn work(&mut self, now: Now) -> u64 {
        self.settle(now);
        now.total - self.waiting
    }

    /// Whether the idle task runs, and no interrupt does.
    pub(crate) fn is_waiting(&mut self) -> bool {
        let task = self.task();
        task.is_idle && task.nested.is_empty()
    }

    pub(crate) fn enter_call(&mut self, now: Now) {
        self.settle(now);
        // From user mode: whatever was open has ended without a return.
        let call = Call { name: None, cost: 0, softirqs: 0 };
        *self.task() = Task { call: Some(call), ..Task::default() };
    }

    /// A task begins, perhaps on the stack of one that has ended.
    pub(crate) fn begin(&mut self, now: Now) {
        self.settle(now);
        *self.task() = Task::default();
    }

    /// The task is the one that runs when no other does.
    pub(crate) fn idle(&mut self, now: Now) {
        self.settle(now);
        self.task().is_idle = true;
    }

    pub(crate) fn name_call(&mut self, name: usize) {
        let task = self.task();
        if let (true, Some(call)) = (task.nested.is_empty(), &mut task.call) {
            call.name.get_or_insert(name);
        }
    }

    pub(crate) fn nest(&mut self, now: Now, kind: Nested) {
        self.settle(now);
        if self.is_halted && kind == Nested::Interrupt && self.is_waiting() {
            self.waiting_exits[HALT] -= 1;
        }
        self.is_halted = false;
        self.task().nested.push(kind);
    }

    /// An instruction that leaves the kernel, or one level of it, comes next.
    pub(crate) fn leave(&mut self, now: Now) {
        self.settle(Now { total: now.total + 1, ..now });
        let task = self.task();
        if task.nested.pop().is_some() {
            return;
        }
        if let Some(Call { name, cost, softirqs }) = task.call.take() {
            self.calls.entry(name).or_default().add(cost, softirqs);
        }
    }

    /// The softirqs that ran have returned.
    pub(crate) fn end_softirqs(&mut self, now: Now) {
        self.settle(now);
        let nested = &mut self.task().nested;
        if let Some(begin) = nested.iter().rposition(|kind| *kind == Nested::Softirq) {
            nested.truncate(begin);
        }
    }

    pub(crate) fn stack(&mut self, now: Now, address: u64) {
        let base = address & !(STACK - 1);
        if base == self.current {
            return;
        }
        self.settle(now);
        if self.current == FIRST
            && let Some(first) = self.tasks.remove(&FIRST)
        {
            self.tasks.insert(base, first);
        }
        self.current = base;
    }

    pub(crate) fn mark(&mut self, mark: u16, now: Now, rep_bytes: u64) {
        self.settle(now);
        let total = now.total;
        let Sums { interrupts, timer, exceptions, softirqs, .. } = self.sums;
        let apart = interrupts + timer + exceptions + softirqs;
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
        self.sums = Sums::default();
    }
}
