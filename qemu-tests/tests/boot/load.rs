//! An hour of load on the server in ring 0: mixed requests without a pause, while the
//! server is killed and told to begin anew, and a client that asks all the same. Every
//! byte is compared.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use libtest_mimic::Trial;
use qemu::Guest;

use crate::image::{BOOT, Image, forwarded};
use crate::kml::IN_RING_0;
use crate::project::{KML, is_full};
use crate::trial::{trial_within, with_guest};
use crate::{http, life};

/// How long the load lasts, in seconds, if it is not an hour.
const SECONDS: &str = "APPLIANCE_LOAD_SECONDS";
/// How much longer the trial may take: the last round, and a busy host.
const GRACE: Duration = Duration::from_secs(600);
/// How long a single answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// What the server says when it begins anew; that it has, it does not say.
const BEGINS: &str = "server stopped by";
/// What the client asks for, with its name in a request.
const FILE: (&str, &str) = ("of 4096 bytes.txt", "of%204096%20bytes.txt");

pub(crate) fn trials() -> Vec<Trial> {
    if !is_full() {
        return Vec::new();
    }
    let given = env::var(SECONDS).ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(given.unwrap_or(3600));
    vec![trial_within(time + GRACE, "load::kml", &KML, move |image| load(image, time))]
}

fn load(image: &Image, time: Duration) -> Result<()> {
    let room = tempfile::tempdir().context("making a directory")?;
    let machine = life::doomed_machine(image, room.path())?;
    with_guest(&machine, |guest| {
        guest.wait_for(IN_RING_0, BOOT, |line| line.contains(IN_RING_0).then_some(()))?;
        guest.wait_serving(BOOT)?;
        let (address, begin) = (forwarded(guest)?, Instant::now());
        let file = image.site.join(FILE.0);
        let expected =
            std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let is_over = AtomicBool::new(false);
        let (rounds, client) = thread::scope(|scope| {
            let client = scope.spawn(|| keep_asking(address, &expected, &is_over));
            let rounds = rounds(image, guest, address, begin + time);
            is_over.store(true, Ordering::Relaxed);
            (rounds, client.join())
        });
        let (rounds, client) = (rounds?, client.map_err(|_| anyhow!("the client panicked"))??);
        let seconds = begin.elapsed().as_secs();
        let Answers { whole, broken } = client;
        eprintln!(
            "load::kml: {rounds} rounds in {seconds} s, and {whole} answers, {broken} broken"
        );
        // Only a server that was just killed or begins anew breaks an answer.
        ensure!(whole > broken, "of the client's answers {whole} were whole, {broken} broken");
        Ok(())
    })
}

/// Rounds of everything that is asked of a server; a new one after every tenth, which
/// begins anew in the middle.
fn rounds(image: &Image, guest: &mut Guest, address: SocketAddr, end: Instant) -> Result<u32> {
    let mut round = 0_u32;
    while Instant::now() < end {
        round += 1;
        image.compare(guest, address).with_context(|| format!("round {round}"))?;
        for (name, check) in http::CHECKS {
            check(image, address).with_context(|| format!("{name} in round {round}"))?;
        }
        match round % 10 {
            0 => {
                guest.type_in("die\n")?;
                guest.wait_serving(BOOT)?;
            }
            5 => {
                guest.type_in("reload\n")?;
                guest.wait_for(BEGINS, BOOT, |line| line.contains(BEGINS).then_some(()))?;
            }
            _ => {}
        }
    }
    Ok(round)
}

/// What a client got.
#[derive(Default)]
struct Answers {
    whole: u64,
    /// The connection ended before.
    broken: u64,
}

fn keep_asking(address: SocketAddr, expected: &[u8], is_over: &AtomicBool) -> Result<Answers> {
    let mut answers = Answers::default();
    while !is_over.load(Ordering::Relaxed) {
        if ask(address, expected)? {
            answers.whole += 1;
        } else {
            answers.broken += 1;
        }
    }
    Ok(answers)
}

/// Whether an answer came whole. What came of it has to be right.
fn ask(address: SocketAddr, expected: &[u8]) -> Result<bool> {
    let mut answer = Vec::new();
    let head = format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", FILE.1);
    let received = TcpStream::connect_timeout(&address, ANSWER).and_then(|mut stream| {
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(head.as_bytes())?;
        stream.read_to_end(&mut answer)
    });
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let (head, body) = answer.split_at(end + 4);
    ensure!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(head));
    if !expected.starts_with(body) {
        bail!("other bytes came: {} of {}", body.len(), expected.len());
    }
    Ok(received.is_ok() && body.len() == expected.len())
}
