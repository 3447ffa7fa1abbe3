//! The guest's addresses in the form that vSphere shows: `GuestNicProto` of
//! open-vm-tools, version 3, in XDR (RFC 4506).

use core::net::IpAddr;

use crate::config::Address;

/// What the message begins with: `INFO_IPADDRESS_V3`.
pub const MESSAGE: &[u8] = b"SetGuestInfo  10 ";
/// Bytes that a list of 16 addresses fits into.
pub const LEN_MAX: usize = 1024;

const VERSION: u32 = 3;
/// `InetAddressType` (RFC 4001).
const IPV4: u32 = 1;
const IPV6: u32 = 2;
/// An optional part that is there, and one that is not.
const PRESENT: u32 = 1;
const ABSENT: u32 = 0;

/// Writes XDR into a room of limited length.
struct Xdr<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl Xdr<'_> {
    fn word(&mut self, word: u32) -> Option<()> {
        self.bytes(&word.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.room.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    /// Bytes of variable length, filled up to a multiple of four (section 4.10).
    fn opaque(&mut self, bytes: &[u8]) -> Option<()> {
        self.word(u32::try_from(bytes.len()).ok()?)?;
        self.bytes(bytes)?;
        self.bytes(&[0; 3][..bytes.len().wrapping_neg() % 4])
    }
}

/// The record of one interface with a hardware address, as text, and its addresses;
/// none when it does not fit.
pub fn record<'a>(
    hardware: &str,
    addresses: impl Iterator<Item = Address> + Clone,
    room: &'a mut [u8],
) -> Option<&'a [u8]> {
    let mut xdr = Xdr { room, len: 0 };
    xdr.word(VERSION)?;
    xdr.word(PRESENT)?;
    // One interface.
    xdr.word(1)?;
    xdr.opaque(hardware.as_bytes())?;
    xdr.word(u32::try_from(addresses.clone().count()).ok()?)?;
    for Address { ip, prefix } in addresses {
        match ip {
            IpAddr::V4(ip) => {
                xdr.word(IPV4)?;
                xdr.opaque(&ip.octets())?;
            }
            IpAddr::V6(ip) => {
                xdr.word(IPV6)?;
                xdr.opaque(&ip.octets())?;
            }
        }
        xdr.word(prefix.into())?;
        // Its origin and its state.
        xdr.word(ABSENT)?;
        xdr.word(ABSENT)?;
    }
    // Of the interface: DNS, WINS, DHCP of both families.
    for _ in 0..4 {
        xdr.word(ABSENT)?;
    }
    // No routes; of the machine the same four.
    for _ in 0..5 {
        xdr.word(ABSENT)?;
    }
    let Xdr { room, len } = xdr;
    Some(&room[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_interface_with_one_address() {
        let address = Address { ip: "10.0.2.15".parse().unwrap(), prefix: 24 };
        let mut room = [0xff; 256];
        let bytes = record("00:50:56:00:00:01", [address].into_iter(), &mut room).unwrap();
        let mut expected = std::vec![0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 17];
        expected.extend(b"00:50:56:00:00:01\0\0\0");
        expected.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 10, 0, 2, 15, 0, 0, 0, 24]);
        expected.extend([0; 4 * (2 + 4 + 5)]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let address = Address { ip: "::1".parse().unwrap(), prefix: 128 };
        let sixteen = core::iter::repeat_n(address, 16);
        assert!(record("00:50:56:00:00:01", sixteen.clone(), &mut [0; LEN_MAX]).is_some());
        assert!(record("00:50:56:00:00:01", sixteen, &mut [0; 100]).is_none());
    }
}
