//! The loads, against a real guest.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::Subject;
use bench::loads::{self, Crawl, Expected, Link, Rates};
use ipnet::{IpNet, Ipv4Net};
use qemu::{
    Accelerator, Disk, DiskFormat, Kernel, LocalPort, Machine, Network, Start, Tap, UserNetwork,
};
use serde_json::Value;

/// A test with an image.
type Test = fn(&Path) -> Result<()>;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("guest::fixed_loads", fixed_loads),
    ("guest::ramp", ramp),
    ("guest::clients_that_share_a_rate_have_addresses", addresses),
    ("guest::ramp_whose_guest_dies", dying_ramp),
    ("guest::ramp_over_the_user_network", user_ramp),
    ("guest::a_guest_that_ends_under_load", dying),
];

const QUICKLY: Crawl = Crawl { walkers: 10, wait: Duration::from_millis(20), limit: 3600 };

/// The subject that an output directory of examples/hello holds.
fn subject(out: &Path) -> Result<Subject> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.join("manifest.json"))?)?;
    let text = |pointer: &str| {
        let value = manifest.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("the manifest has no {pointer}"))
    };
    let guest: Ipv4Net = text("/network/addresses/0")?.parse()?;
    let gateway: std::net::Ipv4Addr = text("/network/gateways/0")?.parse()?;
    let kernel = Kernel {
        image: out.join("vmlinux"),
        initramfs: Some(out.join("initramfs.cpio")),
        command_line: text("/cmdline")?.to_owned(),
    };
    let mut machine = Machine::new(Start::Kernel(kernel), Accelerator::tcg("a test"), 64);
    machine.disk = Some(Disk::new(out.join("disk.raw"), DiskFormat::Raw));
    machine.network = Network::User(UserNetwork {
        guest,
        gateway: Some(gateway),
        guest_port: 80,
        local_port: LocalPort::Free,
    });
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/site");
    let file = |name: &str| (format!("/{name}"), site.join(name));
    Ok(Subject {
        name: "hello".into(),
        title: String::new(),
        kernel: String::new(),
        machine,
        tap: Tap { addresses: vec![IpNet::new(IpAddr::V4(gateway), guest.prefix_len())?] },
        support: Default::default(),
        address: SocketAddr::new(guest.addr().into(), 80),
        symbols: out.join("System.map"),
        disk_uuid: None,
        site: [file("index.html"), file("style.css")].into(),
        sizes: Default::default(),
        figures: Default::default(),
    })
}

fn fixed_loads(image: &Path) -> Result<()> {
    let subject = subject(image)?;
    let link = loads::network_choice();
    let (mut guest, mut target) = loads::boot(&subject, &link)?;
    ensure!(target.page == "/", "the page is {}", target.page);
    loads::in_guest(&mut guest, "hello", |guest| {
        guest.in_its_network(|| {
            let mut none = loads::unwatched;
            let kept = loads::keepalive(&target, 1500, 3, &mut none)?;
            let made = loads::connect(&target, 300, &mut none)?;
            let second = loads::http2(&target, 1100, &mut none)?;
            let crawled = loads::crawl(&target, &QUICKLY, &mut |_, _| {})?;
            for (outcome, requests, connections) in
                [(&kept, 1500, 3), (&made, 300, 300), (&second, 1100, 1), (&crawled, 30, 10)]
            {
                eprintln!("{} {outcome:?}, {:.0}/s", link.name(), outcome.per_second());
                ensure!(outcome.failed() == 0, "some failed: {outcome:?}");
                ensure!(outcome.requests == requests, "too few answers: {outcome:?}");
                ensure!(outcome.connections == connections, "other connections: {outcome:?}");
            }
            target.page = "/none".into();
            target.files.insert(target.page.clone(), Expected::First);
            let missing = loads::http2(&target, 5, &mut none)?;
            ensure!(missing.errors == [("status-404".to_owned(), 5)].into(), "{missing:?}");
            Ok(())
        })?
    })
}

fn ramp(image: &Path) -> Result<()> {
    let link = loads::network_choice();
    if link != Link::Tap {
        eprintln!("no ramp here: {link:?}");
        return Ok(());
    }
    let rates = Rates { first: 50, step: 50, last: 100, ceiling: 100, seconds: 6 };
    let mut seen = Vec::new();
    let ramp = loads::ramp(&subject(image)?, &link, &rates, &mut |done, total| {
        seen.push((done, total));
    })?;
    if let Some(error) = ramp.stopped {
        return Err(error);
    }
    ensure!(seen == [(1, 2), (2, 2)], "the progress is {seen:?}");
    ensure!(ramp.points.len() == 2, "{ramp:?}");
    for point in &ramp.points {
        // A busy host may make the client late, or let it give up.
        let ended = point.replies + point.timeouts + point.errors;
        ensure!(ended >= point.connections && point.replies > 0, "some are lost: {point:?}");
        ensure!(point.connections <= u64::from(point.rate) * 6, "{point:?}");
        ensure!(point.reply_rate.0 <= f64::from(point.rate) * 1.1, "{point:?}");
        ensure!(point.reply_time > 0.0 && point.network > 0.0, "{point:?}");
    }
    Ok(())
}

