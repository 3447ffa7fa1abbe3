//! What a machine is told from outside in place of what was built in, so that one
//! image serves many machines: host name, addresses, gateways, name servers.
//!
//! The same four keys come over three ways: words `appliance.KEY=VALUE` of the
//! kernel's command line, lines `KEY VALUE` of a text that the hypervisor hands
//! over, and properties `appliance.KEY` of the virtual machine. A list has commas between its values. What is given replaces what
//! was built in; when one value is not as it must be, nothing does.

use core::fmt;
use core::net::IpAddr;

use crate::config::{Address, Config, List, parse_address};

/// What begins each word of the command line that is for us.
const PREFIX: &str = "appliance.";
/// The longest host name (`HOST_NAME_MAX` of include/uapi/linux/limits.h).
const HOSTNAME_MAX: usize = 64;

/// Values from outside; empty where none was given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides<'a> {
    hostname: &'a str,
    addresses: List<Address>,
    gateways: List<IpAddr>,
    dns: List<IpAddr>,
}

/// Why a value was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}: {}", self.key, self.value, self.what)
    }
}

impl<'a> Overrides<'a> {
    /// Adds what the kernel's command line says.
    ///
    /// # Errors
    /// Names the first value that is not as it must be.
    pub fn command_line(&mut self, text: &'a str) -> Result<(), Refused<'a>> {
        // The kernel hands on what follows `--` to us as well.
        for word in text.split_ascii_whitespace() {
            if let Some(setting) = word.strip_prefix(PREFIX) {
                let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
                self.set(key, value)?;
            }
        }
        Ok(())
    }

    /// Adds what the hypervisor's text says.
    ///
    /// # Errors
    /// As [`Overrides::command_line`].
    pub fn lines(&mut self, text: &'a str) -> Result<(), Refused<'a>> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.try_for_each(|line| {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            self.set(key, value.trim())
        })
    }

    /// Adds what the properties of the virtual machine say. One without a value was
    /// left out when the machine was made.
    ///
    /// # Errors
    /// As [`Overrides::command_line`].
    pub fn properties(
        &mut self,
        properties: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Refused<'a>> {
        for (key, value) in properties {
            if let Some(key) = key.strip_prefix(PREFIX)
                && !value.is_empty()
            {
                self.set(key, value)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &'a str, value: &'a str) -> Result<(), Refused<'a>> {
        let set = match key {
            "hostname" => hostname(value).map(|name| self.hostname = name),
            "address" => list(value, parse_address).map(|list| self.addresses = list),
            "gateway" => list(value, ip).map(|list| self.gateways = list),
            "dns" => list(value, ip).map(|list| self.dns = list),
            _ => Err("unknown; known are hostname, address, gateway, dns"),
        };
        set.map_err(|what| Refused { key, value, what })
    }

    /// Whether anything was given.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// The name servers, if some were given.
    pub fn dns(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.dns.iter()
    }

    /// The configuration with the values in place of the built-in ones.
    ///
    /// # Errors
    /// When an address is of a family that the image was not built for, or a
    /// gateway is not in the network of an address.
    pub fn apply(&self, config: &Config<'a>) -> Result<Config<'a>, &'static str> {
        let mut config = *config;
        if !self.hostname.is_empty() {
            config.hostname = self.hostname;
        }
        if self.addresses.iter().next().is_some() {
            // Kernel and server know only the families of the built-in addresses.
            let built_in =
                |ip: IpAddr| config.addresses.iter().any(|own| own.ip.is_ipv4() == ip.is_ipv4());
            if !self.addresses.iter().all(|address| built_in(address.ip)) {
                return Err("address: the image was built without addresses of this family");
            }
            config.addresses = self.addresses;
            // The built-in ones are of other networks.
            config.gateways = List::new();
        }
        if self.gateways.iter().next().is_some() {
            config.gateways = self.gateways;
        }
        let near = |gateway: IpAddr| config.addresses.iter().any(|own| own.has(gateway));
        if self.any() && !config.gateways.iter().all(near) {
            return Err("gateway: it is in the network of no address");
        }
        Ok(config)
    }
}

fn ip(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "no IP address")
}

fn list<T: Copy>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<List<T>, &'static str> {
    let mut list = List::new();
    for part in text.split(',') {
        if !list.push(parse(part)?) {
            return Err("there are too many of them");
        }
    }
    Ok(list)
}

