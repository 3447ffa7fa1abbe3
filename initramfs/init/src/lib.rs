//! PID 1 of an appliance, as far as it can be tested on the host: what it reads,
//! what it decides, and the bytes that it sends to the kernel. The program that
//! acts on it is in `main.rs`; neither has an allocator.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod config;
pub mod devices;
pub mod filter;
pub mod netlink;
pub mod overrides;
pub mod ram;
pub mod restart;
pub mod superblock;
pub mod vmware;