/// Two processes share 1100 connections a second, and each has an address of its own,
/// as the sockets in the guest's namespace show.
fn addresses(image: &Path) -> Result<()> {
    let link = loads::network_choice();
    if link != Link::Tap {
        eprintln!("no addresses here: {link:?}");
        return Ok(());
    }
    let rates = Rates { first: 1100, step: 100, last: 1100, ceiling: 1100, seconds: 5 };
    let watch = thread::spawn(addresses_under_load);
    let ramp = loads::ramp(&subject(image)?, &link, &rates, &mut |_, _| {})?;
    let seen = watch.join().map_err(|_| anyhow::anyhow!("the watch panicked"))??;
    if let Some(error) = ramp.stopped {
        return Err(error);
    }
    ensure!(seen == 2, "{seen} addresses were seen");
    Ok(())
}

/// How many addresses talk with the guest, once there are two or time is over.
fn addresses_under_load() -> Result<usize> {
    let parent = std::process::id().to_string();
    let start = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2 && start.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(100));
        let found = host::Command::new("pgrep")
            .args(["--parent", &parent, "qemu-system"])
            .outcome()?
            .stdout;
        let Some(guest) = String::from_utf8_lossy(&found).lines().next().map(str::to_owned) else {
            continue;
        };
        let sockets = host::Command::new("nsenter")
            .args(["--target", &guest, "--net", "ss", "-Htan"])
            .outcome()?
            .stdout;
        for line in String::from_utf8_lossy(&sockets).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            // The first address is ours, from which the first answers were asked for.
            if let Some((address, _)) = words.get(3).and_then(|word| word.rsplit_once(':'))
                && address != "10.0.2.2"
            {
                seen.insert(address.to_owned());
            }
        }
    }
    Ok(seen.len())
}

/// QEMU is killed as soon as httperf runs at the second rate.
fn dying_ramp(image: &Path) -> Result<()> {
    let rates = Rates { first: 20, step: 10, last: 60, ceiling: 60, seconds: 5 };
    let ramp = loads::ramp(&subject(image)?, &loads::network_choice(), &rates, &mut |done, _| {
        if done == 1 {
            thread::spawn(kill_under_load);
        }
    })?;
    ensure!(ramp.points.len() == 1, "{ramp:?}");
    let stopped = format!("{:#}", ramp.stopped.context("it was not stopped")?);
    for part in ["measuring 30 connections/s", "has ended: QEMU ended with signal: 9", "serving"] {
        ensure!(stopped.contains(part), "`{part}` is not in\n{stopped}");
    }
    Ok(())
}

fn kill_under_load() -> Result<()> {
    let parent = std::process::id().to_string();
    let start = Instant::now();
    let ours = |program: &str, name: &str| {
        host::Command::new(program).args(["--parent", &parent, name]).outcome()
    };
    while !ours("pgrep", "httperf")?.status.success() {
        ensure!(start.elapsed() < Duration::from_secs(120), "httperf does not run");
    }
    host::Command::new("pkill")
        .args(["--signal", "KILL", "--parent", &parent, "qemu-system"])
        .run()?;
    Ok(())
}

fn user_ramp(image: &Path) -> Result<()> {
    let rates = Rates { first: 100, step: 100, last: 300, ceiling: 300, seconds: 5 };
    let link = Link::User { why: "a test".into() };
    let ramp = loads::ramp(&subject(image)?, &link, &rates, &mut |_, _| {})?;
    ensure!(ramp.points.len() == 1, "{ramp:?}");
    ensure!(ramp.stopped.is_none(), "{ramp:?}");
    let limit = ramp.limit.context("it was not limited")?;
    ensure!(limit.contains("user network"), "{limit}");
    Ok(())
}

fn dying(image: &Path) -> Result<()> {
    let (mut guest, target) = loads::boot(&subject(image)?, &loads::network_choice())?;
    let result = loads::in_guest(&mut guest, "hello", |guest| {
        guest.power_button()?;
        guest.in_its_network(|| loads::connect(&target, 100_000, &mut loads::unwatched))?
    });
    let error = format!("{:#}", result.err().context("the load ended well")?);
    for part in
        ["10 requests in a row failed", "has ended: the guest switched it off", "power button"]
    {
        ensure!(error.contains(part), "`{part}` is not in\n{error}");
    }
    Ok(())
}
