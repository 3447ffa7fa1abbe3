//! The output directory: everything in it is written beside its place, and it
//! takes the place in one step.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{
    Lock, StagedDir, check_interrupt, digest_bytes, digest_file, refused, write_atomically,
};

use super::package::{self, Contents};
use super::sign::Signer;
use super::{Bench, Built, initramfs, kernel, server, tools};
use crate::cache::{Inputs, key};
use crate::disk::site::EntryKind;
use crate::disk::{self, Boot, Disk, Format, Guids, Volume};
use crate::manifest::{self, InitramfsEntry, LAYOUT, Manifest, OutputFile, SiteFile, SourceRecord};
use crate::plan::{Plan, Storage, Vmware};

/// What the steps before have made.
pub(super) struct Parts {
    pub kernel: kernel::Built,
    pub server: server::Built,
    pub initramfs: initramfs::Built,
}

/// What is to be written beside the parts.
pub(super) struct Wanted<'a> {
    /// Disk images.
    pub formats: &'a [Format],
    /// What the package is signed with, if there is one and it is signed.
    pub signer: Option<&'a Signer<'a>>,
}

/// Refuses to replace what we have not made.
///
/// # Errors
/// Refused when there is something else than an output directory of ours.
pub(super) fn check_place(place: &Path) -> Result<()> {
    let Ok(meta) = place.symlink_metadata() else { return Ok(()) };
    let is_empty = || place.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if meta.is_dir() && (is_empty() || Manifest::is_in(place)) {
        return Ok(());
    }
    Err(refused(format!("{} is there and was not made by `appliance build`", place.display()))
        .hint("name another directory with -o, or remove it yourself")
        .into())
}

/// Makes the output directory, unless it is there with the same content.
///
/// # Errors
/// When something cannot be made or written; the place is then as it was.
pub(super) fn write(bench: &Bench, place: &Path, wanted: &Wanted, parts: Parts) -> Result<Built> {
    let tools = tools::of_disk()?;
    let inputs = inputs(bench.plan, wanted, &parts, &tools)?;
    let key = key(&inputs);
    let _lock = lock(bench, place)?;
    if let Some(manifest) = unchanged(place, &key) {
        return Ok(Built { out: place.to_owned(), manifest, unchanged: true });
    }
    check_place(place)?;
    let disk = make_disk(bench, &parts, &inputs)?;
    let staged = StagedDir::new(place)?;
    let line = bench.progress.begin("write the output");
    let dir = staged.path();
    for format in wanted.formats {
        check_interrupt()?;
        disk::write(&disk, *format, &dir.join(format.file_name()))?;
    }
    write_package(bench.plan, wanted, &parts, &disk, dir)?;
    copy_parts(bench.plan, &parts, dir)?;
    let manifest = manifest(bench.plan, &parts, key, tools, dir)?;
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    write_atomically(&dir.join(manifest::FILE_NAME), &text)?;
    staged.commit()?;
    line.done();
    Ok(Built { out: place.to_owned(), manifest, unchanged: false })
}

/// Writes the package of a target that has one.
fn write_package(
    plan: &Plan,
    wanted: &Wanted,
    parts: &Parts,
    disk: &Path,
    dir: &Path,
) -> Result<()> {
    let Some(vmware) = &plan.vmware else { return Ok(()) };
    check_interrupt()?;
    let (server, kernel) = (parts.server.describe(plan), parts.kernel.release.as_str());
    Contents { plan, vmware, server, kernel, disk, signer: wanted.signer }.write(dir)
}

/// Builds into the same place take turns.
fn lock(bench: &Bench, place: &Path) -> Result<Lock> {
    let place =
        std::path::absolute(place).with_context(|| format!("finding {}", place.display()))?;
    let name = digest_bytes(place.as_os_str().as_encoded_bytes()).to_string();
    bench.cache.lock(&format!("work/outputs/{}", &name[..16]), bench.progress)
}

/// The manifest of the place, if it has this key and every file is as it says.
fn unchanged(place: &Path, key: &str) -> Option<Manifest> {
    let manifest = Manifest::read(place).ok().filter(|manifest| manifest.key == key)?;
    let sound = manifest.files.iter().all(|(name, file)| {
        digest_file(&place.join(name)).is_ok_and(|digest| digest.to_string() == file.sha256)
    });
    sound.then_some(manifest)
}

/// The inputs of the output directory that are none of the disk's.
const NO_DISK: [&str; 3] = ["formats", "package", "certificate"];

fn inputs(plan: &Plan, wanted: &Wanted, parts: &Parts, tools: &Inputs) -> Result<Inputs> {
    let mut inputs = tools.clone();
    inputs.insert("kernel".into(), digest_file(&parts.kernel.dir.join("vmlinuz"))?.to_string());
    inputs.insert("initramfs".into(), digest_file(&parts.initramfs.file)?.to_string());
    inputs.insert("command line".into(), plan.kernel.cmdline.clone());
    let variant = plan.variant.name();
    inputs.insert("plan".into(), format!("{} {variant} {:?}", plan.name, plan.storage));
    inputs.insert("profile".into(), plan.kernel.profile.gives_up(plan.kernel.needs.tailor));
    inputs.insert("site".into(), plan.site.digest().to_string());
    inputs.insert("formats".into(), format!("{:?}", wanted.formats));
    if let Some(vmware) = &plan.vmware {
        inputs.insert("package".into(), format!("{vmware:?}"));
    }
    if let Some(signer) = wanted.signer {
        inputs.insert("certificate".into(), signer.certificates.clone());
    }
    inputs.insert("sources".into(), serde_json::to_string(&sources(parts))?);
    inputs.insert("builder".into(), tools::of_builder()?);
    Ok(inputs)
}

