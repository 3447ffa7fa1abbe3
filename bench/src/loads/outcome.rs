//! What came of a load.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use host::failed;

use super::client::Failure;
use crate::measure::quantity;

/// So many requests in a row without an answer end a load: the server is gone.
const LOST: u32 = 10;

/// What came of a load with a fixed number of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Requests that were answered, with the right bytes.
    pub requests: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Bytes of the answers' bodies.
    pub bytes: u64,
    /// How long it took.
    pub time: Duration,
    /// Requests that failed, by what happened: `timeout`, `refused`, `reset`,
    /// `closed`, `no-address`, `status-404`, `malformed`, `other`.
    pub errors: BTreeMap<String, u64>,
    failed_in_a_row: u32,
}

impl Outcome {
    /// Requests per second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.time.as_secs_f64();
        if seconds > 0.0 { quantity(self.requests) / seconds } else { 0.0 }
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    pub(super) fn answered(&mut self, bytes: u64) {
        self.requests += 1;
        self.bytes += bytes;
        self.failed_in_a_row = 0;
    }

    /// Counts a request that failed.
    ///
    /// # Errors
    /// When it is one of many in a row.
    pub(super) fn missed(&mut self, failure: &Failure) -> Result<()> {
        *self.errors.entry(failure.kind()).or_default() += 1;
        self.failed_in_a_row += 1;
        if self.failed_in_a_row < LOST {
            return Ok(());
        }
        let done = self.requests;
        Err(failed(format!("{LOST} requests in a row failed after {done} answers: {failure}"))
            .into())
    }

    /// Adds what another client did at the same time.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.connections += other.connections;
        self.bytes += other.bytes;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
    }
}
