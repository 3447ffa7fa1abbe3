//! A fixed number of requests for one page, or for several in turn.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
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
    in_turn(target, std::slice::from_ref(&target.page), requests, connections, watch)
}

/// The same with several pages, of which each request asks for the next one, and after
/// the last for the first again.
///
/// # Errors
/// As [`keepalive`]; also when there is no page or one is no file of the target's.
pub fn in_turn(
    target: &Target,
    pages: &[String],
    requests: u64,
    connections: u64,
    watch: Watch,
) -> Result<Outcome> {
    let mut load = Load::new(target, pages)?;
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
                Ok((connection, page)) => open.push((place, connection, page)),
                Err(failure) => load.outcome.missed(&failure)?,
            }
        }
        for (place, connection, page) in open {
            *place = load.receive(connection, page)?;
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
    let mut load = Load::new(target, std::slice::from_ref(&target.page))?;
    let start = Instant::now();
    for done in 1..=requests {
        check_interrupt()?;
        match load.send(None, watch)? {
            Ok((connection, page)) => {
                let connection = load.receive(connection, page)?;
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
    pages: Vec<Page<'a>>,
    /// The page that is asked for next.
    next: usize,
    outcome: Outcome,
}

struct Page<'a> {
    path: &'a str,
    request: Vec<u8>,
    reference: Reference,
}

impl<'a> Load<'a> {
    fn new(target: &'a Target, pages: &'a [String]) -> Result<Self> {
        let page = |path: &'a String| {
            let expected = target.files.get(path).context("a page that is no file")?;
            let (request, reference) = (target.request(path), Reference::new(expected)?);
            Ok(Page { path, request, reference })
        };
        let pages = pages.iter().map(page).collect::<Result<Vec<_>>>()?;
        ensure!(!pages.is_empty(), "a load without a page");
        Ok(Self { target, pages, next: 0, outcome: Outcome::default() })
    }

    /// Asks for the next page; gives the connection, and which page it was.
    fn send(
        &mut self,
        kept: Option<Connection>,
        watch: Watch,
    ) -> Result<Result<(Connection, usize), Failure>> {
        let page = self.next;
        self.next = (page + 1) % self.pages.len();
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
        Ok(connection.send(&self.pages[page].request).map(|()| (connection, page)))
    }

    /// Takes the answer, and gives the connection back if it can be used again.
    fn receive(&mut self, mut connection: Connection, page: usize) -> Result<Option<Connection>> {
        let Page { path, reference, .. } = &self.pages[page];
        let mut comparison = reference.compare()?;
        match connection.receive(|_, piece| comparison.piece(piece)) {
            Ok(head) => {
                self.outcome.answered(comparison.finish(path)?);
                Ok((!head.closes).then_some(connection))
            }
            Err(failure) => {
                self.outcome.missed(&failure)?;
                Ok(None)
            }
        }
    }
}
