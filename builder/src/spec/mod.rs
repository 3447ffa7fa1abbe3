//! `appliance.toml`: what the user asks for, strictly read.
//!
//! Whatever one value alone can tell (a hostname that is none, an address
//! without prefix) is refused while the file is parsed, with its line. What
//! follows from several values together is the business of [`crate::plan`].

mod load;
mod profile;
#[macro_use]
mod values;
mod vmware;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

pub use load::{Project, load};
pub use profile::{Profile, TailorSpec};
pub use values::{Cidr, DiskSize, Hostname, KernelValue, Mtu, Port, Symbol};
pub use vmware::{FirmwareKind, GuestId, HardwareVersion, NetworkName, VmwareSpec};

/// A whole `appliance.toml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// Name of the appliance: of its output directory, and its host name unless
    /// `network.hostname` says otherwise.
    pub name: Hostname,
    /// The server program and what it serves.
    pub server: ServerSpec,
    /// The static network configuration.
    pub network: NetworkSpec,
    /// The disk of the site.
    pub disk: Option<DiskSpec>,
    /// Where logs go.
    #[serde(default)]
    pub log: LogSpec,
    /// Additions to the derived kernel configuration.
    #[serde(default)]
    pub kernel: KernelSpec,
    /// What a package for VMware says of the virtual machine.
    #[serde(default)]
    pub vmware: VmwareSpec,
}

/// Section `[server]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSpec {
    /// The server program.
    #[serde(default)]
    pub kind: ServerKind,
    /// The directory that is served, relative to `appliance.toml`.
    pub root: PathBuf,
    /// The TCP port, 1 to 65535.
    #[serde(default)]
    pub port: Port,
    /// Modules of the server beyond those that every site needs.
    #[serde(default)]
    pub modules: Vec<String>,
    /// A configuration file of the server's own kind that is read after the
    /// generated one, relative to `appliance.toml`.
    pub config: Option<PathBuf>,
    /// Where the guest keeps the site.
    #[serde(default)]
    pub storage: StorageKind,
}

/// The server programs that an appliance can be built around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// lighttpd, linked statically.
    #[default]
    Lighttpd,
}

/// Where the guest keeps the site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// On a file system of its disk.
    #[default]
    Disk,
    /// In the initramfs; the guest needs no disk.
    Ram,
}

/// Section `[network]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkSpec {
    /// Host name; the name of the appliance if not given.
    pub hostname: Option<Hostname>,
    /// IPv4 and IPv6 addresses with prefix lengths.
    pub addresses: Vec<Cidr>,
    /// At most one default gateway for IPv4 and one for IPv6.
    #[serde(default)]
    pub gateways: Vec<std::net::IpAddr>,
    /// Name servers.
    #[serde(default)]
    pub dns: Vec<std::net::IpAddr>,
    /// MTU of the interface in bytes; the driver's own if not given.
    pub mtu: Option<Mtu>,
}

/// Section `[disk]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DiskSpec {
    /// The file system of the site.
    pub filesystem: FilesystemKind,
    /// `auto`, or the size of the file system such as `64M`.
    pub size: DiskSize,
    /// Whether the guest mounts it read-only.
    pub read_only: bool,
}

impl Default for DiskSpec {
    fn default() -> Self {
        Self { filesystem: FilesystemKind::Ext3, size: DiskSize::Auto, read_only: true }
    }
}

/// The file systems that a site can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FilesystemKind {
    /// The thesis's choice, served by the kernel's ext4 driver.
    Ext3,
    /// ext4 with extents.
    Ext4,
}

impl FilesystemKind {
    /// The name that mount and mke2fs know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
        }
    }
}

/// Section `[log]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LogSpec {
    /// Where a line for each request goes.
    pub access: AccessLog,
}

/// Where the access log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// Nowhere.
    #[default]
    None,
    /// To the guest's console.
    Console,
}

/// Section `[kernel]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KernelSpec {
    /// What matters more, speed or protection.
    pub profile: Profile,
    /// What is left out, where it is not as the profile has it.
    pub tailor: TailorSpec,
    /// Appended to the kernel's command line.
    pub command_line: String,
    /// Further options by name without `CONFIG_`: true, false, a number or a
    /// text.
    pub options: BTreeMap<Symbol, KernelValue>,
}
