//! The syntax of lighttpd's configuration.
//!
//! lighttpd itself recovers from many syntax errors without a word, by leaving
//! out what it does not understand. So a file is parsed here first, strictly.

mod grammar;
mod tokens;

pub(crate) use grammar::{Assignment, Condition, Operator, Statements};
pub(crate) use tokens::{Token, What, tokens};

/// What is wrong with a file, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
}
