//! `appliance lint`: good packages, packages with one defect each, and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test")]

mod archives;
mod command;
mod descriptors;
mod disks;
mod fuzz;
mod hostile;
mod other_tools;
mod package;
mod table;
