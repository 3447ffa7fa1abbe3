//! `appliance export`: what an engine that runs many machines needs to run an
//! image, in one directory.

mod kubevirt;
mod libvirt;
mod oci;
mod proxmox;
#[cfg(test)]
mod tests;
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use host::{StagedDir, explain_io, refused, write_atomically};
use qemu::DiskFormat;

use crate::cli::ExportArgs;
use crate::manifest::Manifest;
use crate::report::say;
use crate::spec::FirmwareKind;
use crate::target::Target;

/// An engine that runs virtual machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A domain for libvirt
    Libvirt,
    /// A script of `qm` commands for Proxmox VE
    Proxmox,
    /// A VirtualMachine for KubeVirt, and its disk as a container image
    Kubevirt,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt",
            Self::Proxmox => "proxmox",
            Self::Kubevirt => "kubevirt",
        }
    }
}

/// The virtual machine that an image asks for.
struct Machine<'a> {
    manifest: &'a Manifest,
    target: Target,
    firmware: FirmwareKind,
    /// In MiB.
    memory: u32,
    disk: Image,
}

/// The disk image that goes with it.
struct Image {
    /// Where it is.
    path: PathBuf,
    format: DiskFormat,
    /// What it is called in the export.
    name: String,
}

impl<'a> Machine<'a> {
    fn new(out: &Path, manifest: &'a Manifest, firmware: Option<FirmwareKind>) -> Result<Self> {
        let target = Target::from_name(&manifest.target)?;
        let packaged = manifest.vmware.as_ref().map(|vmware| vmware.firmware);
        let firmware = firmware.or(packaged).unwrap_or_default();
        let memory = match firmware {
            FirmwareKind::Bios => manifest.memory.bios,
            FirmwareKind::Uefi => manifest.memory.uefi,
        };
        let (file, format) = manifest.disk().ok_or_else(|| {
            refused(format!("{} holds no disk image", out.display()))
                .hint("build it with --format qcow2")
        })?;
        let extension = Path::new(&file).extension().unwrap_or_default().to_string_lossy();
        let name = format!("{}.{extension}", manifest.name);
        let disk = Image { path: out.join(&file), format, name };
        Ok(Self { manifest, target, firmware, memory, disk })
    }

    /// The name of the appliance.
    fn name(&self) -> &str {
        &self.manifest.name
    }

    /// What is in it, in one line.
    fn description(&self) -> String {
        let Manifest { server, kernel, appliance, .. } = self.manifest;
        let addresses = self.manifest.network.addresses.join(", ");
        format!(
            "{} {} on Linux {kernel}, port {} of {addresses}; made by appliance {appliance}",
            server.kind, server.version, server.port
        )
    }
}

/// Carries out `appliance export` and says what comes next.
///
/// # Errors
/// As [`export`].
pub fn command(args: &ExportArgs) -> Result<ExitCode> {
    let (place, next) = export(args)?;
    say!("made {}; to run the machine:", place.display());
    for step in next {
        say!("  {}", step.replace("DIR", &place.display().to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the directory of an export; gives its path and what is to be done with it,
/// where `DIR` stands for it.
///
/// # Errors
/// Refused when the directory is no build's, when the engine has not what the image
/// needs, or when the place is taken.
fn export(args: &ExportArgs) -> Result<(PathBuf, Vec<String>)> {
    let out = &args.out.path;
    let manifest = Manifest::read(out)?;
    let machine = Machine::new(out, &manifest, args.firmware)?;
    if args.image.is_some() && args.engine != Engine::Kubevirt {
        return Err(refused("--image names a container image, which only kubevirt has").into());
    }
    let place = args.output.clone().unwrap_or_else(|| default_place(out, args.engine));
    check_place(&place, machine.name())?;
    let staged = StagedDir::new(&place)?;
    let next = match args.engine {
        Engine::Libvirt => libvirt::write(&machine, staged.path())?,
        Engine::Proxmox => proxmox::write(&machine, staged.path())?,
        Engine::Kubevirt => kubevirt::write(&machine, args.image.as_deref(), staged.path())?,
    };
    staged.commit()?;
    Ok((place, next))
}

/// Beside the directory of the build.
fn default_place(out: &Path, engine: Engine) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push("-");
    name.push(engine.name());
    out.with_file_name(name)
}

/// Refuses to replace what is no export of this appliance.
fn check_place(place: &Path, name: &str) -> Result<()> {
    if place.symlink_metadata().is_err() {
        return Ok(());
    }
    let is_ours = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().strip_prefix(name).is_some_and(|rest| {
            const OURS: [&str; 9] =
                [".xml", "-qm.sh", ".yaml", "-image", ".qcow2", ".raw", ".vmdk", ".vhd", ".vhdx"];
            OURS.contains(&rest)
        })
    };
    let entries = place.read_dir().and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    if entries.is_ok_and(|entries| entries.iter().all(is_ours)) {
        return Ok(());
    }
    Err(refused(format!("{} is there and holds more than an export of {name}", place.display()))
        .hint("name another directory with -o, or remove it yourself")
        .into())
}

/// Puts a text beside the disk.
fn write_text(dir: &Path, name: &str, text: &str) -> Result<()> {
    write_atomically(&dir.join(name), text.as_bytes())
}

/// Puts a copy of the disk into the export, which can then be moved as a whole.
fn copy_disk(disk: &Image, dir: &Path) -> Result<()> {
    let place = dir.join(&disk.name);
    fs::copy(&disk.path, &place).map(drop).map_err(|error| explain_io(error, &place))
}

/// The disk if its format is one of QEMU's own, which it can also write.
fn needs_qemu_format<'a>(machine: &'a Machine, engine: &str) -> Result<&'a Image> {
    let disk = &machine.disk;
    match disk.format {
        DiskFormat::Raw | DiskFormat::Qcow2 => Ok(disk),
        DiskFormat::Vmdk | DiskFormat::Vhd | DiskFormat::Vhdx => {
            let target = machine.target.name();
            Err(refused(format!("{engine} does not take the disk {}", disk.name))
                .hint(format!("build it with --target {target} --format qcow2"))
                .into())
        }
    }
}
