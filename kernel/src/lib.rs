//! The tailored kernel, from what an appliance needs to a bootable file.
//!
//! ```text
//! Needs -> fragments -> requests ─┐
//!                 user's options ─┴-> contract -> configuration -> compile
//! ```
//!
//! The configuration is derived: each need adds a fragment of `fragments/`, every
//! symbol of which has a reason, on top of a configuration in which everything is
//! off. What was requested is a contract, checked with the kernel's own parser
//! before anything is compiled.
//!
//! A source tree is used by one caller at a time; callers hold a lock on it.

mod artifact;
mod compile;
mod configure;
mod contract;
mod difference;
mod fragment;
mod functions;
mod needs;
mod patches;
mod request;
mod settings;
mod symbol;
mod tailor;
mod toolchain;
mod tree;
mod upstream;

pub use compile::{Compile, compile};
pub use configure::{Configuration, configure};
pub use contract::{Judged, Verdict};
pub use difference::{Difference, Group};
pub use fragment::{Fragment, fragments};
pub use functions::{Folders, folders};
pub use needs::{Disk, Hypervisor, Needs};
pub use patches::Patches;
pub use request::{Origin, Requested, Value, requests, vary};
pub use settings::{Reason, Setting};
pub use tailor::{Measure, MenuOption, OPTIONS, Tailor};
pub use toolchain::toolchain_id;
pub use tree::{unpack, version};
