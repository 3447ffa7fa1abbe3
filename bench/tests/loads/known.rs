//! The loads, against answers that are known.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use bench::loads::{
    Crawl, Expected, Outcome, Rates, Step, Target, Watch, connect, crawl, http2, in_turn,
    keepalive, ramp_at, unwatched, write_site,
};

use crate::server::{Server, ok};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("connections_are_kept", connections_are_kept),
    ("connections_are_made_anew", connections_are_made_anew),
    ("pages_are_asked_for_in_turn", pages_in_turn),
    ("a_connection_that_the_server_ends_is_replaced", ended_connections),
    ("a_wrong_byte_ends_a_load", a_wrong_byte),
    ("a_wrong_length_ends_a_load", a_wrong_length),
    ("an_answer_that_changes_ends_a_load", a_changed_answer),
    ("a_byte_that_is_wrong_under_load_ends_a_ramp", a_wrong_byte_under_load),
    ("failures_are_counted_by_kind", failures),
    ("a_server_that_is_gone_ends_a_load", a_gone_server),
    ("a_crawl_asks_for_everything_in_the_same_order", a_whole_crawl),
    ("a_crawl_finds_a_wrong_byte", a_wrong_crawl),
    ("a_crawl_follows_links_of_an_unknown_site", an_unknown_site),
];

const PAGE: &[u8] = b"<p>a page";

fn page() -> (tempfile::TempDir, Expected) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("page"), PAGE).unwrap();
    let expected = Expected::File(dir.path().join("page"));
    (dir, expected)
}

/// A load, which tells every request that is over.
fn run(load: impl FnOnce(Watch) -> anyhow::Result<Outcome>) -> Outcome {
    let mut last = 0;
    let outcome = load(&mut |step| {
        if let Step::Done(done) = step {
            assert!(done > last);
            last = done;
        }
        Ok(())
    });
    let outcome = outcome.unwrap();
    assert_eq!(last, outcome.requests + outcome.failed());
    outcome
}

fn refused(load: impl FnOnce(Watch) -> anyhow::Result<Outcome>) -> String {
    format!("{:#}", load(&mut unwatched).unwrap_err())
}

fn connections_are_kept() {
    let (_dir, expected) = page();
    let target = Server::start(|_, _| ok("text/html", PAGE)).target("/", expected);
    let outcome = run(|watch| keepalive(&target, 100, 3, watch));
    assert_eq!((outcome.requests, outcome.connections, outcome.failed()), (100, 3, 0));
    assert_eq!(outcome.bytes, 100 * PAGE.len() as u64);
    assert!(outcome.per_second() > 0.0);
}

fn connections_are_made_anew() {
    let (_dir, expected) = page();
    let target = Server::start(|_, _| ok("text/html", PAGE)).target("/", expected);
    let outcome = run(|watch| connect(&target, 50, watch));
    assert_eq!((outcome.requests, outcome.connections, outcome.failed()), (50, 50, 0));
}

fn pages_in_turn() {
    let (_dir, expected) = page();
    let server = Server::start(|_, _| ok("text/html", PAGE));
    let mut target = server.target("/", expected.clone());
    target.files.insert("/b".to_owned(), expected);
    let pages = ["/", "/b", "/b"].map(str::to_owned);
    let outcome = run(|watch| in_turn(&target, &pages, 4, 1, watch));
    assert_eq!((outcome.requests, outcome.connections, outcome.failed()), (4, 1, 0));
    assert_eq!(*server.asked.lock().unwrap(), ["/", "/b", "/b", "/"]);
    for unknown in [&[][..], &["/c".to_owned()]] {
        assert!(in_turn(&target, unknown, 1, 1, &mut unwatched).is_err());
    }
}

fn ended_connections() {
    let (_dir, expected) = page();
    let closing = |_: &str, number: usize| {
        let kind = if number % 10 == 9 { "a/b\r\nConnection: close" } else { "a/b" };
        ok(kind, PAGE)
    };
    let target = Server::start(closing).target("/", expected);
    let outcome = run(|watch| keepalive(&target, 100, 1, watch));
    assert_eq!((outcome.requests, outcome.connections, outcome.failed()), (100, 10, 0));
}

fn a_wrong_byte() {
    let (_dir, expected) = page();
    let wrong = |_: &str, number: usize| ok("a/b", if number == 60 { b"<p>A page" } else { PAGE });
    let target = Server::start(wrong).target("/", expected);
    let error = refused(|watch| keepalive(&target, 100, 2, watch));
    assert_eq!(error, "the server answers with wrong bytes for /, from byte 3 on");
}

fn a_wrong_length() {
    for (body, at) in [(&PAGE[..5], 5), (b"<p>a page!".as_slice(), 9), (b"", 0)] {
        let (_dir, expected) = page();
        let target = Server::start(move |_, _| ok("a/b", body)).target("/", expected);
        let error = refused(|watch| connect(&target, 1, watch));
        assert!(error.ends_with(&format!("from byte {at} on")), "{error}");
    }
}

fn a_changed_answer() {
    let server = Server::start(|_, number| ok("a/b", format!("{}", number / 5).as_bytes()));
    let target = Target::at(&format!("http://{}/x", server.address)).unwrap();
    assert_eq!(target.page, "/x");
    let error = refused(|watch| connect(&target, 100, watch));
    assert!(error.ends_with("wrong bytes for /x, from byte 0 on"), "{error}");
    assert_eq!(server.asked.lock().unwrap().len(), 6);
}

