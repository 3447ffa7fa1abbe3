//! An address of its own for each client that shares a rate: each then has all ports
//! to itself, however many of the last ones are still in TIME-WAIT.
//!
//! Debian's httperf 0.9.0 has no option for its address. So each process runs as a user
//! of its own, and the namespace has a rule for each user (`uidrange` in ip-rule(8)),
//! which leads to a route with another source address.

use std::net::IpAddr;

use anyhow::{Context, Result};
use host::Command;
use ipnet::IpNet;
use qemu::Tap;

/// The first of the users, who need not exist.
const USER: u32 = 60_000;

/// Sets up addresses for so many clients in the namespace that this thread is in; gives
/// the user as whom each has to run.
///
/// # Errors
/// When the network has no room, or `ip` or the kernel refuses.
pub(super) fn set_up(tap: &Tap, server: IpAddr, count: u32) -> Result<Vec<u32>> {
    let net = tap.addresses.iter().find(|net| net.contains(&server));
    let net = net.context("the server is in none of the tap's networks")?;
    let taken = |address: &IpAddr| {
        *address == server || tap.addresses.iter().any(|net| net.addr() == *address)
    };
    let mut free = net.hosts().filter(|address| !taken(address));
    let set_up = |user: u32| {
        let address = free.next().context("the tap's network has no room for more clients")?;
        lead(user, IpNet::new(address, net.prefix_len())?, server)?;
        Ok(user)
    };
    (USER..USER.saturating_add(count)).map(set_up).collect()
}

/// Leads what a user sends to the server through a route with this source address.
fn lead(user: u32, source: IpNet, server: IpAddr) -> Result<()> {
    let family = if server.is_ipv4() { "-4" } else { "-6" };
    let ip = |line: String| Command::new("ip").arg(family).args(line.split(' ')).run().map(drop);
    let device = Tap::NAME;
    let flag = if server.is_ipv4() { "" } else { " nodad" };
    ip(format!("address add {source} dev {device}{flag}"))?;
    ip(format!("rule add uidrange {user}-{user} lookup {user}"))?;
    let source = source.addr();
    ip(format!("route add {server} dev {device} src {source} table {user}"))
}
