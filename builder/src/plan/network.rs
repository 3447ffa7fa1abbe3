//! The network part of a plan.

use std::net::IpAddr;

use anyhow::Result;
use ipnet::IpNet;

use crate::spec::Project;

/// The static network of an appliance; every gateway can be reached directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Host name.
    pub hostname: String,
    /// Addresses, at least one.
    pub addresses: Vec<IpNet>,
    /// At most one gateway a family.
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// MTU in bytes, if not the driver's.
    pub mtu: Option<u16>,
}

impl Network {
    /// Whether the appliance has an IPv6 address.
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|net| matches!(net, IpNet::V6(_)))
    }

    /// Whether the appliance has an IPv4 address.
    pub fn has_ipv4(&self) -> bool {
        self.addresses.iter().any(|net| matches!(net, IpNet::V4(_)))
    }
}

/// The smallest MTU of IPv6 (RFC 8200, section 5).
const IPV6_MTU_MIN: u16 = 1280;

pub(super) fn plan(project: &Project) -> Result<Network> {
    let spec = &project.spec.network;
    let addresses: Vec<IpNet> = spec.addresses.iter().map(|cidr| cidr.0).collect();
    let network = Network {
        hostname: spec.hostname.as_ref().unwrap_or(&project.spec.name).to_string(),
        addresses,
        gateways: spec.gateways.clone(),
        dns: spec.dns.clone(),
        mtu: spec.mtu.map(|mtu| mtu.0),
    };
    check_addresses(project, &network)?;
    check_gateways(project, &network)?;
    if network.has_ipv6() && network.mtu.is_some_and(|mtu| mtu < IPV6_MTU_MIN) {
        let what = format!("IPv6 needs an MTU of at least {IPV6_MTU_MIN}");
        return Err(project.refuse("network", "mtu", &what).into());
    }
    Ok(network)
}

fn check_addresses(project: &Project, network: &Network) -> Result<()> {
    let refuse = |what: &str| project.refuse("network", "addresses", what);
    if network.addresses.is_empty() {
        let hint = "for QEMU's user network write addresses = [\"10.0.2.15/24\"]";
        return Err(refuse("the list is empty").hint(hint).into());
    }
    for (index, net) in network.addresses.iter().enumerate() {
        if network.addresses[..index].iter().any(|other| other.addr() == net.addr()) {
            return Err(refuse(&format!("{} is there twice", net.addr())).into());
        }
    }
    Ok(())
}

fn check_gateways(project: &Project, network: &Network) -> Result<()> {
    let refuse = |what: String| project.refuse("network", "gateways", &what);
    for (index, gateway) in network.gateways.iter().enumerate() {
        let same_family = |other: &&IpAddr| other.is_ipv4() == gateway.is_ipv4();
        if let Some(other) = network.gateways[..index].iter().find(same_family) {
            return Err(refuse(format!("{other} and {gateway} are of the same family")).into());
        }
        if network.addresses.iter().any(|net| net.addr() == *gateway) {
            return Err(refuse(format!("{gateway} is the appliance's own address")).into());
        }
        let is_link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let is_reached = network.addresses.iter().any(|net| net.contains(gateway))
            || is_link_local && network.has_ipv6();
        if !is_reached {
            let networks: Vec<_> =
                network.addresses.iter().map(|net| net.trunc().to_string()).collect();
            return Err(refuse(format!("{gateway} is outside of {}", networks.join(" and ")))
                .hint("a gateway must be in the network of one of the addresses")
                .into());
        }
    }
    Ok(())
}
