//! One process of `httperf` and what it says (Debian's 0.9.0; David Mosberger and
//! Tai Jin: httperf, a tool for measuring web server performance, 1998).

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use host::{Command, failed, find_program};

use super::Target;
use crate::measure::quantity;

const HTTPERF: &str = "httperf";
/// After how long a client gives up, in seconds: the thesis's.
pub(super) const TIMEOUT: u32 = 4;
/// What a process gets beyond the time that its connections take.
const SLACK: Duration = Duration::from_secs(60);

/// Whose ports the connections take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// Those of a namespace of our own, whose system chooses among all of them.
    Own,
    /// Those of everybody: httperf tries one after the other, as the system would
    /// only give the ephemeral ones.
    Shared,
}

/// What one process does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client<'a> {
    /// Connections per second.
    pub(super) rate: f64,
    /// How many in all.
    pub(super) connections: u64,
    pub(super) ports: Ports,
    /// As whom it runs, if not as we do.
    pub(super) user: Option<u32>,
    /// A file of the paths that it asks for, one after the other, each with a zero byte
    /// behind it; else it asks for the target's page.
    pub(super) paths: Option<&'a Path>,
}

/// What one process found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) connections: u64,
    pub(super) replies: u64,
    /// Seconds from the first connection to the end of the last.
    pub(super) duration: f64,
    /// Of the connections that ended well, in milliseconds: mean, longest, median.
    pub(super) mean: f64,
    pub(super) longest: f64,
    pub(super) median: f64,
    /// Replies per second: smallest, mean, largest of samples of five seconds.
    pub(super) reply_rate: [f64; 3],
    pub(super) samples: u64,
    /// Mean milliseconds to the first byte of a reply.
    pub(super) reply_time: f64,
    /// Mean bytes of a reply's body.
    pub(super) content: f64,
    /// Replies with a status of 200 to 299.
    pub(super) good: u64,
    /// KB per second, which httperf counts as 1024 bytes.
    pub(super) network: f64,
    pub(super) client_timeouts: u64,
    pub(super) socket_timeouts: u64,
    pub(super) refused: u64,
    pub(super) reset: u64,
    pub(super) no_descriptor: u64,
    pub(super) no_address: u64,
    pub(super) table_full: u64,
    pub(super) other: u64,
}

/// Sees whether there is a httperf, before anything is done that takes long.
///
/// # Errors
/// When there is none.
pub fn check() -> Result<()> {
    if find_program(HTTPERF).is_none() {
        return Err(failed("the program `httperf` is not installed")
            .hint("install the Debian package httperf: it is the client of the ramp")
            .into());
    }
    Ok(())
}

/// Opens connections at a rate, asks for one page on each, and ends it, as autobench
/// calls httperf.
pub(super) fn run(target: &Target, client: &Client) -> Result<Said> {
    let Client { rate, connections, ports, user, paths } = *client;
    let time = Duration::from_secs_f64(quantity(connections) / rate);
    // A busy loop that must not take the processor from the guest: it gets what the
    // guest leaves, and says so in the result when that is not enough.
    let mut command = Command::new("nice").arg("--adjustment=15");
    if let Some(user) = user {
        command = command.args(["setpriv", &format!("--reuid={user}"), "--clear-groups"]);
    }
    command = command.args([HTTPERF, "--num-calls=1"]);
    command = match paths {
        Some(paths) => {
            let mut list = OsString::from("--wlog=y,");
            list.push(paths);
            command.arg(list)
        }
        None => command.arg(format!("--uri={}", target.page)),
    };
    let said = command
        .args((ports == Ports::Shared).then_some("--hog"))
        .arg(format!("--timeout={TIMEOUT}"))
        .arg(format!("--server={}", target.address.ip()))
        .arg(format!("--port={}", target.address.port()))
        .arg(format!("--server-name={}", target.host))
        .arg(format!("--rate={rate}"))
        .arg(format!("--num-conns={connections}"))
        .deadline(time * 2 + SLACK)
        .output()?;
    let said = String::from_utf8_lossy(&said);
    parse(&said)
}

