//! rtnetlink requests, as bytes.
//!
//! Source: include/uapi/linux/{netlink,rtnetlink,if_link,if_addr}.h and
//! rtnetlink(7). Numbers are in the host's byte order, attributes are padded to
//! four bytes.

use core::net::IpAddr;

use crate::config::Address;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const REQUEST: u16 = 0x05;
/// `NLM_F_CREATE | NLM_F_EXCL`.
const CREATE: u16 = 0x600;
/// `NLMSG_ERROR`, which also carries the acknowledgement.
const ERROR: u16 = 2;
/// The answer is not one that the protocol knows (errno-base.h).
const EPROTO: i32 = 71;
const HEADER_LEN: usize = 16;

const IFF_UP: u32 = 1;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Duplicate address detection would keep the server from binding the address
/// for a second (RFC 4862, section 5.4); a static address is the operator's word.
const IFA_F_NODAD: u8 = 0x02;
const RT_TABLE_MAIN: u8 = 254;
/// `RTPROT_STATIC`.
const STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Room for the largest request.
const LEN_MAX: usize = 96;

/// One request.
pub struct Request {
    bytes: [u8; LEN_MAX],
    len: usize,
}

impl Request {
    fn new(kind: u16, flags: u16) -> Self {
        let mut request = Self { bytes: [0; LEN_MAX], len: 0 };
        request.put(&[0; 4]);
        request.put(&kind.to_ne_bytes());
        request.put(&(REQUEST | flags).to_ne_bytes());
        // Sequence and port: one request is under way at a time.
        request.put(&[0; 8]);
        request
    }

    /// Every request of this file fits, see the tests.
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.put(&len.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(value);
        self.put(&[0; 3][..value.len().next_multiple_of(4) - value.len()]);
    }

    fn ip(&mut self, kind: u16, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.attribute(kind, &ip.octets()),
            IpAddr::V6(ip) => self.attribute(kind, &ip.octets()),
        }
    }

    fn finish(mut self) -> Self {
        let len = u32::try_from(self.len).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The beginning of a request about an interface.
fn link(interface: u32, flags: u32) -> Request {
    let mut request = Request::new(RTM_NEWLINK, 0);
    // struct ifinfomsg: family, pad, type, index, flags, change.
    request.put(&[0; 4]);
    request.put(&interface.to_ne_bytes());
    request.put(&flags.to_ne_bytes());
    request.put(&flags.to_ne_bytes());
    request
}

/// Switches an interface on.
pub fn link_up(interface: u32) -> Request {
    link(interface, IFF_UP).finish()
}

/// Sets the MTU of an interface in bytes.
pub fn set_mtu(interface: u32, mtu: u16) -> Request {
    let mut request = link(interface, 0);
    request.attribute(IFLA_MTU, &u32::from(mtu).to_ne_bytes());
    request.finish()
}

/// Gives an interface an address; the kernel adds the route to its network.
pub fn add_address(interface: u32, address: Address) -> Request {
    let mut request = Request::new(RTM_NEWADDR, CREATE);
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    let flags = if address.ip.is_ipv6() { IFA_F_NODAD } else { 0 };
    request.put(&[family(address.ip), address.prefix, flags, 0]);
    request.put(&interface.to_ne_bytes());
    request.ip(IFA_LOCAL, address.ip);
    request.ip(IFA_ADDRESS, address.ip);
    request.finish()
}

/// Makes a gateway the default route of its family.
pub fn add_gateway(interface: u32, gateway: IpAddr) -> Request {
    let mut request = Request::new(RTM_NEWROUTE, CREATE);
    // struct rtmsg: family, lengths of destination and source, tos, table,
    // protocol, scope, type, flags.
    request.put(&[family(gateway), 0, 0, 0, RT_TABLE_MAIN, STATIC, 0, RTN_UNICAST]);
    request.put(&[0; 4]);
    request.ip(RTA_GATEWAY, gateway);
    request.attribute(RTA_OIF, &interface.to_ne_bytes());
    request.finish()
}

/// The kernel's answer to a request: done, or an errno.
///
/// # Errors
/// The errno; `EPROTO` when this is no answer.
pub fn answer(reply: &[u8]) -> Result<(), i32> {
    let kind = reply.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let code = reply.get(HEADER_LEN..HEADER_LEN + 4).and_then(|bytes| bytes.try_into().ok());
    match (kind, code.map(i32::from_ne_bytes)) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(code)) => Err(code.saturating_neg()),
        _ => Err(EPROTO),
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Joins the fields of a message as `ip` (iproute2) sends it under strace, the
    /// sequence number set to 0.
    fn message(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn a_link_is_switched_on() {
        let expected = message(&[
            &[32, 0, 0, 0, 16, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
        ]);
        assert_eq!(link_up(2).bytes(), expected);
    }

    #[test]
    fn a_link_gets_an_mtu() {
        let expected = message(&[
            &[40, 0, 0, 0, 16, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[8, 0, 4, 0, 0xdc, 0x05, 0, 0],
        ]);
        assert_eq!(set_mtu(2, 1500).bytes(), expected);
    }

    #[test]
    fn an_ipv4_address_is_added() {
        let address = Address { ip: [10, 0, 2, 15].into(), prefix: 24 };
        let expected = message(&[
            &[40, 0, 0, 0, 20, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0],
            &[2, 24, 0, 0, 2, 0, 0, 0],
            &[8, 0, 2, 0, 10, 0, 2, 15],
            &[8, 0, 1, 0, 10, 0, 2, 15],
        ]);
        assert_eq!(add_address(2, address).bytes(), expected);
    }

    #[test]
    fn an_ipv6_address_is_added_without_detection() {
        let address = Address { ip: core::net::Ipv6Addr::LOCALHOST.into(), prefix: 64 };
        let one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let expected = message(&[
            &[64, 0, 0, 0, 20, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0],
            &[10, 64, IFA_F_NODAD, 0, 2, 0, 0, 0],
            &[20, 0, 2, 0],
            &one,
            &[20, 0, 1, 0],
            &one,
        ]);
        assert_eq!(add_address(2, address).bytes(), expected);
    }

    #[test]
    fn a_gateway_becomes_the_default_route() {
        let expected = message(&[
            &[44, 0, 0, 0, 24, 0, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0],
            &[8, 0, 5, 0, 10, 0, 2, 2],
            &[8, 0, 4, 0, 2, 0, 0, 0],
        ]);
        assert_eq!(add_gateway(2, [10, 0, 2, 2].into()).bytes(), expected);
    }

    #[test]
    fn answers_are_done_or_an_errno() {
        let mut reply = [0; 36];
        assert_eq!(answer(&reply), Err(EPROTO));
        reply[4] = 2;
        assert_eq!(answer(&reply), Ok(()));
        reply[16..20].copy_from_slice(&(-17i32).to_ne_bytes());
        assert_eq!(answer(&reply), Err(17));
        assert_eq!(answer(&reply[..10]), Err(EPROTO));
    }
}
