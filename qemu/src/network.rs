//! How a guest's network reaches us.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use host::refused;
use ipnet::{IpNet, Ipv4Net};
use serde_json::json;

use crate::qmp::Qmp;

/// The largest prefix length of QEMU's user network, which needs some addresses
/// of its own beside the guest's.
const PREFIX_MAX: u8 = 24;

/// What a guest's network interface is connected to.
#[derive(Clone, Debug)]
pub enum Network {
    /// Nothing; there is no interface.
    None,
    /// QEMU's user network: works for everybody, forwards one port.
    User(UserNetwork),
    /// A tap interface in a network namespace of its own: for root.
    Tap(Tap),
}

/// A user network that fits the static address of the guest, with one TCP port
/// of the guest forwarded to a local one.
#[derive(Clone, Debug)]
pub struct UserNetwork {
    /// The guest's address.
    pub guest: Ipv4Net,
    /// Its gateway, whose part QEMU takes.
    pub gateway: Option<Ipv4Addr>,
    /// The forwarded port of the guest.
    pub guest_port: u16,
    /// Where it is forwarded to.
    pub local_port: LocalPort,
}

/// A port of 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalPort {
    /// Whichever the system chooses.
    Free,
    /// This one, or a free one if it is in use.
    Prefer(u16),
    /// This one.
    Exactly(u16),
}

/// A namespace that holds nothing but a tap interface with these addresses of
/// ours; it vanishes with QEMU.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Our addresses, in the networks of the guest's.
    pub addresses: Vec<IpNet>,
}

impl UserNetwork {
    /// The value of `-netdev`.
    pub(crate) fn netdev(&self, forwarded: Option<SocketAddr>) -> Result<String> {
        let prefix = self.guest.prefix_len().min(PREFIX_MAX);
        let net = Ipv4Net::new(self.guest.addr(), prefix)?.trunc();
        let free = |taken: &[Ipv4Addr]| {
            net.hosts().find(|address| !taken.contains(address)).context("a network without room")
        };
        let guest = self.guest.addr();
        // The guest answers to us there: it has to be in its network.
        let near = |address: &Ipv4Addr| self.guest.contains(address) && *address != guest;
        let host = match self.gateway.filter(near) {
            Some(gateway) => gateway,
            None => self.guest.hosts().find(near).context("a network without a neighbour")?,
        };
        let dns = free(&[guest, host])?;
        let dhcp = free(&[guest, host, dns])?;
        let mut text = format!("user,id=net,net={net},host={host},dns={dns},dhcpstart={dhcp}");
        if let Some(local) = forwarded {
            let _ = write!(text, ",hostfwd={}", self.rule(local));
        }
        Ok(text)
    }

    fn rule(&self, local: SocketAddr) -> String {
        format!("tcp:{local}-{}:{}", self.guest.addr(), self.guest_port)
    }

    /// Forwards the port. QEMU itself binds it, and with port 0 the system
    /// chooses, so nobody can take it in between.
    pub(crate) fn forward(&self, qmp: &mut Qmp) -> Result<SocketAddr> {
        let (first, fixed) = match self.local_port {
            LocalPort::Free => (0, false),
            LocalPort::Prefer(port) => (port, false),
            LocalPort::Exactly(port) => (port, true),
        };
        if self.try_forward(qmp, first)? {
            return forwarded(qmp);
        }
        let address = local(first);
        if fixed {
            let why = TcpListener::bind(address)
                .map_or_else(|error| error.to_string(), |_| "QEMU cannot bind it".into());
            return Err(refused(format!("port {first} of {} is not free: {why}", address.ip()))
                .hint("choose another port, or none to get a free one")
                .into());
        }
        if self.try_forward(qmp, 0)? {
            return forwarded(qmp);
        }
        bail!("QEMU cannot forward any port of {}", address.ip())
    }

    fn try_forward(&self, qmp: &mut Qmp, port: u16) -> Result<bool> {
        let said = monitor(qmp, &format!("hostfwd_add net {}", self.rule(local(port))))?;
        Ok(said.is_empty())
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Which port QEMU has bound; only its monitor for people tells.
fn forwarded(qmp: &mut Qmp) -> Result<SocketAddr> {
    let text = monitor(qmp, "info usernet")?;
    parse_forwarded(&text).with_context(|| format!("finding the forwarded port in `{text}`"))
}

/// The source of the line `TCP[HOST_FORWARD] FD ADDRESS PORT ADDRESS PORT …`.
fn parse_forwarded(text: &str) -> Option<SocketAddr> {
    let line = text.lines().find(|line| line.contains("TCP[HOST_FORWARD]"))?;
    let mut words = line.split_whitespace().skip(2);
    let address: Ipv4Addr = words.next()?.parse().ok()?;
    Some((address, words.next()?.parse().ok()?).into())
}

fn monitor(qmp: &mut Qmp, line: &str) -> Result<String> {
    let said = qmp.execute("human-monitor-command", json!({"command-line": line}))?;
    Ok(said.as_str().unwrap_or_default().trim().to_owned())
}

impl Tap {
    /// The name of the interface in its namespace.
    pub const NAME: &str = "tap0";

    /// Says why this host lets us have no such network, if so.
    ///
    /// # Errors
    /// When a namespace or a tap interface cannot be made.
    pub fn check() -> Result<()> {
        let [program, arguments @ ..] = (Self { addresses: Vec::new() }).wrapper();
        host::Command::new(program).args(arguments).arg("true").run()?;
        Ok(())
    }

    /// The value of `-netdev`.
    pub(crate) fn netdev() -> String {
        format!("tap,id=net,ifname={},script=no,downscript=no", Self::NAME)
    }

    /// The command that runs what follows it in the namespace.
    pub(crate) fn wrapper(&self) -> [String; 6] {
        let name = Self::NAME;
        let mut script = format!("ip link set lo up; ip tuntap add dev {name} mode tap; ");
        for address in &self.addresses {
            // Nobody else is there who could have our address.
            let flag = if matches!(address, IpNet::V6(_)) { " nodad" } else { "" };
            let _ = write!(script, "ip address add {address} dev {name}{flag}; ");
        }
        let _ = write!(script, "ip link set {name} up; exec \"$@\"");
        ["unshare", "--net", "sh", "-ec", &script, "sh"].map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netdev(guest: &str, gateway: Option<&str>) -> String {
        UserNetwork {
            guest: guest.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            guest_port: 80,
            local_port: LocalPort::Free,
        }
        .netdev(None)
        .unwrap()
    }

    #[test]
    fn the_user_network_fits_the_guest() {
        assert_eq!(
            netdev("10.0.2.15/24", Some("10.0.2.2")),
            "user,id=net,net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.1,dhcpstart=10.0.2.3"
        );
        assert_eq!(
            netdev("192.168.7.1/30", None),
            "user,id=net,net=192.168.7.0/24,host=192.168.7.2,dns=192.168.7.3,dhcpstart=192.168.7.4"
        );
    }

    #[test]
    fn the_port_is_found_in_what_qemu_says() {
        let text = "Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. \
                    Address  Port RecvQ SendQ\r\n  TCP[HOST_FORWARD]   3       127.0.0.1 37293     \
                    192.168.7.2    80     0     0\r\n";
        assert_eq!(parse_forwarded(text), Some("127.0.0.1:37293".parse().unwrap()));
        assert_eq!(parse_forwarded("VLAN -1 (net):\r\n"), None);
    }
}
