//! The initramfs: PID 1, the server, their configuration, and in RAM storage the
//! site.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{digest_file, write_atomically};
use init::config::{Address, Config, List, Site as SiteConfig};
use init::superblock::Uuid;
use initramfs::{Listed, Tree};
use lighttpd_static::{ARGUMENTS, CONFIG, DOCUMENT_ROOT, USER_CONFIG};

use super::{Bench, server, tools};
use crate::cache::Inputs;
use crate::disk::Guids;
use crate::disk::site::EntryKind;
use crate::plan::{Plan, Storage};
use crate::target::Target;
use crate::variant::Variant;

/// The user and group that a confined server runs as: Debian's `nobody`.
const NOBODY: u32 = 65534;

/// A written archive.
pub(super) struct Built {
    /// The file.
    pub file: PathBuf,
    /// Its entries.
    pub entries: Vec<Listed>,
}

/// Writes the archive, unless the cache has it.
pub(super) fn build(bench: &Bench, server: &server::Built, init: &Path) -> Result<Built> {
    let plan = bench.plan;
    let conf = configuration(plan)?;
    let mut inputs = Inputs::from([
        ("PID 1".into(), digest_file(init)?.to_string()),
        ("server".into(), digest_file(&server.program)?.to_string()),
        ("server's configuration".into(), plan.server.config.clone()),
        ("configuration of PID 1".into(), conf.clone()),
        ("name servers".into(), resolver(plan)),
        ("builder".into(), tools::of_builder()?),
    ]);
    if let Some(user) = &plan.server.user_config {
        inputs.insert("user's configuration".into(), user.text().to_owned());
    }
    if plan.storage == Storage::Ram {
        inputs.insert("site".into(), plan.site.digest().to_string());
    }
    let tree = tree(plan, server, init, &conf)?;
    let entries = tree.list();
    let out =
        bench.cache.step("initramfs", "write the initramfs", &inputs, bench.progress, |job| {
            let mut archive = Vec::new();
            tree.write(&mut archive)?;
            write_atomically(&job.out.join("initramfs.cpio"), &archive)
        })?;
    Ok(Built { file: out.join("initramfs.cpio"), entries })
}

fn tree(plan: &Plan, server: &server::Built, init: &Path, conf: &str) -> Result<Tree> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let mut tree = Tree::new();
    tree.console()?;
    tree.program("/init", read(init)?, "PID 1: sets up, starts the server, shuts down")?;
    for (path, why) in [
        ("/etc", "configuration"),
        ("/etc/lighttpd", "configuration of the server"),
        ("/proc", "where PID 1 mounts proc: it lists the block devices"),
        ("/run", "room for the server's run-time files"),
        programs(plan.variant),
        (DOCUMENT_ROOT, "the site"),
        ("/sys", "where PID 1 mounts sysfs"),
        ("/tmp", "room for uploads and compressed answers"),
    ] {
        tree.directory(path, why)?;
    }
    tree.file("/etc/appliance.conf", conf.into(), "configuration of PID 1")?;
    if !plan.network.dns.is_empty() {
        tree.file("/etc/resolv.conf", resolver(plan).into(), "the name servers")?;
    }
    tree.program(plan.server.path, read(&server.program)?, "the server")?;
    tree.file(CONFIG, plan.server.config.clone().into(), "generated configuration of the server")?;
    if let Some(user) = &plan.server.user_config {
        tree.file(USER_CONFIG, user.text().into(), "the user's part of it")?;
    }
    if plan.storage == Storage::Ram {
        add_site(&mut tree, plan)?;
    }
    Ok(tree)
}

/// The directory of the server, and what it is for.
fn programs(variant: Variant) -> (&'static str, &'static str) {
    match variant {
        Variant::Default => ("/sbin", "programs"),
        Variant::Kml => ("/trusted", "programs that run in ring 0"),
    }
}

fn add_site(tree: &mut Tree, plan: &Plan) -> Result<()> {
    for entry in plan.site.entries() {
        let mut path = DOCUMENT_ROOT.as_bytes().to_vec();
        path.push(b'/');
        path.extend(entry.path.as_os_str().as_bytes());
        match &entry.kind {
            EntryKind::Directory => tree.directory(path, "of the site")?,
            EntryKind::File { source, .. } => {
                let content =
                    fs::read(source).with_context(|| format!("reading {}", source.display()))?;
                tree.file(path, content, "of the site")?;
            }
            EntryKind::Link { target } => {
                tree.link(path, target.as_os_str().as_bytes(), "of the site")?;
            }
        }
    }
    Ok(())
}

fn resolver(plan: &Plan) -> String {
    plan.network.dns.iter().map(|server| format!("nameserver {server}\n")).collect()
}

/// The text of `/etc/appliance.conf`.
fn configuration(plan: &Plan) -> Result<String> {
    let network = &plan.network;
    let mut addresses = List::new();
    for net in &network.addresses {
        let address = Address { ip: net.addr(), prefix: net.prefix_len() };
        push(&mut addresses, address, "addresses")?;
    }
    let mut gateways = List::new();
    for gateway in &network.gateways {
        push(&mut gateways, *gateway, "gateways")?;
    }
    let mut server = List::new();
    for word in [&[plan.server.path], ARGUMENTS].concat() {
        push(&mut server, word, "arguments")?;
    }
    let uuid = Uuid(Guids::derive(plan.seed()).filesystem.bytes());
    let config = Config {
        hostname: &network.hostname,
        mtu: network.mtu,
        addresses,
        gateways,
        site: match &plan.storage {
            Storage::Disk { filesystem, read_only, .. } => {
                Some(SiteConfig { uuid, filesystem: filesystem.name(), read_only: *read_only })
            }
            Storage::Ram => None,
        },
        server,
        vmware: plan.target == Target::Vmware,
        confine: plan.kernel.needs.hardened.then_some(NOBODY),
        port: plan.server.port,
        memory: plan.memory.direct,
    };
    Ok(config.to_string())
}

fn push<T: Copy>(list: &mut List<T>, item: T, what: &str) -> Result<()> {
    if list.push(item) {
        return Ok(());
    }
    let most = init::config::LIST_MAX;
    Err(host::refused(format!("there are more than {most} {what}")).into())
}