fn make_disk(bench: &Bench, parts: &Parts, inputs: &Inputs) -> Result<PathBuf> {
    let plan = bench.plan;
    let volume = match plan.storage {
        Storage::Disk { filesystem, size, .. } => {
            Some(Volume { site: &plan.site, kind: filesystem, size })
        }
        Storage::Ram => None,
    };
    let boot = Boot {
        kernel: &parts.kernel.dir.join("vmlinuz"),
        initramfs: &parts.initramfs.file,
        cmdline: &plan.kernel.cmdline,
    };
    let disk = Disk { boot, volume, guids: Guids::derive(plan.seed()) };
    let inputs = inputs.clone().into_iter();
    let inputs = inputs.filter(|(name, _)| !NO_DISK.contains(&name.as_str())).collect();
    let out = bench
        .cache
        .step("disk", "make the disk", &inputs, bench.progress, |job| disk.make(job).map(drop))?;
    Ok(out.join(Format::Raw.file_name()))
}

/// The files of an output directory that are no disk images, and what for.
const FILES: [(&str, &str); 8] = [
    ("vmlinuz", "the kernel as a bzImage, for direct start"),
    ("vmlinux", "the kernel uncompressed, for direct start by PVH"),
    ("System.map", "the addresses of the kernel's functions"),
    ("kernel.config", "the effective configuration of the kernel"),
    ("initramfs.cpio", "PID 1, the server and their configuration"),
    ("lighttpd.conf", "the configuration of the server, as in the initramfs"),
    ("cmdline", "the kernel's command line"),
    ("NOTICES", "licences of what the image holds"),
];

fn copy_parts(plan: &Plan, parts: &Parts, dir: &Path) -> Result<()> {
    for name in ["vmlinuz", "vmlinux", "System.map", "kernel.config"] {
        copy(&parts.kernel.dir.join(name), &dir.join(name))?;
    }
    copy(&parts.initramfs.file, &dir.join("initramfs.cpio"))?;
    write_atomically(&dir.join("lighttpd.conf"), plan.server.config.as_bytes())?;
    write_atomically(&dir.join("NOTICES"), parts.server.notices.as_bytes())?;
    write_atomically(&dir.join("cmdline"), format!("{}\n", plan.kernel.cmdline).as_bytes())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(|error| host::explain_io(error, to))
}

fn why(plan: &Plan, name: &str) -> &'static str {
    let names = package::Names::of(&plan.name);
    let mut known = FILES.into_iter().chain(names.why());
    known.find(|(file, _)| *file == name).map_or("the disk", |(_, why)| why)
}

fn sources(parts: &Parts) -> Vec<SourceRecord> {
    std::iter::once(&parts.kernel.source).chain(&parts.server.sources).cloned().collect()
}

fn manifest(
    plan: &Plan,
    parts: &Parts,
    key: String,
    tools: Inputs,
    dir: &Path,
) -> Result<Manifest> {
    let mut files = BTreeMap::new();
    for (name, sha256) in crate::cache::digests(dir)? {
        let name = name.to_string_lossy().into_owned();
        let bytes = dir.join(&name).metadata().with_context(|| format!("reading {name}"))?.len();
        let why = why(plan, &name).to_owned();
        files.insert(name, OutputFile { bytes, sha256, why });
    }
    Ok(Manifest {
        layout: LAYOUT,
        appliance: env!("CARGO_PKG_VERSION").into(),
        key,
        name: plan.name.clone(),
        target: plan.target.name().into(),
        variant: plan.variant,
        kernel: parts.kernel.release.clone(),
        profile: plan.kernel.profile,
        tailor: plan.kernel.needs.tailor,
        cmdline: plan.kernel.cmdline.clone(),
        server: parts.server.describe(plan),
        network: manifest::Network {
            hostname: plan.network.hostname.clone(),
            addresses: plan.network.addresses.iter().map(ToString::to_string).collect(),
            gateways: plan.network.gateways.clone(),
        },
        storage: storage(plan),
        memory: plan.memory,
        vmware: plan.vmware.as_ref().map(vmware),
        site: site(plan),
        initramfs: parts.initramfs.entries.iter().map(entry).collect(),
        sources: sources(parts),
        tools,
        files,
    })
}

fn storage(plan: &Plan) -> manifest::Storage {
    match plan.storage {
        Storage::Disk { filesystem, read_only, .. } => manifest::Storage::Disk {
            filesystem: filesystem.name().into(),
            uuid: Guids::derive(plan.seed()).filesystem.to_string(),
            read_only,
        },
        Storage::Ram => manifest::Storage::Ram,
    }
}

fn vmware(vmware: &Vmware) -> manifest::Vmware {
    manifest::Vmware {
        hardware_version: vmware.hardware_version.name(),
        guest_id: vmware.guest_id.into(),
        firmware: vmware.firmware,
        network: vmware.network.clone(),
        memory: vmware.memory,
    }
}

fn site(plan: &Plan) -> Vec<SiteFile> {
    let file = |entry: &crate::disk::site::Entry| match &entry.kind {
        EntryKind::File { bytes, digest, .. } => Some(SiteFile {
            path: manifest::encode_path(&entry.path),
            bytes: *bytes,
            sha256: digest.to_string(),
        }),
        EntryKind::Directory | EntryKind::Link { .. } => None,
    };
    plan.site.entries().iter().filter_map(file).collect()
}

fn entry(listed: &::initramfs::Listed) -> InitramfsEntry {
    InitramfsEntry { path: listed.path.clone(), bytes: listed.bytes, why: listed.why.clone() }
}
