//! `/etc/appliance.conf`: what the builder tells PID 1.
//!
//! One `key value` a line, strictly read: a key that is unknown, or there twice
//! where it can only be once, is an error. [`Config`] is both the parsed form and,
//! shown, the file. Words are parted by one space, so that a word of the server's
//! command line cannot hold one.

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
    pub fn iter(&self) -> impl Iterator<Item = T> + Clone + '_ {
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

impl Address {
    /// Whether another address is in the same network.
    pub fn has(&self, other: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.ip, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.leading_zeros() >= prefix
            }
            _ => false,
        }
    }
}

/// The kinds of file system that PID 1 recognises.
const FILESYSTEMS: [&str; 2] = ["ext3", "ext4"];

/// The file system of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site<'a> {
    /// UUID of the file system.
    pub uuid: Uuid,
    /// Its type as mount names it: ext3 or ext4.
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
    /// Whether the hypervisor is VMware, which listens at a port.
    pub vmware: bool,
    /// The user and group that the server runs as, under a filter of its system
    /// calls; none when it is not confined.
    pub confine: Option<u32>,
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
            vmware: false,
            confine: None,
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
        match key {
            "hostname" => once(self.hostname.is_empty(), &mut self.hostname, value),
            "mtu" => once(self.mtu.is_none(), &mut self.mtu, Some(number(value)?)),
            "address" => one_more(&mut self.addresses, parse_address(value)?),
            "gateway" => one_more(&mut self.gateways, value.parse().map_err(|_| "no IP address")?),
            "site" => once(self.site.is_none(), &mut self.site, Some(site(value)?)),
            "server" if self.server.iter().next().is_some() => Err(TWICE),
            "server" => value.split(' ').try_for_each(|word| match word {
                "" => Err("an empty word"),
                word => one_more(&mut self.server, word),
            }),
            "hypervisor" if value != "vmware" => Err("unknown hypervisor"),
            "hypervisor" => once(!self.vmware, &mut self.vmware, true),
            "confine" => once(self.confine.is_none(), &mut self.confine, Some(number(value)?)),
            "port" => once(self.port == 0, &mut self.port, number(value)?),
            "memory" => once(self.memory == 0, &mut self.memory, number(value)?),
            _ => Err("unknown key"),
        }
    }
}

const TWICE: &str = "the key is there twice";

fn once<T>(is_first: bool, place: &mut T, value: T) -> Result<(), &'static str> {
    if !is_first {
        return Err(TWICE);
    }
    *place = value;
    Ok(())
}

fn one_more<T: Copy>(list: &mut List<T>, item: T) -> Result<(), &'static str> {
    list.push(item).then_some(()).ok_or("there are too many of them")
}

fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "no number, or one out of range")
}

/// Reads `ADDRESS/PREFIX`.
pub(crate) fn parse_address(text: &str) -> Result<Address, &'static str> {
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
    if !FILESYSTEMS.contains(&filesystem) {
        return Err("neither ext3 nor ext4");
    }
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
        if self.vmware {
            f.write_str("\nhypervisor vmware")?;
        }
        if let Some(user) = self.confine {
            write!(f, "\nconfine {user}")?;
        }
        writeln!(f, "\nport {}\nmemory {}", self.port, self.memory)
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;

    const TEXT: &str = "hostname web\nmtu 1400\naddress 10.0.2.15/24\naddress 2001:db8::2/64\n\
        gateway 10.0.2.2\nsite 00112233-4455-6677-8899-aabbccddeeff ext3 ro\n\
        server /sbin/lighttpd -D\nhypervisor vmware\nconfine 65534\nport 80\nmemory 32\n";
    const LEAST: &str = "hostname web\naddress ::1/128\nserver /server\nport 1\nmemory 0\n";

    #[test]
    fn what_is_written_is_what_is_read() {
        let config = Config::parse(TEXT).unwrap();
        assert_eq!(config.to_string(), TEXT);
        assert_eq!(config.server.iter().count(), 2);
        assert!(config.site.unwrap().read_only);
        assert_eq!(Config::parse(LEAST).unwrap().to_string(), LEAST);
        let writable = TEXT.replace(" ext3 ro", " ext4 rw");
        assert_eq!(Config::parse(&writable).unwrap().to_string(), writable);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (line, what) in [
            ("", "unknown key"),
            ("colour red", "unknown key"),
            ("mtu 65536", "no number, or one out of range"),
            ("mtu", "no number, or one out of range"),
            ("address 10.0.0.1", "no prefix length"),
            ("address 10.0.0.1/33", "prefix length out of range"),
            ("address x/3", "no IP address"),
            ("gateway x", "no IP address"),
            ("site x ext3 ro", "no UUID"),
            ("site x ext3", "not UUID, type and ro or rw"),
            ("site 00112233-4455-6677-8899-aabbccddeeff xfs ro", "neither ext3 nor ext4"),
            ("site 00112233-4455-6677-8899-aabbccddeeff ext3 no", "neither ro nor rw"),
            ("server /sbin/lighttpd  -D", "an empty word"),
            ("hypervisor xen", "unknown hypervisor"),
            ("confine nobody", "no number, or one out of range"),
            ("hostname other", TWICE),
        ] {
            let text = TEXT.replace("mtu 1400", line);
            let error = Config::parse(&text).unwrap_err();
            assert_eq!((error.line, error.what, error.text), (2, what, line));
        }
    }

    #[test]
    fn what_can_only_be_once_is_there_once() {
        for line in TEXT.lines() {
            let text = format!("{TEXT}{line}\n");
            let repeated = line.starts_with("address") || line.starts_with("gateway");
            let error = Config::parse(&text).err();
            assert_eq!(error.map(|error| error.what), (!repeated).then_some(TWICE), "{line}");
        }
    }

    #[test]
    fn lists_have_an_end() {
        let text = format!("{LEAST}{}", "gateway ::1\n".repeat(LIST_MAX));
        assert_eq!(Config::parse(&text).unwrap().gateways.iter().count(), LIST_MAX);
        let text = format!("{text}gateway ::1\n");
        assert_eq!(Config::parse(&text).unwrap_err().what, "there are too many of them");
    }

    #[test]
    fn what_is_missing_is_named() {
        for key in ["hostname", "address", "server", "port"] {
            let text: std::string::String = LEAST
                .lines()
                .filter(|line| !line.starts_with(key))
                .map(|l| format!("{l}\n"))
                .collect();
            let error = Config::parse(&text).unwrap_err();
            assert_eq!(error.to_string(), format!("a key is missing: {key}"));
        }
    }
}
