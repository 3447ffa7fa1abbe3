//! `/etc/appliance.conf`: what the builder tells PID 1.
//!
//! One `key value` a line, strictly read. [`Config`] is both the parsed form and,
//! shown, the file.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use crate::superblock::Uuid;

/// The most addresses, gateways and server arguments that fit.
pub const LIST_MAX: usize = 16;

/// A list of at most [`LIST_MAX`] values, without an allocator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct List<T> {
    items: [Option<T>; LIST_MAX],
    len: usize,
}

impl<T: Copy> List<T> {
    /// The empty list.
    pub const fn new() -> Self {
        Self { items: [None; LIST_MAX], len: 0 }
    }

    /// Appends a value; false when the list is full.
    pub fn push(&mut self, item: T) -> bool {
        match self.items.get_mut(self.len) {
            Some(place) => {
                *place = Some(item);
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.items.iter().flatten().copied()
    }
}

impl<T: Copy> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// An address and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface's address.
    pub ip: IpAddr,
    /// Bits of the network part.
    pub prefix: u8,
}

/// The file system of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site<'a> {
    /// UUID of the file system.
    pub uuid: Uuid,
    /// Its type as mount names it.
    pub filesystem: &'a str,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// What PID 1 sets up and starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config<'a> {
    /// The host name.
    pub hostname: &'a str,
    /// MTU of the interface in bytes.
    pub mtu: Option<u16>,
    /// Addresses of the interface.
    pub addresses: List<Address>,
    /// Default gateways.
    pub gateways: List<IpAddr>,
    /// The site's file system; none when the site is in the initramfs.
    pub site: Option<Site<'a>>,
    /// The server's program and its arguments.
    pub server: List<&'a str>,
    /// The TCP port that the server listens on.
    pub port: u16,
    /// The memory in MiB with which the appliance was planned to serve.
    pub memory: u32,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError<'a> {
    /// The line's number, from 1; 0 when something is missing.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
    /// The text that is wrong, or the key that is missing.
    pub text: &'a str,
}

impl fmt::Display for ConfigError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.what, self.text),
            line => write!(f, "line {line}: {}: {}", self.what, self.text),
        }
    }
}

impl<'a> Config<'a> {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Names the first line that is not as it must be.
    pub fn parse(text: &'a str) -> Result<Self, ConfigError<'a>> {
        let mut config = Self {
            hostname: "",
            mtu: None,
            addresses: List::new(),
            gateways: List::new(),
            site: None,
            server: List::new(),
            port: 0,
            memory: 0,
        };
        for (index, line) in text.lines().enumerate() {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            config.set(key, value).map_err(|what| ConfigError {
                line: index + 1,
                what,
                text: line,
            })?;
        }
        for (missing, key) in [
            (config.hostname.is_empty(), "hostname"),
            (config.addresses.iter().next().is_none(), "address"),
            (config.server.iter().next().is_none(), "server"),
            (config.port == 0, "port"),
        ] {
            if missing {
                return Err(ConfigError { line: 0, what: "a key is missing", text: key });
            }
        }
        Ok(config)
    }

    fn set(&mut self, key: &str, value: &'a str) -> Result<(), &'static str> {
        let full = "there are too many of them";
        match key {
            "hostname" => self.hostname = value,
            "mtu" => self.mtu = Some(number(value)?),
            "address" => self.addresses.push(address(value)?).then_some(()).ok_or(full)?,
            "gateway" => {
                let ip = value.parse().map_err(|_| "no IP address")?;
                self.gateways.push(ip).then_some(()).ok_or(full)?;
            }
            "site" => self.site = Some(site(value)?),
            "server" => {
                for word in value.split(' ') {
                    self.server.push(word).then_some(()).ok_or(full)?;
                }
            }
            "port" => self.port = number(value)?,
            "memory" => self.memory = number(value)?,
            _ => return Err("unknown key"),
        }
        Ok(())
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "no number, or one out of range")
}

fn address(text: &str) -> Result<Address, &'static str> {
    let (ip, prefix) = text.split_once('/').ok_or("no prefix length")?;
    let ip: IpAddr = ip.parse().map_err(|_| "no IP address")?;
    let prefix = number(prefix)?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    if prefix > longest { Err("prefix length out of range") } else { Ok(Address { ip, prefix }) }
}

fn site(text: &str) -> Result<Site<'_>, &'static str> {
    let mut words = text.split(' ');
    let (uuid, filesystem, mode) = (words.next(), words.next(), words.next());
    let (Some(uuid), Some(filesystem), Some(mode), None) = (uuid, filesystem, mode, words.next())
    else {
        return Err("not UUID, type and ro or rw");
    };
    let read_only = match mode {
        "ro" => true,
        "rw" => false,
        _ => return Err("neither ro nor rw"),
    };
    Ok(Site { uuid: Uuid::parse(uuid).ok_or("no UUID")?, filesystem, read_only })
}

impl fmt::Display for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "hostname {}", self.hostname)?;
        if let Some(mtu) = self.mtu {
            writeln!(f, "mtu {mtu}")?;
        }
        for Address { ip, prefix } in self.addresses.iter() {
            writeln!(f, "address {ip}/{prefix}")?;
        }
        for gateway in self.gateways.iter() {
            writeln!(f, "gateway {gateway}")?;
        }
        if let Some(site) = self.site {
            let mode = if site.read_only { "ro" } else { "rw" };
            writeln!(f, "site {} {} {mode}", site.uuid, site.filesystem)?;
        }
        f.write_str("server")?;
        for word in self.server.iter() {
            write!(f, " {word}")?;
        }
        writeln!(f, "\nport {}\nmemory {}", self.port, self.memory)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const TEXT: &str = "hostname web\nmtu 1400\naddress 10.0.2.15/24\naddress 2001:db8::2/64\n\
        gateway 10.0.2.2\nsite 00112233-4455-6677-8899-aabbccddeeff ext3 ro\n\
        server /sbin/lighttpd -D\nport 80\nmemory 32\n";

    #[test]
    fn what_is_written_is_what_is_read() {
        let config = Config::parse(TEXT).unwrap();
        assert_eq!(config.to_string(), TEXT);
        assert_eq!(config.server.iter().count(), 2);
        assert!(config.site.unwrap().read_only);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, what) in [
            ("colour red", "unknown key"),
            ("port 70000", "no number, or one out of range"),
            ("address 10.0.0.1", "no prefix length"),
            ("address 10.0.0.1/33", "prefix length out of range"),
            ("gateway x", "no IP address"),
            ("site x ext3 ro", "no UUID"),
            ("site x ext3", "not UUID, type and ro or rw"),
        ] {
            let text = TEXT.replace("mtu 1400", line);
            let error = Config::parse(&text).unwrap_err();
            assert_eq!((error.line, error.what, error.text), (2, what, line));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Config::parse("hostname x\n").unwrap_err();
        assert_eq!(error.to_string(), "a key is missing: address");
    }
}
