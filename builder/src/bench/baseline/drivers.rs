//! The modules that a machine's drivers are in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Command, Job, failed};
use qemu::{DiskBus, Machine, Network, Nic};

use crate::manifest::{Manifest, Storage};

/// The drivers that a machine and the site's file system need, by the names of
/// their modules.
pub(super) fn of(manifest: &Manifest, machine: &Machine) -> Vec<&'static str> {
    let mut drivers = Vec::new();
    if let Some(disk) = &machine.disk {
        drivers.extend(of_disk(disk.bus));
    }
    if !matches!(machine.network, Network::None) {
        drivers.extend(of_nic(machine.nic));
    }
    if matches!(manifest.storage, Storage::Disk { .. }) {
        // It also mounts what is ext3.
        drivers.push("ext4");
    }
    drivers
}

fn of_disk(bus: DiskBus) -> &'static [&'static str] {
    match bus {
        DiskBus::Virtio => &["virtio_pci", "virtio_blk"],
        DiskBus::Pvscsi => &["vmw_pvscsi", "sd_mod"],
        DiskBus::Lsi => &["sym53c8xx", "sd_mod"],
        DiskBus::LsiSas => &["mptsas", "sd_mod"],
        DiskBus::Ahci => &["ahci", "sd_mod"],
        DiskBus::Ide => &["ata_piix", "sd_mod"],
        DiskBus::Nvme => &["nvme"],
        DiskBus::Usb => &["xhci_pci", "usb_storage", "sd_mod"],
    }
}

fn of_nic(nic: Nic) -> &'static [&'static str] {
    match nic {
        Nic::Virtio => &["virtio_pci", "virtio_net"],
        Nic::Vmxnet3 => &["vmxnet3"],
        Nic::E1000 => &["e1000"],
        Nic::E1000e => &["e1000e"],
        Nic::Igb => &["igb"],
    }
}

/// The files of the drivers and of what each of them needs, in the order of
/// loading. What the kernel has built in has none.
///
/// # Errors
/// When the kernel has no such driver.
pub(super) fn in_order(
    tree: &Path,
    release: &str,
    drivers: &[&str],
    job: &Job,
) -> Result<Vec<PathBuf>> {
    // An empty directory instead of this system's own settings.
    let settings = job.scratch.join("modprobe.d");
    fs::create_dir(&settings).with_context(|| format!("creating {}", settings.display()))?;
    let mut modules: Vec<PathBuf> = Vec::new();
    for driver in drivers {
        let outcome = Command::new("modprobe")
            .arg("--show-depends")
            .arg("-C")
            .arg(&settings)
            .arg("-d")
            .arg(tree)
            .args(["-S", release, driver])
            .log(&job.log)
            .outcome()?;
        if !outcome.status.success() {
            return Err(failed(format!("Debian's kernel {release} has no driver {driver}"))
                .hint("the image is made for devices that this kernel does not know")
                .into());
        }
        for line in String::from_utf8_lossy(&outcome.stdout).lines() {
            let Some(path) = line.strip_prefix("insmod ") else { continue };
            let path = PathBuf::from(path.trim_end());
            if !modules.contains(&path) {
                modules.push(path);
            }
        }
    }
    Ok(modules)
}

/// Puts a module into a directory, decompressed: a kernel of another configuration
/// could not do that. Gives its name there.
pub(super) fn unpack(module: &Path, place: &Path) -> Result<String> {
    let name = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (plain, program) = match name.rsplit_once('.') {
        Some((plain, "xz")) => (plain, Some("xz")),
        Some((plain, "zst")) => (plain, Some("zstd")),
        _ => (name.as_str(), None),
    };
    let bytes = match program {
        Some(program) => Command::new(program).arg("-dc").arg(module).output()?,
        None => fs::read(module).with_context(|| format!("reading {}", module.display()))?,
    };
    fs::write(place.join(plain), bytes).with_context(|| format!("writing {plain}"))?;
    Ok(plain.to_owned())
}

/// How many modules there are below a directory.
pub(super) fn count(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in dir.read_dir().with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            sum += count(&path)?;
        } else if name.ends_with(".ko") || name.contains(".ko.") {
            sum += 1;
        }
    }
    Ok(sum)
}
