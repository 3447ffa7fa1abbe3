//! The report in all its forms, from figures like those of a real run and from
//! hostile ones.

#![allow(clippy::unwrap_used, reason = "a test")]

mod files;
mod fixture;
mod hostile;
mod page;
mod profile;
