//! `manifest.json`: what an output directory holds, what it was made of, and
//! what a reader such as `run`, `test` or `inspect` needs to know about it.
//!
//! The manifest is written last; a directory without one is not ours.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use host::refused;
use kernel::Tailor;
use qemu::DiskFormat;
use serde::{Deserialize, Serialize};

use crate::disk::Format;
use crate::spec::{FirmwareKind, Profile};
use crate::variant::Variant;

/// The name of the manifest in an output directory.
pub const FILE_NAME: &str = "manifest.json";

/// The version of the manifest's own layout.
pub const LAYOUT: u32 = 1;

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`LAYOUT`] of the builder that wrote it.
    pub layout: u32,
    /// Version of the builder.
    pub appliance: String,
    /// Digest of everything that the build depends on.
    pub key: String,
    /// Name of the appliance.
    pub name: String,
    /// What it was built for, as on the command line.
    pub target: String,
    /// How the server runs; it was not told before there was more than one way.
    #[serde(default)]
    pub variant: Variant,
    /// Release of the kernel.
    pub kernel: String,
    /// The kernel's profile, as in `appliance.toml`.
    pub profile: Profile,
    /// What was left out of the kernel.
    pub tailor: Tailor,
    /// The kernel's command line.
    pub cmdline: String,
    /// The server program.
    pub server: Server,
    /// The network as built in.
    pub network: Network,
    /// Where the site is.
    pub storage: Storage,
    /// The smallest guest memory that serves, in MiB.
    pub memory: Memory,
    /// What the package says of its virtual machine, if there is a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmware: Option<Vmware>,
    /// Every file of the site.
    pub site: Vec<SiteFile>,
    /// Every entry of the initramfs, and why it is there.
    pub initramfs: Vec<InitramfsEntry>,
    /// Every source that something was built from.
    pub sources: Vec<SourceRecord>,
    /// The tools of the host that had a part in it, with their versions.
    pub tools: BTreeMap<String, String>,
    /// Every other file of the output directory, by name.
    pub files: BTreeMap<String, OutputFile>,
}

/// The server program of an appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its name.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// The TCP port that it listens on.
    pub port: u16,
    /// The modules that it was built with.
    pub modules: Vec<String>,
}

/// The network configuration of an appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The host name.
    pub hostname: String,
    /// Addresses with prefix lengths, as `ADDRESS/PREFIX`.
    pub addresses: Vec<String>,
    /// Default gateways.
    pub gateways: Vec<IpAddr>,
}

/// Where the site of an appliance is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Storage {
    /// On a file system of the disk.
    Disk {
        /// `ext3` or `ext4`.
        filesystem: String,
        /// UUID of the file system.
        uuid: String,
        /// Whether the guest mounts it read-only.
        read_only: bool,
    },
    /// In the initramfs.
    Ram,
}

/// The smallest memory in MiB with which an image serves, by the way it starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Kernel loaded by the hypervisor.
    pub direct: u32,
    /// From the disk by BIOS.
    pub bios: u32,
    /// From the disk by UEFI.
    pub uefi: u32,
}

/// What a package for VMware says of its virtual machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vmware {
    /// The version of the virtual hardware.
    pub hardware_version: String,
    /// The guest operating system, as VMware names it.
    pub guest_id: String,
    /// The firmware that starts the machine.
    pub firmware: FirmwareKind,
    /// The name of its network.
    pub network: String,
    /// Its memory in MiB.
    pub memory: u32,
}

/// One file of the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteFile {
    /// Path below the document root, without a leading slash. Bytes that are no
    /// UTF-8, and the percent sign itself, stand percent-encoded.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: String,
}

/// One entry of the initramfs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitramfsEntry {
    /// Absolute path in the guest.
    pub path: String,
    /// Size in bytes; 0 for what is no file.
    pub bytes: u64,
    /// Why it is there.
    pub why: String,
}

/// A source that something was built from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceRecord {
    /// What it is the source of, as in `source.toml`.
    pub name: String,
    /// Its version; the file name of a tarball of the user's.
    pub version: String,
    /// SHA-256 of the tarball.
    pub sha256: String,
    /// Whether it is the one that the project was tested with.
    pub tested: bool,
}

/// One file of the output directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: String,
    /// What it is for.
    pub why: String,
}

/// The form of a site's path in a manifest.
pub fn encode_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
    }
    text
}

impl Manifest {
    /// The disk image that QEMU is given, if there is one that it reads.
    pub fn disk(&self) -> Option<(String, DiskFormat)> {
        let formats = Format::value_variants().iter();
        let images = formats.map(|format| (format.file_name().to_owned(), format.in_qemu()));
        let package = (format!("{}.vmdk", self.name), DiskFormat::Vmdk);
        images.chain([package]).find(|(name, _)| self.files.contains_key(name))
    }

    /// Whether a directory holds a manifest, of whatever version.
    pub fn is_in(out: &Path) -> bool {
        let Ok(text) = fs::read(out.join(FILE_NAME)) else { return false };
        let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        manifest["layout"].is_u64() && manifest["appliance"].is_string()
    }

    /// Reads the manifest of an output directory.
    ///
    /// # Errors
    /// Refused when the directory has none or one that we did not write.
    pub fn read(out: &Path) -> Result<Self> {
        let path = out.join(FILE_NAME);
        if !path.is_file() {
            return Err(refused(format!("{} holds no {FILE_NAME}", out.display()))
                .hint("name a directory that `appliance build` has made")
                .into());
        }
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).map_err(|error| {
            refused(format!("{} is not a manifest of this version: {error}", path.display()))
                .hint("build it again with `appliance build`")
                .into()
        })
    }
}
