//! HTTP/2 in clear, by prior knowledge.
//!
//! Our own client, for want of another that gives back every byte: `h2load` counts
//! answers and throws them away, `curl` 7.88.1 of Debian 12 cannot use such a
//! connection twice, and the crate `h2` would bring an asynchronous runtime for one
//! load. One request is under way at a time.

use std::io;
use std::time::Instant;

use anyhow::{Context, Result};
use host::check_interrupt;

use super::client::Failure;
use super::reference::Reference;
use super::{Outcome, Step, Target, Watch};
use connection::Connection;

mod connection;

/// Asks for the target's page by HTTP/2, one request after the other on one
/// connection; if the server ends that, on a new one.
///
/// # Errors
/// When an answer has wrong bytes, when ten requests in a row fail, as they do if
/// the server speaks no HTTP/2, or the user interrupts.
pub fn http2(target: &Target, requests: u64, watch: Watch) -> Result<Outcome> {
    let expected = target.files.get(&target.page).context("a page that is no file")?;
    let reference = Reference::new(expected)?;
    let mut outcome = Outcome::default();
    let mut kept = None;
    let start = Instant::now();
    for done in 1..=requests {
        check_interrupt()?;
        let mut comparison = reference.compare()?;
        match ask(target, &mut kept, &mut outcome.connections, |piece| comparison.piece(piece)) {
            Ok(()) => outcome.answered(comparison.finish(&target.page)?),
            Err(failure) => {
                kept = None;
                outcome.missed(&failure)?;
            }
        }
        watch(Step::Done(done))?;
    }
    outcome.time = start.elapsed();
    Ok(outcome)
}

fn ask(
    target: &Target,
    kept: &mut Option<Connection>,
    connections: &mut u64,
    body: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failure> {
    let connection = match kept {
        Some(connection) if connection.is_open() => connection,
        _ => {
            let connection = Connection::open(target)?;
            *connections += 1;
            kept.insert(connection)
        }
    };
    connection.ask(body)
}
