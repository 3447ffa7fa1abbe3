//! A report as a run fills it. The figures are of trial runs by hand, or made up to
//! fill every section: they are for tests and are published nowhere.

use std::collections::BTreeMap;

use bench::data::*;

/// Counts of calls on the appliance and on the stock kernel.
const CALLS: [(&str, u64, u64); 14] = [
    ("accept4", 2411, 4630),
    ("close", 449, 1106),
    ("epoll_wait", 391, 702),
    ("fcntl", 248, 444),
    ("ioctl", 356, 768),
    ("open", 2894, 5669),
    ("read_1", 1230, 1611),
    ("read_4096", 1039, 1454),
    ("sendfile", 5320, 10412),
    ("setsockopt", 453, 831),
    ("shutdown", 298, 602),
    ("stat", 2726, 4768),
    ("write", 1637, 2257),
    ("writev", 6117, 11799),
];

/// A complete report: the appliance, the stock kernel, and a kernel for orientation.
pub(crate) fn report() -> Report {
    let mut appliance = subject("appliance", "the appliance `hello`", "6.12.117");
    let mut stock = subject(
        "stock-kernel",
        "Debian's cloud kernel with our server",
        "6.12.117+deb12-cloud-amd64",
    );
    let mut old =
        subject("stock-6.1", "Debian's 6.1 cloud kernel with our server", "6.1.0-43-cloud-amd64");
    appliance.syscalls = Some(syscalls(|(_, own, _)| *own));
    stock.syscalls = Some(syscalls(|(_, _, stock)| *stock));
    appliance.boot = [("direct", 53), ("bios", 402), ("uefi", 1870)].map(boot).into();
    stock.boot = [boot(("direct", 2896))].into();
    old.boot = [boot(("direct", 1558))].into();
    appliance.requests =
        [load("keepalive", 26_200.0, 10_300.0), load("connect", 67_500.0, 11_100.0)].into();
    stock.requests =
        [load("keepalive", 38_700.0, 10_300.0), load("connect", 112_500.0, 11_100.0)].into();
    old.requests =
        [load("keepalive", 40_300.0, 10_300.0), load("connect", 117_000.0, 10_900.0)].into();
    appliance.ramp = ramp(2600);
    stock.ramp = ramp(1500);
    appliance.memory = Some(Memory { smallest: 26, used: 11_300 });
    appliance.figures = figures([("modules", 0), ("modules_loaded", 0)]);
    stock.figures = figures([("modules", 1204), ("modules_loaded", 11)]);
    stock.memory = Some(Memory { smallest: 74, used: 41_020 });
    old.memory = Some(Memory { smallest: 0, used: 38_400 });
    appliance.sizes = sizes([2_811_904, 12_014_208, 131_072, 2_097_152]);
    stock.sizes = sizes([9_480_192, 61_344_112, 3_212_288, 2_097_152]);
    old.partial.push("System calls: interrupted".to_owned());
    Report {
        layout: LAYOUT,
        environment: Environment {
            appliance: "0.1.0".to_owned(),
            command: "appliance bench build/hello-kvm --report docs/report".to_owned(),
            date: "2026-11-23".to_owned(),
            qemu: "7.2.22".to_owned(),
            accelerator: "tcg".to_owned(),
            network: "tap".to_owned(),
            processors: 2,
        },
        reference: "stock-kernel".to_owned(),
        subjects: vec![appliance, stock, old],
        stages: stages(),
        schedulers: schedulers(),
        stage_runs: stage_runs(),
        partial: vec!["stock-machine: the package exim4 could not be had".to_owned()],
    }
}

fn subject(name: &str, title: &str, kernel: &str) -> Measured {
    Measured {
        name: name.to_owned(),
        title: title.to_owned(),
        kernel: kernel.to_owned(),
        command_line: "console=ttyS0 quiet panic=5".to_owned(),
        ..Measured::default()
    }
}

