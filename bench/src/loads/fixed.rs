//! A fixed number of requests for one page.

use std::time::Instant;

use anyhow::{Context, Result};
use host::check_interrupt;

use super::client::{Connection, Failure};
use super::reference::Reference;
use super::{Outcome, Step, Target, Watch};

/// Asks for the target's page over connections that are kept: one request on each,
/// then the answers of all, and again. A connection that the server ends (lighttpd
/// does after 1000 requests) is made anew.
///
/// # Errors
/// When an answer has wrong bytes, when ten requests in a row fail, or the user
/// interrupts.
pub fn keepalive(
    target: &Target,
    requests: u64,
    connections: u64,
    watch: Watch,
) -> Result<Outcome> {
    let mut load = Load::new(target)?;
    let mut kept: Vec<Option<Connection>> = (0..connections.max(1)).map(|_| None).collect();
    let start = Instant::now();
    let mut asked = 0;
    while asked < requests {
        check_interrupt()?;
        let mut open = Vec::new();
        for place in &mut kept {
            if asked == requests {
                break;
            }
            asked += 1;
            match load.send(place.take(), watch)? {
                Ok(connection) => open.push((place, connection)),
                Err(failure) => load.outcome.missed(&failure)?,
            }
        }
        for (place, connection) in open {
            *place = load.receive(connection)?;
        }
        watch(Step::Done(asked))?;
    }
    load.outcome.time = start.elapsed();
    Ok(load.outcome)
}

/// Asks for the target's page over a new connection each time, which the client
/// ends after the answer, as httperf does.
///
/// # Errors
/// As [`keepalive`].
pub fn connect(target: &Target, requests: u64, watch: Watch) -> Result<Outcome> {
    let mut load = Load::new(target)?;
    let start = Instant::now();
    for done in 1..=requests {
        check_interrupt()?;
        match load.send(None, watch)? {
            Ok(connection) => {
                let connection = load.receive(connection)?;
                watch(Step::Answered)?;
                drop(connection);
            }
            Err(failure) => load.outcome.missed(&failure)?,
        }
        watch(Step::Done(done))?;
    }
    load.outcome.time = start.elapsed();
    Ok(load.outcome)
}

struct Load<'a> {
    target: &'a Target,
    request: Vec<u8>,
    reference: Reference,
    outcome: Outcome,
}

impl<'a> Load<'a> {
    fn new(target: &'a Target) -> Result<Self> {
        let expected = target.files.get(&target.page).context("a page that is no file")?;
        Ok(Self {
            target,
            request: target.request(&target.page),
            reference: Reference::new(expected)?,
            outcome: Outcome::default(),
        })
    }

    fn send(
        &mut self,
        kept: Option<Connection>,
        watch: Watch,
    ) -> Result<Result<Connection, Failure>> {
        let mut connection = match kept {
            Some(connection) => connection,
            None => match Connection::open(self.target.address) {
                Ok(connection) => {
                    self.outcome.connections += 1;
                    watch(Step::Connected)?;
                    connection
                }
                Err(failure) => return Ok(Err(failure)),
            },
        };
        Ok(connection.send(&self.request).map(|()| connection))
    }

    /// Takes the answer, and gives the connection back if it can be used again.
    fn receive(&mut self, mut connection: Connection) -> Result<Option<Connection>> {
        let mut comparison = self.reference.compare()?;
        match connection.receive(|_, piece| comparison.piece(piece)) {
            Ok(head) => {
                self.outcome.answered(comparison.finish(&self.target.page)?);
                Ok((!head.closes).then_some(connection))
            }
            Err(failure) => {
                self.outcome.missed(&failure)?;
                Ok(None)
            }
        }
    }
}