/// Reads the text, every line of which has to be there.
pub(super) fn parse(text: &str) -> Result<Said> {
    let mut said = Said::default();
    let t = Text(text);
    [said.connections, said.replies] = counts(t.numbers("Total:", ["connections", "replies"])?);
    [said.duration] = t.numbers("Total:", ["test-duration"])?;
    let kinds = ["avg", "max", "median"];
    [said.mean, said.longest, said.median] = t.numbers("Connection time [ms]: min", kinds)?;
    said.reply_rate = t.numbers("Reply rate [replies/s]:", ["min", "avg", "max"])?;
    [said.samples] = counts(t.numbers("Reply rate [replies/s]:", ["("])?);
    [said.reply_time] = t.numbers("Reply time [ms]:", ["response"])?;
    [said.content] = t.numbers("Reply size [B]:", ["content"])?;
    [said.good] = counts(t.numbers("Reply status:", ["2xx="])?);
    [said.network] = t.numbers("Net I/O:", [""])?;
    let kinds = ["client-timo", "socket-timo", "connrefused", "connreset"];
    let failed = counts(t.numbers("Errors: total", kinds)?);
    [said.client_timeouts, said.socket_timeouts, said.refused, said.reset] = failed;
    let kinds = ["fd-unavail", "addrunavail", "ftab-full", "other"];
    let failed = counts(t.numbers("Errors: fd-unavail", kinds)?);
    [said.no_descriptor, said.no_address, said.table_full, said.other] = failed;
    ensure!(said.connections > 0, "httperf made no connection; it says\n{text}");
    Ok(said)
}

struct Text<'a>(&'a str);

impl Text<'_> {
    /// The numbers behind these words of the line that begins so.
    fn numbers<const N: usize>(&self, line: &str, words: [&str; N]) -> Result<[f64; N]> {
        let Some(found) = self.0.lines().find(|found| found.starts_with(line)) else {
            bail!("httperf does not say `{line}`; it says\n{}", self.0);
        };
        let mut numbers = [0.0; N];
        for (number, word) in numbers.iter_mut().zip(words) {
            let mut parts = found.split_once(':').map_or("", |(_, rest)| rest).split(' ');
            let value = match word {
                "" => parts.find(|part| !part.is_empty()),
                _ if word.ends_with(['=', '(']) => parts.find_map(|part| part.strip_prefix(word)),
                _ => {
                    parts.find(|part| *part == word);
                    parts.next()
                }
            };
            match value.and_then(|value| value.parse().ok()) {
                Some(value) => *number = value,
                None => {
                    bail!("httperf gives no number for `{word}` in `{found}`; it says\n{}", self.0)
                }
            }
        }
        Ok(numbers)
    }
}

/// Numbers that httperf prints without a point.
fn counts<const N: usize>(numbers: [f64; N]) -> [u64; N] {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "httperf prints them as unsigned integers of 32 bits"
    )]
    numbers.map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
httperf --hog --timeout=4 --client=0/1 --server=127.0.0.1 --port=8099 --uri=/ --rate=50
Maximum connect burst length: 1

Total: connections 300 requests 299 replies 298 test-duration 5.990 s

Connection rate: 50.1 conn/s (20.0 ms/conn, <=3 concurrent connections)
Connection time [ms]: min 0.6 avg 7.7 max 44.7 median 7.5 stddev 6.3
Connection time [ms]: connect 0.0
Connection length [replies/conn]: 1.000

Request rate: 50.1 req/s (20.0 ms/req)
Request size [B]: 62.0

Reply rate [replies/s]: min 49.0 avg 50.0 max 51.0 stddev 0.0 (2 samples)
Reply time [ms]: response 7.6 transfer 0.1
Reply size [B]: header 184.0 content 3.0 footer 0.0 (total 187.0)
Reply status: 1xx=0 2xx=297 3xx=0 4xx=1 5xx=0

CPU time [s]: user 0.63 system 2.95 (user 10.6% system 49.2% total 59.8%)
Net I/O: 12.2 KB/s (0.1*10^6 bps)

Errors: total 36 client-timo 1 socket-timo 2 connrefused 3 connreset 4
Errors: fd-unavail 5 addrunavail 6 ftab-full 7 other 8
";

    #[test]
    fn the_text_is_read() {
        let expected = Said {
            connections: 300,
            replies: 298,
            duration: 5.99,
            mean: 7.7,
            longest: 44.7,
            median: 7.5,
            reply_rate: [49.0, 50.0, 51.0],
            samples: 2,
            reply_time: 7.6,
            content: 3.0,
            good: 297,
            network: 12.2,
            client_timeouts: 1,
            socket_timeouts: 2,
            refused: 3,
            reset: 4,
            no_descriptor: 5,
            no_address: 6,
            table_full: 7,
            other: 8,
        };
        assert_eq!(parse(TEXT).unwrap(), expected);
    }

    #[test]
    fn a_line_or_a_number_that_is_missing_is_an_error() {
        let lines: Vec<&str> = TEXT.lines().collect();
        let needed = [3, 6, 13, 14, 15, 16, 19, 21, 22];
        for number in 0..lines.len() {
            let mut fewer = lines.clone();
            let line = fewer.remove(number);
            assert_eq!(parse(&fewer.join("\n")).is_err(), needed.contains(&number), "{line}");
        }
        let error = parse(&TEXT.replace("connreset 4", "connreset")).unwrap_err().to_string();
        assert!(error.contains("no number for `connreset`"), "{error}");
        assert!(error.contains("Maximum connect burst"), "{error}");
    }
}
