//! Every figure of a report as one line of CSV: subject, group, name, unit, value.

use std::fmt::Write as _;

use super::escape;
use crate::data::{Cost, Measured, Report};

/// The lines under construction.
struct Lines {
    text: String,
    subject: String,
}

impl Lines {
    fn add(&mut self, group: &str, name: &str, unit: &str, value: impl std::fmt::Display) {
        let fields = [&self.subject, group, name, unit].map(escape::csv).join(",");
        let _ = write!(self.text, "{fields},{value}\r\n");
    }
}

/// All figures. Stages and schedulers stand where a subject's name does.
pub(super) fn text(report: &Report) -> String {
    let text = "subject,group,name,unit,value\r\n".to_owned();
    let mut lines = Lines { text, subject: String::new() };
    for subject in &report.subjects {
        lines.subject.clone_from(&subject.name);
        syscalls(&mut lines, subject);
        boot(&mut lines, subject);
        requests(&mut lines, subject);
        ramp(&mut lines, subject);
        resources(&mut lines, subject);
    }
    for stage in &report.stages {
        lines.subject.clone_from(&stage.name);
        cost(&mut lines, "stage before", &stage.before);
        cost(&mut lines, "stage after", &stage.after);
    }
    for scheduler in &report.schedulers {
        lines.subject.clone_from(&scheduler.name);
        for wait in &scheduler.waits {
            let group = format!("scheduler {}", wait.rate);
            lines.add(&group, "mean wait", "ms", wait.mean);
            lines.add(&group, "median wait", "ms", wait.median);
            lines.add(&group, "longest wait", "ms", wait.longest);
            lines.add(&group, "lost", "clients", wait.lost);
            lines.add(&group, "client limit", "calls", wait.client_limit);
        }
    }
    lines.text
}

fn syscalls(lines: &mut Lines, subject: &Measured) {
    let Some(syscalls) = &subject.syscalls else { return };
    for (name, call) in &syscalls.calls {
        lines.add("syscalls", name, "instructions", call.instructions);
        lines.add("syscalls rep", name, "bytes", call.rep_bytes);
        lines.add("syscalls softirqs", name, "instructions", call.softirqs);
        lines.add("syscalls clock", name, "ticks", call.clock);
        for (time, count) in &call.histogram {
            lines.add("syscalls histogram", &format!("{name} at {time}"), "calls", count);
        }
    }
    for (name, weight) in &syscalls.weights {
        lines.add("syscalls weight", name, "calls per request", weight);
    }
    lines.add("syscalls", "total", "instructions", syscalls.total);
}

fn boot(lines: &mut Lines, subject: &Measured) {
    for (firmware, boot) in &subject.boot {
        lines.add("boot", firmware, "instructions", boot.instructions);
        if boot.turns_too > 0 {
            lines.add("boot", firmware, "instructions with each turn under rep", boot.turns_too);
        }
        if boot.at_rest > 0 {
            lines.add("boot", firmware, "instructions until it is at rest", boot.at_rest);
        }
        for phase in &boot.phases {
            let name = format!("{firmware}: {}", phase.name);
            lines.add("boot phase", &name, "instructions", phase.instructions);
            lines.add("boot phase", &name, "ms", phase.milliseconds);
        }
    }
}

fn requests(lines: &mut Lines, subject: &Measured) {
    for (load, it) in &subject.requests {
        let group = format!("request {load}");
        lines.add(&group, "requests", "requests", it.requests);
        lines.add(&group, "kernel", "instructions", it.kernel);
        lines.add(&group, "interrupts", "instructions", it.interrupts);
        lines.add(&group, "user", "instructions", it.user);
        lines.add(&group, "exits", "exits", it.exits);
        lines.add(&group, "rep", "bytes", it.rep_bytes);
        lines.add(&group, "speed", "requests per second", it.per_second);
        for (name, call) in &it.calls {
            lines.add(&format!("{group} calls"), name, "calls", call.count);
            lines.add(&format!("{group} calls"), name, "instructions", call.instructions);
            lines.add(&format!("{group} calls softirqs"), name, "instructions", call.softirqs);
        }
        for (name, instructions) in &it.functions {
            lines.add(&format!("{group} functions"), name, "instructions", instructions);
        }
    }
}

fn ramp(lines: &mut Lines, subject: &Measured) {
    for point in &subject.ramp {
        let group = format!("ramp {}", point.rate);
        let (mean, smallest, largest) = point.reply_rate;
        lines.add(&group, "connections", "connections", point.connections);
        lines.add(&group, "replies", "replies", point.replies);
        lines.add(&group, "reply rate", "replies per second", mean);
        lines.add(&group, "smallest reply rate", "replies per second", smallest);
        lines.add(&group, "largest reply rate", "replies per second", largest);
        lines.add(&group, "reply time", "ms", point.reply_time);
        lines.add(&group, "network", "KiB/s", point.network);
        lines.add(&group, "timeouts", "clients", point.timeouts);
        lines.add(&group, "errors", "connections", point.errors);
        lines.add(&group, "client limit", "calls", point.client_limit);
    }
}

fn resources(lines: &mut Lines, subject: &Measured) {
    if let Some(memory) = subject.memory {
        if memory.smallest > 0 {
            lines.add("memory", "smallest", "MiB", memory.smallest);
        }
        lines.add("memory", "used", "KiB", memory.used);
    }
    for (name, bytes) in &subject.sizes {
        lines.add("sizes", name, "bytes", bytes);
    }
    for (name, count) in &subject.figures {
        lines.add("figures", name, "", count);
    }
}

fn cost(lines: &mut Lines, group: &str, cost: &Cost) {
    lines.add(group, "total", "instructions", cost.total);
    for (name, instructions) in &cost.calls {
        lines.add(group, name, "instructions", instructions);
    }
    for (load, instructions) in &cost.kernel {
        lines.add(group, &format!("kernel per {load}"), "instructions", instructions);
    }
    for (load, exits) in &cost.exits {
        lines.add(group, &format!("exits per {load}"), "exits", exits);
    }
    for (name, figure) in &cost.figures {
        lines.add(group, name, "", figure);
    }
}
