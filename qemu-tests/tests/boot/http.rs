//! What the server answers; one guest for all of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use appliance::run::Firmware;
use libtest_mimic::Trial;
use qemu::Guest;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::image::{BOOT, Image, forwarded};
use crate::project::{BIG_NAME, Project, asked};
use crate::trial::{explain, trial};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How many clients come at once.
const CLIENTS: usize = 100;

/// Something that is asked of the server at an address.
pub(crate) type Check = fn(&Image, SocketAddr) -> Result<()>;

/// Everything that is asked.
pub(crate) const CHECKS: [(&str, Check); 8] = [
    ("get", get),
    ("head", head),
    ("missing", missing),
    ("other_methods", other_methods),
    ("ranges", ranges),
    ("keeps_a_connection", keeps_a_connection),
    ("concurrent_clients", concurrent_clients),
    ("http2", http2),
];

pub(crate) fn trials() -> Vec<Trial> {
    asked().into_iter().flat_map(of).collect()
}

fn of(project: &'static Project) -> impl Iterator<Item = Trial> {
    // The guest that serves all the checks; it ends with the process.
    let served: &'static Served = Box::leak(Box::default());
    CHECKS.into_iter().map(move |(name, check)| {
        trial(format!("http::{name}::{}", project.name), project, move |image| {
            let (address, guest) = serve(image, served)?;
            check(image, address).map_err(|error| {
                explain(&error, &guest.lock().unwrap_or_else(PoisonError::into_inner))
            })
        })
    })
}

/// A guest that serves, or why it does not.
type Served = OnceLock<Result<(SocketAddr, Mutex<Guest>), String>>;

fn serve<'a>(image: &Image, served: &'a Served) -> Result<(SocketAddr, &'a Mutex<Guest>)> {
    let start = || -> Result<(SocketAddr, Mutex<Guest>)> {
        let mut guest = image.machine(Firmware::Direct)?.boot()?;
        guest.wait_serving(BOOT).map_err(|error| explain(&error, &guest))?;
        Ok((forwarded(&guest)?, Mutex::new(guest)))
    };
    match served.get_or_init(|| start().map_err(|error| format!("{error:#}"))) {
        Ok((address, guest)) => Ok((*address, guest)),
        Err(error) => Err(anyhow!("{error}")),
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None);
    config.timeout_global(Some(ANSWER)).build().new_agent()
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn read(answer: &mut Response<Body>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    answer.body_mut().as_reader().read_to_end(&mut bytes).context("reading the answer")?;
    Ok(bytes)
}

fn file(image: &Image, name: &str) -> Result<Vec<u8>> {
    let path = image.site.join(name);
    fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

fn get(image: &Image, address: SocketAddr) -> Result<()> {
    let mut answer = agent().get(format!("http://{address}/")).call()?;
    ensure!(answer.status() == 200, "the answer is {}", answer.status());
    let kind = header(&answer, "content-type");
    ensure!(kind.starts_with("text/html"), "the type of index.html is `{kind}`");
    ensure!(read(&mut answer)? == file(image, "index.html")?, "/ is not index.html");
    Ok(())
}

fn head(image: &Image, address: SocketAddr) -> Result<()> {
    let expected = file(image, BIG_NAME)?.len().to_string();
    let mut answer = agent().head(format!("http://{address}/{BIG_NAME}")).call()?;
    ensure!(answer.status() == 200, "the answer is {}", answer.status());
    let length = header(&answer, "content-length");
    ensure!(length == expected, "the length is `{length}`");
    ensure!(read(&mut answer)?.is_empty(), "an answer to HEAD has a body");
    Ok(())
}

fn missing(_: &Image, address: SocketAddr) -> Result<()> {
    for path in ["none.html", "many/none/", "../appliance.toml", "%2e%2e/etc/appliance.conf"] {
        let answer = agent().get(format!("http://{address}/{path}")).call()?;
        ensure!(answer.status() == 404, "the answer for /{path} is {}", answer.status());
    }
    Ok(())
}

/// A site is read-only, whatever the method.
fn other_methods(image: &Image, address: SocketAddr) -> Result<()> {
    for method in ["PUT", "DELETE", "NONSENSE"] {
        let mut stream = connect(address)?;
        let head = "Host: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("{method} /index.html HTTP/1.1\r\n{head}x").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with(['4', '5']), "the answer to {method} is\n{answer}");
    }
    get(image, address)
}

fn ranges(image: &Image, address: SocketAddr) -> Result<()> {
    let whole = file(image, BIG_NAME)?;
    let end = whole.len();
    let url = format!("http://{address}/{BIG_NAME}");
    for (range, expected) in [
        ("0-0".to_owned(), 0..1),
        ("4095-8192".to_owned(), 4095..8193),
        (format!("{}-", end - 10), end - 10..end),
        ("-100".to_owned(), end - 100..end),
    ] {
        let mut answer = agent().get(&url).header("range", format!("bytes={range}")).call()?;
        ensure!(answer.status() == 206, "the answer to {range} is {}", answer.status());
        let content = format!("bytes {}-{}/{end}", expected.start, expected.end - 1);
        let found = header(&answer, "content-range");
        ensure!(found == content, "the answer to {range} is `{found}`, not `{content}`");
        ensure!(read(&mut answer)? == whole[expected], "other bytes came for {range}");
    }
    let answer = agent().get(&url).header("range", format!("bytes={end}-")).call()?;
    ensure!(answer.status() == 416, "the answer behind the end is {}", answer.status());
    Ok(())
}

/// Two requests at once on one connection: their answers come in order.
fn keeps_a_connection(image: &Image, address: SocketAddr) -> Result<()> {
    let mut stream = connect(address)?;
    let first = "GET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /index.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{first}{last}").as_bytes())?;
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers)?;
    let text = String::from_utf8_lossy(&answers);
    ensure!(text.matches("HTTP/1.1 200 OK").count() == 2, "the answers are\n{text}");
    ensure!(answers.ends_with(&file(image, "index.html")?), "the answers are\n{text}");
    Ok(())
}