/// The first answers are right, and httperf sees no difference in the others.
fn a_wrong_byte_under_load() {
    let (_dir, expected) = page();
    let mut wrong = PAGE.to_vec();
    wrong[3] ^= 1;
    let answer = move |_: &str, number| ok("a/b", if number < 3 { PAGE } else { &wrong });
    let target = Server::start(answer).target("/", expected);
    let rates = Rates { first: 20, step: 20, last: 40, ceiling: 40, seconds: 1 };
    let ramp = ramp_at(&target, &rates, &mut |_, _| {}).unwrap();
    assert!(ramp.points.is_empty(), "{ramp:?}");
    let error = format!("{:#}", ramp.stopped.unwrap());
    assert!(error.contains("measuring 20 connections/s: the server answers with wrong"), "{error}");
}

fn failures() {
    let (_dir, expected) = page();
    let failing = |_: &str, number: usize| match number % 8 {
        1 => b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone".to_vec(),
        3 => Vec::new(),
        5 => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<p>a".to_vec(),
        7 => b"220 mail.example.org ESMTP\r\n\r\n".to_vec(),
        _ => ok("a/b", PAGE),
    };
    let target = Server::start(failing).target("/", expected);
    let outcome = run(|watch| connect(&target, 80, watch));
    assert_eq!((outcome.requests, outcome.failed()), (40, 40));
    let expected = [("closed", 20), ("malformed", 10), ("status-404", 10)];
    assert_eq!(outcome.errors, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

fn a_gone_server() {
    let (_dir, expected) = page();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut target = Server::start(|_, _| Vec::new()).target("/", expected);
    let error = refused(|watch| keepalive(&target, 1000, 4, watch));
    assert!(error.starts_with("10 requests in a row failed after 0 answers: the conn"), "{error}");
    target.address = unused;
    let error = refused(|watch| connect(&target, 1000, watch));
    assert!(error.contains("Connection refused"), "{error}");
    target.address = Server::start(|_, _| ok("a/b", PAGE)).address;
    let error = refused(|watch| http2(&target, 1000, watch));
    assert!(error.contains("speaks no HTTP/2"), "{error}");
}

/// The files below a directory, by their paths in a request.
fn site(dir: &Path) -> BTreeMap<String, Expected> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap();
            files.insert(format!("/{name}"), Expected::File(path.clone()));
        }
    }
    files
}

fn serve(dir: &Path) -> Server {
    let dir = dir.to_owned();
    Server::start(move |path, _| {
        let kind = if path.ends_with(".html") { "text/html" } else { "a/b" };
        ok(kind, &fs::read(dir.join(&path[1..])).unwrap())
    })
}

const QUICKLY: Crawl = Crawl { walkers: 1, wait: Duration::ZERO, limit: 3600 };

fn a_whole_crawl() {
    let dir = tempfile::tempdir().unwrap();
    write_site(dir.path(), 6_000_000).unwrap();
    fs::write(dir.path().join("a file without link"), "x").unwrap();
    let mut orders = Vec::new();
    for walkers in [1, 1, 10] {
        let server = serve(dir.path());
        let mut files = site(dir.path());
        let unlinked = files.remove("/a file without link").unwrap();
        files.insert("/zz".to_owned(), unlinked);
        fs::copy(dir.path().join("a file without link"), dir.path().join("zz")).unwrap();
        let count = files.len() as u64;
        let target = Target { files, ..server.target("/index.html", Expected::First) };
        let how = Crawl { walkers, ..QUICKLY };
        let mut last = (0, 0);
        let outcome = crawl(&target, &how, &mut |done, total| last = (done, total)).unwrap();
        assert_eq!(last.0, last.1);
        assert_eq!((outcome.requests, outcome.failed()), (count * u64::from(walkers), 0));
        assert_eq!(outcome.connections, u64::from(walkers));
        orders.push(server.asked.lock().unwrap().clone());
    }
    assert_eq!(orders[0], orders[1]);
    assert_eq!(orders[0][..3], ["/index.html", "/part-000/index.html", "/part-001/index.html"]);
    assert_eq!(orders[0].last().unwrap(), "/zz");
    let mut of_ten = vec![orders[0].clone(); 10].concat();
    of_ten.sort();
    orders[2].sort();
    assert_eq!(of_ten, orders[2]);
}

fn a_wrong_crawl() {
    let dir = tempfile::tempdir().unwrap();
    write_site(dir.path(), 1).unwrap();
    let server = serve(dir.path());
    let copy = tempfile::tempdir().unwrap();
    write_site(copy.path(), 1).unwrap();
    let file = copy.path().join("part-000/3000000.bin");
    let mut bytes = fs::read(&file).unwrap();
    bytes[2_999_999] ^= 1;
    fs::write(file, bytes).unwrap();
    let target =
        Target { files: site(copy.path()), ..server.target("/index.html", Expected::First) };
    let how = Crawl { walkers: 3, ..QUICKLY };
    let error = format!("{:#}", crawl(&target, &how, &mut |_, _| {}).unwrap_err());
    assert!(error.ends_with("for /part-000/3000000.bin, from byte 2999999 on"), "{error}");
}

fn an_unknown_site() {
    let dir = tempfile::tempdir().unwrap();
    write_site(dir.path(), 1).unwrap();
    let server = serve(dir.path());
    let target = Target::at(&format!("http://{}/index.html", server.address)).unwrap();
    let outcome = crawl(&target, &QUICKLY, &mut |_, _| {}).unwrap();
    assert_eq!((outcome.requests, outcome.failed()), (14, 0));
    let outcome = crawl(&target, &Crawl { limit: 5, ..QUICKLY }, &mut |_, _| {}).unwrap();
    assert_eq!(outcome.requests, 5);
}