fn syscalls(of: fn(&(&str, u64, u64)) -> u64) -> Syscalls {
    let call = |entry: &(&str, u64, u64)| {
        let instructions = of(entry);
        let rep_bytes = if entry.0 == "read_4096" { 4096 } else { 0 };
        let histogram = vec![
            (instructions, 812),
            (instructions + 40, 151),
            (instructions + 310, 30),
            (instructions * 3, 2),
        ];
        let clock = instructions as f64 + 24.0;
        (entry.0.to_owned(), Call { instructions, rep_bytes, softirqs: 0, clock, histogram })
    };
    let weights = [("close", 1.2), ("fcntl", 0.4), ("read", 1.1), ("stat", 2.0), ("writev", 1.0)];
    let calls: BTreeMap<String, Call> = CALLS.iter().map(call).collect();
    let total = weights.iter().map(|(name, weight)| {
        let call = calls.get(*name).or_else(|| calls.get(&format!("{name}_4096")));
        call.map_or(0.0, |call| weight * call.instructions as f64)
    });
    let total = total.sum();
    Syscalls {
        calls,
        weights: weights.map(|(name, weight)| (name.to_owned(), weight)).into(),
        total,
    }
}

fn boot((firmware, millions): (&str, u64)) -> (String, Boot) {
    let instructions = millions * 1_000_000 + 12_345;
    let phase = |(name, part): (&str, u64)| Phase {
        name: name.to_owned(),
        instructions: instructions * part / 100,
        milliseconds: (millions * part) as f64 / 71.0,
    };
    let phases = match firmware {
        "direct" => vec![("kernel", 85), ("PID 1", 4), ("server", 11)],
        _ => vec![
            ("firmware", 64),
            ("decompression", 20),
            ("kernel", 11),
            ("PID 1", 1),
            ("server", 4),
        ],
    };
    (
        firmware.to_owned(),
        Boot {
            instructions,
            turns_too: instructions + 1_000,
            at_rest: instructions + instructions / 5,
            phases: phases.into_iter().map(phase).collect(),
        },
    )
}

fn load(name: &str, kernel: f64, user: f64) -> (String, Requests) {
    let call = |(name, count, instructions): (&str, f64, f64)| {
        (name.to_owned(), CallShare { count, instructions, softirqs: 0.0 })
    };
    let functions = [
        ("tcp_sendmsg_locked", 0.081),
        ("__memcpy", 0.066),
        ("tcp_rcv_established", 0.052),
        ("link_path_walk", 0.047),
        ("__inet_lookup_established", 0.031),
        ("kmem_cache_alloc_noprof", 0.029),
        ("skb_release_data", 0.024),
        ("entry_SYSCALL_64_after_hwframe", 0.022),
        ("virtqueue_add_outbuf", 0.019),
        ("filemap_read", 0.018),
    ];
    let requests = Requests {
        requests: 10_000,
        kernel,
        interrupts: kernel * 0.21,
        user,
        exits: kernel / 9_000.0,
        rep_bytes: 8_514.0,
        per_second: 30_000_000.0 / kernel,
        calls: [
            ("epoll_wait", 1.02, 611.0),
            ("read", 1.98, 1_410.0),
            ("open", 1.0, 2_904.0),
            ("fstat", 1.0, 402.0),
            ("writev", 1.0, kernel / 4.0),
            ("close", 1.0, 449.0),
        ]
        .map(call)
        .into(),
        functions: functions.map(|(name, share)| (name.to_owned(), kernel * share)).into(),
    };
    (name.to_owned(), requests)
}

/// A ramp whose server keeps up until `limit` connections per second.
fn ramp(limit: u32) -> Vec<RampPoint> {
    let point = |rate: u32| {
        let served = f64::from(rate.min(limit));
        let lost = u64::from(rate.saturating_sub(limit));
        RampPoint {
            rate,
            connections: u64::from(rate) * 10,
            replies: u64::from(rate.min(limit)) * 10,
            reply_rate: (served, served * 0.97, served * 1.02),
            reply_time: 1.2 + lost as f64 * 0.9,
            network: served * 4.6,
            timeouts: lost * 9,
            errors: lost,
            client_limit: if rate >= 2800 { 37 } else { 0 },
        }
    };
    (1..=15).map(|step| point(step * 200)).collect()
}

