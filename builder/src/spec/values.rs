//! Values that are checked while they are read, so that an error has its line.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// The smallest MTU that Linux's IPv4 accepts (RFC 791: every host forwards 68
/// bytes).
const MTU_MIN: u16 = 68;
/// The longest host name (`__NEW_UTS_LEN`, and a DNS label by RFC 1123).
const HOSTNAME_MAX: usize = 63;

/// Makes `Deserialize` and `JsonSchema` of a text value from its `FromStr`.
macro_rules! text_value {
    ($type:ty, $name:literal, $schema:tt) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// A host name of one label: letters, digits and hyphens, no hyphen at an end,
/// at most 63 characters (RFC 1123, section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(String);

impl Hostname {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let fits = !text.is_empty() && text.len() <= HOSTNAME_MAX && text.chars().all(plain);
        if fits && !text.starts_with('-') && !text.ends_with('-') {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` is no host name: use at most {HOSTNAME_MAX} letters, digits and hyphens, \
             with no hyphen at either end"
        ))
    }
}

text_value!(Hostname, "Hostname", {
    "type": "string",
    "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
});

/// An address with its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(pub IpNet);

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            let example = if address.is_ipv4() { 24 } else { 64 };
            return Err(format!(
                "the address `{text}` has no prefix length: write for example `{text}/{example}`"
            ));
        }
        let net: IpNet =
            text.parse().map_err(|_| format!("`{text}` is no address with prefix length"))?;
        let address = net.addr();
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(format!("`{text}` is no address that an interface can have"));
        }
        let is_network_or_broadcast = match net {
            IpNet::V4(net) if net.prefix_len() < 31 => {
                net.addr() == net.network() || net.addr() == net.broadcast()
            }
            _ => false,
        };
        if is_network_or_broadcast {
            return Err(format!("`{text}` is the network or the broadcast address, not a host's"));
        }
        Ok(Self(net))
    }
}

text_value!(Cidr, "Address", {
    "type": "string",
    "description": "IPv4 or IPv6 address with prefix length",
    "examples": ["10.0.2.15/24", "2001:db8::2/64"]
});

/// The size of the site's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskSize {
    /// As small as the site allows.
    Auto,
    /// This many bytes.
    Bytes(u64),
}

impl FromStr for DiskSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (digits, shift) = match text.char_indices().last() {
            Some((at, 'K')) => (&text[..at], 10),
            Some((at, 'M')) => (&text[..at], 20),
            Some((at, 'G')) => (&text[..at], 30),
            _ => (text, 64),
        };
        let number: Option<u64> = digits.parse().ok().filter(|number| *number > 0);
        number
            .and_then(|number| number.checked_mul(1u64.checked_shl(shift)?))
            .map(Self::Bytes)
            .ok_or_else(|| {
                format!(
                    "`{text}` is no size: write `auto`, or a number with K, M or G such as `64M`"
                )
            })
    }
}

text_value!(DiskSize, "DiskSize", {
    "type": "string",
    "pattern": "^(auto|[1-9][0-9]*[KMG])$"
});

/// The name of a kernel configuration symbol without `CONFIG_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol(String);

impl Symbol {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Symbol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("CONFIG_") {
            return Err(format!("write the option `{text}` without its prefix: `{name}`"));
        }
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if text.is_empty() || !text.chars().all(|c| plain(c) || c.is_ascii_lowercase()) {
            return Err(format!("`{text}` is no name of a kernel option"));
        }
        Ok(Self(text.to_owned()))
    }
}

text_value!(Symbol, "KernelOption", {
    "type": "string",
    "pattern": "^[A-Za-z0-9_]+$"
});

/// The value of a kernel option.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KernelValue {
    /// Built in, or not.
    Switch(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// Reads a number so that the error for anything else is in the user's words.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct WholeNumber;

    impl de::Visitor<'_> for WholeNumber {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }
    }

    deserializer.deserialize_i64(WholeNumber)
}

/// A TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub struct Port(#[schemars(range(min = 1, max = 65535))] pub u16);

impl Default for Port {
    fn default() -> Self {
        Self(80)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = whole_number(deserializer)?;
        u16::try_from(number)
            .ok()
            .filter(|port| *port != 0)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("port {number} is not between 1 and 65535")))
    }
}

/// An MTU in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub struct Mtu(#[schemars(range(min = 68, max = 65535))] pub u16);

impl<'de> Deserialize<'de> for Mtu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = whole_number(deserializer)?;
        u16::try_from(number).ok().filter(|mtu| *mtu >= MTU_MIN).map(Self).ok_or_else(|| {
            de::Error::custom(format!("MTU {number} is not between {MTU_MIN} and 65535"))
        })
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames() {
        for good in ["a", "web-1", "X9"] {
            assert!(good.parse::<Hostname>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "a-", "a.b", "a_b", "ä", long.as_str()] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_without_prefix_is_told_how_to_get_one() {
        let error = "10.0.0.1".parse::<Cidr>().unwrap_err();
        assert!(error.contains("10.0.0.1/24"), "{error}");
        let error = "2001:db8::1".parse::<Cidr>().unwrap_err();
        assert!(error.contains("2001:db8::1/64"), "{error}");
    }

    #[test]
    fn addresses_that_no_interface_can_have() {
        for bad in [
            "10.0.0.0/24",
            "10.0.0.255/24",
            "127.0.0.1/8",
            "224.0.0.1/4",
            "::/64",
            "x/3",
            "10.0.0.1/33",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        for good in ["10.0.0.1/24", "10.0.0.0/31", "10.0.0.7/32", "2001:db8::1/128"] {
            assert!(good.parse::<Cidr>().is_ok(), "{good}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!("auto".parse(), Ok(DiskSize::Auto));
        assert_eq!("64M".parse(), Ok(DiskSize::Bytes(64 << 20)));
        for bad in ["", "64", "0M", "-1M", "1.5G", "M", "99999999999999999G"] {
            assert!(bad.parse::<DiskSize>().is_err(), "{bad}");
        }
    }
}
