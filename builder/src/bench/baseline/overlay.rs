//! What a Debian gets beside its packages: the site, its network, and the word on
//! the console that its server serves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{digest_bytes, digest_file};
use ipnet::IpNet;

use super::site::decode;
use super::symbols::script;
use crate::check::escape;
use crate::manifest::Manifest;

/// Where Debian's lighttpd serves from.
const DOCUMENT_ROOT: &str = "var/www/html";
/// What makes the machine write its kernel's symbols on the console.
pub(super) const SYMBOLS_ARGUMENT: &str = "systemd.wants=appliance-symbols.service";
/// Our programs in the machine.
const SERVING: &str = "usr/local/lib/appliance/serving";
const SYMBOLS: &str = "usr/local/lib/appliance/symbols";

/// Emulated on a busy host, a service may take longer than systemd's 90 seconds.
const PATIENCE: &str = "[Manager]\nDefaultTimeoutStartSec=15min\nDefaultDeviceTimeoutSec=15min\n";
const WANTED: &str = "[Unit]\nWants=appliance-serving.service\n";

/// Files by their path in the machine.
pub(super) struct Overlay {
    /// With their text.
    texts: BTreeMap<&'static str, String>,
    /// With their content on the host.
    site: BTreeMap<PathBuf, PathBuf>,
}

impl Overlay {
    /// For a machine that replaces the appliance of this manifest; `site` has the
    /// content of its files by their path in a URL.
    pub(super) fn new(manifest: &Manifest, site: &BTreeMap<String, PathBuf>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for file in &manifest.site {
            let content = site.get(&format!("/{}", escape(&file.path)));
            let content = content.with_context(|| format!("{} is not there", file.path))?;
            let path = PathBuf::from(OsString::from_vec(decode(&file.path)?));
            files.insert(Path::new(DOCUMENT_ROOT).join(path), content.clone());
        }
        Ok(Self { texts: texts(manifest)?, site: files })
    }

    /// The digest of every path and content.
    pub(super) fn digest(&self) -> Result<String> {
        let mut text = format!("{:?}\n", self.texts);
        for (path, content) in &self.site {
            let _ = writeln!(text, "{path:?} {}", digest_file(content)?);
        }
        Ok(digest_bytes(text.as_bytes()).to_string())
    }

    /// Writes every file below a directory.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        for (path, text) in &self.texts {
            let to = place(dir, Path::new(path))?;
            fs::write(&to, text).with_context(|| format!("writing {}", to.display()))?;
            if text.starts_with("#!") {
                fs::set_permissions(&to, fs::Permissions::from_mode(0o755))
                    .with_context(|| format!("making {} executable", to.display()))?;
            }
        }
        for (path, content) in &self.site {
            let to = place(dir, path)?;
            fs::copy(content, &to).with_context(|| format!("writing {}", to.display()))?;
        }
        Ok(())
    }
}

/// The place of a file; its directory is made.
fn place(dir: &Path, path: &Path) -> Result<PathBuf> {
    let to = dir.join(path);
    let parent = to.parent().unwrap_or(dir);
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    Ok(to)
}

fn texts(manifest: &Manifest) -> Result<BTreeMap<&'static str, String>> {
    let hostname = &manifest.network.hostname;
    Ok(BTreeMap::from([
        ("etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 1\n".to_owned()),
        ("etc/hostname", format!("{hostname}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost\n127.0.1.1 {hostname}\n")),
        // Without one, every start would be the first, which sets much up.
        ("etc/machine-id", format!("{}\n", &digest_bytes(hostname.as_bytes()).to_string()[..32])),
        ("etc/network/interfaces", interfaces(manifest)?),
        // mmdebstrap leaves the one of the host there.
        ("etc/resolv.conf", String::new()),
        ("etc/lighttpd/conf-enabled/00-appliance.conf", configuration(manifest)),
        ("etc/systemd/system.conf.d/appliance.conf", PATIENCE.to_owned()),
        ("etc/systemd/system/multi-user.target.d/appliance.conf", WANTED.to_owned()),
        (
            "etc/systemd/system/appliance-serving.service",
            service("lighttpd.service networking.service", SERVING),
        ),
        (
            "etc/systemd/system/appliance-symbols.service",
            service("appliance-serving.service", SYMBOLS),
        ),
        (SERVING, serving(manifest)),
        (SYMBOLS, script("/bin/sh", "")),
    ]))
}

/// A service that runs a program of ours once; what it says goes to the console,
/// where a login would write in between and hang up what was open before.
fn service(after: &str, program: &str) -> String {
    format!(
        "[Unit]\nAfter={after}\nBefore=serial-getty@ttyS0.service\n\
         [Service]\nType=oneshot\nStandardOutput=file:/dev/ttyS0\nExecStart=/{program}\n"
    )
}

/// Static addresses, as ifupdown takes them.
fn interfaces(manifest: &Manifest) -> Result<String> {
    let mut text = "auto lo eth0\niface lo inet loopback\n".to_owned();
    for address in &manifest.network.addresses {
        let net: IpNet =
            address.parse().with_context(|| format!("reading the address {address}"))?;
        let family = if net.addr().is_ipv4() { "inet" } else { "inet6" };
        let _ = writeln!(text, "iface eth0 {family} static\n    address {net}");
        if family == "inet6" {
            // The appliance does neither.
            text.push_str("    accept_ra 0\n    dad-attempts 0\n");
        }
        let beside = |gateway: &&IpAddr| net.contains(*gateway);
        if let Some(gateway) = manifest.network.gateways.iter().find(beside) {
            let _ = writeln!(text, "    gateway {gateway}");
        }
    }
    Ok(text)
}

/// What differs from Debian's own configuration of lighttpd.
fn configuration(manifest: &Manifest) -> String {
    let port = manifest.server.port;
    format!("server.port := {port}\n")
}

/// Says that the server serves once its port is open: lighttpd itself tells
/// systemd nothing.
fn serving(manifest: &Manifest) -> String {
    let port = manifest.server.port;
    let address = manifest.network.addresses.first().map_or("", String::as_str);
    let address = address.split('/').next().unwrap_or_default();
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    // The state 0A is TCP_LISTEN (include/net/tcp_states.h of the kernel).
    format!(
        "#!/bin/sh\n\
         until grep -q ':{port:04X} [0-9A-F:]* 0A ' /proc/net/tcp /proc/net/tcp6; do\n\
         \x20   sleep 0.02\n\
         done\n\
         read -r up _ </proc/uptime\n\
         echo \"appliance: serving http://{address}:{port} after ${{up%.*}}${{up#*.}}0 ms\"\n"
    )
}
