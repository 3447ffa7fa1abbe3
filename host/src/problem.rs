//! Errors for the person who meets them.
//!
//! Code that knows what the user can do about an error makes a [`Problem`];
//! everything else is an `anyhow` error whose contexts say what was attempted
//! ("reading the manifest", path). The command prints the chain, then the hint of
//! the innermost `Problem`, and exits with the status of its [`Kind`].

use std::fmt;

/// Whose fault an error is, and with it the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be carried out as given: exit status 2.
    Refused,
    /// The work failed: exit status 1.
    Failed,
}

/// An error that says what was found and what to do next.
#[derive(Debug)]
pub struct Problem {
    /// Whose fault it is.
    pub kind: Kind,
    /// What was found, one sentence without a full stop.
    pub what: String,
    /// What to do next, one sentence without a full stop.
    pub hint: Option<String>,
}

impl Problem {
    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// The request cannot be carried out as given.
pub fn refused(what: impl Into<String>) -> Problem {
    Problem { kind: Kind::Refused, what: what.into(), hint: None }
}

/// The work failed.
pub fn failed(what: impl Into<String>) -> Problem {
    Problem { kind: Kind::Failed, what: what.into(), hint: None }
}