fn sizes(bytes: [u64; 4]) -> BTreeMap<String, u64> {
    let names = ["vmlinuz", "vmlinux", "initramfs.cpio", "disk"];
    names.map(str::to_owned).into_iter().zip(bytes).collect()
}

fn figures<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

/// Of two groups: the others were measured by the run of the subjects.
fn stage_runs() -> BTreeMap<String, StageRun> {
    let run = |group: &str| {
        let command = format!("./appliance bench --stages={group} -o docs/report");
        let environment =
            Environment { command, date: "2026-11-24".to_owned(), ..Environment::default() };
        let partial = vec!["a step could not be built".to_owned()];
        (group.to_owned(), StageRun { environment, kernel: "6.12.117".to_owned(), partial })
    };
    ["schedulers", "devices"].map(run).into()
}

fn stages() -> Vec<Stage> {
    let stage = |group: &str, name: &str, cumulative, before: f64, after: f64| Stage {
        name: name.to_owned(),
        title: format!("what the step {name} changes"),
        group: group.to_owned(),
        cumulative,
        before: Cost { total: before, ..Cost::default() },
        after: Cost { total: after, ..Cost::default() },
    };
    let mut configuration = stage("configuration", "configuration", true, 24_301.0, 12_120.0);
    let figures =
        |figures: [(&str, f64); 5]| figures.map(|(name, figure)| (name.to_owned(), figure)).into();
    configuration.before.figures = figures([
        ("modules", 4105.0),
        ("modules_loaded", 14.0),
        ("image_bytes", 103e6),
        ("configuration_bytes", 191_320.0),
        ("package_bytes", 34e6),
    ]);
    configuration.after.figures = figures([
        ("modules", 0.0),
        ("modules_loaded", 0.0),
        ("image_bytes", 2.8e6),
        ("configuration_bytes", 31_000.0),
        ("package_bytes", 2.8e6),
    ]);
    let mut flags = stage("flags", "O3", false, 12_120.0, 12_480.0);
    flags.before.calls = [("close".to_owned(), 449.0), ("stat".to_owned(), 2726.0)].into();
    flags.after.calls = [("close".to_owned(), 431.0), ("stat".to_owned(), 2840.0)].into();
    let mut devices = stage("devices", "paravirtual", false, 0.0, 0.0);
    let loads = |keepalive, connect| {
        [("keepalive".to_owned(), keepalive), ("connect".to_owned(), connect)].into()
    };
    devices.before.side = "e1000 and IDE".to_owned();
    devices.after.side = "virtio".to_owned();
    devices.before.kernel = loads(16_049.0, 60_643.0);
    devices.after.kernel = loads(16_580.0, 63_179.0);
    devices.before.exits = loads(21.0, 64.0);
    devices.after.exits = loads(11.0, 18.0);
    vec![
        devices,
        stage("packages", "packages", true, 24_310.0, 24_301.0),
        configuration,
        flags,
        stage("tailoring", "lsm", false, 12_120.0, 11_600.0),
        stage("tailoring", "dac", false, 12_120.0, 11_200.0),
        stage("tailoring", "checks", false, 12_120.0, 11_650.0),
        stage("tailoring", "vfs", false, 12_120.0, 9_800.0),
        stage("tailoring", "tailoring", true, 12_120.0, 8_900.0),
        stage("tailoring", "everything", true, 24_310.0, 8_900.0),
    ]
}

fn schedulers() -> Vec<Scheduler> {
    let wait = |step: u32, slope: f64| Wait {
        rate: step * 25,
        median: slope * f64::from(step),
        mean: 1.3 * slope * f64::from(step),
        longest: slope * f64::from(step * step * step),
        lost: u64::from(step.saturating_sub(3)) * 11,
        client_limit: 0,
    };
    let scheduler = |(name, slope): (&str, f64)| Scheduler {
        name: name.to_owned(),
        waits: (1..=5).map(|step| wait(step, slope)).collect(),
    };
    [("none", 92.0), ("mq-deadline", 94.0), ("kyber", 93.0), ("bfq", 95.0)].map(scheduler).into()
}
