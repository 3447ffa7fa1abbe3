//! Measures an appliance the way the thesis did: what a system call, a request, a
//! connection and a boot cost, and where it goes.
//!
//! A [`Subject`] is what is measured: a machine that can be booted and the symbols
//! of its kernel. Measurements fill a [`data::Report`], from which every page and
//! plot can be made again. Under emulation the unit is a guest instruction, counted
//! by the plugin in `plugin/`; the programs of `guest/` run inside.

pub mod contract;
pub mod counts;
pub mod data;
mod ext3;
pub mod loads;
pub mod measure;
pub mod profile;
pub mod report;
mod subject;
pub mod syscalls;

pub use subject::{Subject, Support, Tools};
