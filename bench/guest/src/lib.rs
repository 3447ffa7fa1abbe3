//! The programs that a measurement runs inside a guest, and what they and the host
//! have to agree on ([`wire`]).

#![no_std]

#[cfg(test)]
extern crate std;

#[cfg(feature = "guest")]
#[path = "../../../initramfs/init/src/memory.rs"]
mod memory;
#[cfg(feature = "guest")]
pub mod runtime;
#[cfg(feature = "guest")]
pub mod sys;
pub mod wire;
