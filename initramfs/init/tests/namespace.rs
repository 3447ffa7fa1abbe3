//! The requests of [`init::netlink`], carried out by this machine's kernel in a
//! network namespace of their own and read back with `ip`, in the order of PID 1.
//!
//! Ignored where we may not make a namespace.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, TcpListener};
use std::process::Command;
use std::thread;

use init::config::Address;
use init::netlink::{self, Request};
use libtest_mimic::{Arguments, Trial};
use rustix::io::{Errno, read, write};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::Value;

fn main() {
    let possible = in_a_namespace(|| ()).is_ok();
    let trial = Trial::test("the_kernel_does_what_is_requested", || {
        in_a_namespace(the_kernel_does_what_is_requested)?;
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial.with_ignored_flag(!possible)]).exit();
}

/// Runs `f` in a thread that has a network for itself.
fn in_a_namespace(f: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let work = || {
        // SAFETY: a network namespace of its own shares no memory and no files.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(|errno| errno.to_string())?;
        f();
        Ok(())
    };
    thread::spawn(work).join().map_err(|_| "it panicked".to_owned())?
}

fn the_kernel_does_what_is_requested() {
    ip("link add eth0 type veth peer name far");
    ip("link set far up");
    let eth0 = u32::try_from(ip("link show eth0")[0]["ifindex"].as_u64().unwrap()).unwrap();
    let addresses = ["10.0.2.15/24", "10.9.0.1/16", "2001:db8::2/64"].map(address);

    request(&netlink::link_up(1)).unwrap();
    for address in addresses {
        request(&netlink::add_address(eth0, address)).unwrap();
    }
    request(&netlink::set_mtu(eth0, 1400)).unwrap();
    request(&netlink::link_up(eth0)).unwrap();
    for gateway in ["10.0.2.2", "2001:db8::1"] {
        request(&netlink::add_gateway(eth0, gateway.parse().unwrap())).unwrap();
    }
    for address in addresses {
        TcpListener::bind((address.ip, 80)).unwrap();
    }
    check_links();
    check_addresses(&addresses);
    check_routes();
    check_refusals(eth0);
}

fn check_links() {
    for (name, mtu) in [("lo", 65536), ("eth0", 1400)] {
        let link = &ip(&format!("link show {name}"))[0];
        assert!(link["flags"].as_array().unwrap().contains(&"UP".into()), "{link}");
        assert_eq!(link["mtu"], mtu, "{link}");
    }
}

fn check_addresses(expected: &[Address]) {
    let shown = ip("addr show eth0")[0]["addr_info"].as_array().unwrap().clone();
    for Address { ip, prefix } in expected {
        let found = shown.iter().find(|info| info["local"] == ip.to_string());
        let found = found.unwrap_or_else(|| panic!("{ip} is not in {shown:?}"));
        assert_eq!(found["prefixlen"], *prefix, "{found}");
        assert_eq!(found["scope"], "global", "{found}");
        assert_eq!(found["nodad"] == true, ip.is_ipv6(), "{found}");
        assert_ne!(found["tentative"], true, "{found}");
    }
}

fn check_routes() {
    for (family, destination, gateway) in [
        ("-4", "default", "10.0.2.2"),
        ("-4", "10.0.2.0/24", ""),
        ("-4", "10.9.0.0/16", ""),
        ("-6", "default", "2001:db8::1"),
        ("-6", "2001:db8::/64", ""),
    ] {
        let shown = ip(&format!("{family} route show {destination}"));
        let route = &shown[0];
        assert_eq!(shown.as_array().unwrap().len(), 1, "{destination}: {shown}");
        assert_eq!(route["gateway"].as_str().unwrap_or_default(), gateway, "{route}");
        assert_eq!(route["dev"], "eth0", "{route}");
    }
}

fn check_refusals(eth0: u32) {
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    for (what, asked, errno) in [
        ("again", netlink::add_address(eth0, address("10.0.2.15/24")), Errno::EXIST),
        ("no such interface", netlink::link_up(9999), Errno::NODEV),
        ("too small", netlink::set_mtu(eth0, 20), Errno::INVAL),
        ("another gateway", netlink::add_gateway(eth0, "10.0.2.3".parse().unwrap()), Errno::EXIST),
        ("out of reach", netlink::add_gateway(1, elsewhere), Errno::NETUNREACH),
    ] {
        assert_eq!(request(&asked), Err(errno.raw_os_error()), "{what}");
    }
}

fn address(text: &str) -> Address {
    let (ip, prefix) = text.split_once('/').unwrap();
    Address { ip: ip.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

/// Sends a request and reads the answer as PID 1 does.
fn request(request: &Request) -> Result<(), i32> {
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    assert_eq!(write(&socket, request.bytes()), Ok(request.bytes().len()));
    let mut reply = [0; 1024];
    let len = read(&socket, &mut reply).unwrap();
    netlink::answer(&reply[..len])
}

/// Runs `ip` in the namespace; gives what it shows.
fn ip(arguments: &str) -> Value {
    let output = Command::new("ip").arg("-json").args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("iproute2 is needed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