/// As `network.hostname` of the builder takes it (RFC 1123, section 2.1).
fn hostname(text: &str) -> Result<&str, &'static str> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.len() <= HOSTNAME_MAX && text.split('.').all(is_label) {
        Ok(text)
    } else {
        Err("no host name")
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use super::*;

    const CONFIG: &str = "hostname web\naddress 10.0.2.15/24\ngateway 10.0.2.2\n\
        server /sbin/lighttpd\nport 80\nmemory 32\n";

    /// The configuration that comes of a command line.
    fn with(command_line: &str) -> Result<String, String> {
        let config = Config::parse(CONFIG).unwrap();
        let mut overrides = Overrides::default();
        overrides.command_line(command_line).map_err(|refused| refused.to_string())?;
        overrides.apply(&config).map(|config| config.to_string()).map_err(ToString::to_string)
    }

    #[test]
    fn nothing_given_changes_nothing() {
        assert_eq!(with("console=ttyS0 quiet").unwrap(), CONFIG);
    }

    #[test]
    fn what_is_given_replaces_what_was_built_in() {
        let line = "quiet appliance.hostname=shop appliance.address=192.168.1.7/24 \
            appliance.gateway=192.168.1.1";
        let text = with(line).unwrap();
        assert!(
            text.starts_with("hostname shop\naddress 192.168.1.7/24\ngateway 192.168.1.1\nserver ")
        );
        assert!(!with("appliance.address=10.9.9.9/8").unwrap().contains("gateway"));
    }

    #[test]
    fn every_way_says_the_same() {
        let (mut words, mut lines) = (Overrides::default(), Overrides::default());
        let mut properties = Overrides::default();
        let given = [
            ("appliance.address", "10.0.0.1/8,10.0.0.2/8"),
            ("appliance.dns", "::1"),
            ("appliance.hostname", ""),
            ("other.colour", "red"),
        ];
        properties.properties(given.into_iter()).unwrap();
        words.command_line("appliance.address=10.0.0.1/8,10.0.0.2/8 appliance.dns=::1").unwrap();
        lines.lines("address 10.0.0.1/8,10.0.0.2/8\n\ndns ::1\n").unwrap();
        assert_eq!(words, lines);
        assert_eq!(words, properties);
        assert!(words.any());
        assert_eq!(words.dns().count(), 1);
    }

    #[test]
    fn a_malformed_value_is_named() {
        for (word, said) in [
            ("appliance.address=10.0.0.1", "address=10.0.0.1: no prefix length"),
            ("appliance.address=10.0.0.1/40", "address=10.0.0.1/40: prefix length out of range"),
            ("appliance.address", "address=: no prefix length"),
            ("appliance.gateway=x", "gateway=x: no IP address"),
            ("appliance.dns=1.1.1.1,", "dns=1.1.1.1,: no IP address"),
            ("appliance.hostname=a_b", "hostname=a_b: no host name"),
            ("appliance.hostname=", "hostname=: no host name"),
            (
                "appliance.colour=red",
                "colour=red: unknown; known are hostname, address, gateway, dns",
            ),
            (
                "appliance.address=::1/128",
                "address: the image was built without addresses of this family",
            ),
            ("appliance.gateway=10.9.0.1", "gateway: it is in the network of no address"),
        ] {
            assert_eq!(with(word), Err(said.into()));
        }
        let many = "appliance.dns=".to_string() + &"1.1.1.1,".repeat(20);
        assert!(with(&many).unwrap_err().ends_with("there are too many of them"));
    }
}