/// Clients that are all connected when all of them ask at once. They connect one
/// after the other, each with an answer: QEMU's user network holds but one that
/// it has not taken yet (slirp, `tcp_listen`).
fn concurrent_clients(image: &Image, address: SocketAddr) -> Result<()> {
    let expected = file(image, "of 4096 bytes.txt")?;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = connect(address)?;
        client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).with_context(|| format!("client {number}"))?;
            answer.push(byte[0]);
        }
        clients.push(client);
    }
    ask_all(clients, &expected)
}

/// Clients that connect at once, as no user network can take them.
pub(crate) fn burst(image: &Image, address: SocketAddr) -> Result<()> {
    let clients = (0..CLIENTS).map(|_| connect(address)).collect::<Result<_>>()?;
    ask_all(clients, &file(image, "of 4096 bytes.txt")?)
}

fn ask_all(mut clients: Vec<TcpStream>, expected: &[u8]) -> Result<()> {
    let request = "GET /of%204096%20bytes.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for client in &mut clients {
        client.write_all(request.as_bytes())?;
    }
    for (number, mut client) in clients.into_iter().enumerate() {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).with_context(|| format!("client {number}"))?;
        ensure!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "client {number} got no 200");
        ensure!(answer.ends_with(expected), "client {number} got other bytes");
    }
    Ok(())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ANSWER).context("connecting")?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// HTTP/2 in clear, by prior knowledge and by upgrade, as curl speaks it.
pub(crate) fn http2(image: &Image, address: SocketAddr) -> Result<()> {
    let expected = file(image, "of 4096 bytes.txt")?;
    for option in ["--http2-prior-knowledge", "--http2"] {
        let mut output = host::Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", option])
            .args(["--write-out", "%{http_version} %{response_code}"])
            .arg(format!("http://{address}/of%204096%20bytes.txt"))
            .deadline(ANSWER)
            .output()?;
        let said = output.split_off(expected.len().min(output.len()));
        let said = String::from_utf8_lossy(&said);
        ensure!(said == "2 200", "with {option} curl says `{said}`");
        ensure!(output == expected, "with {option} other bytes came");
    }
    Ok(())
}
