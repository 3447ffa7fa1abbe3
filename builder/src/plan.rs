//! The plan: everything that follows from a specification for one target.
//!
//! Here values are checked against each other and against the files that they
//! name. What comes after the plan is a function of it.

mod kernel;
mod network;
mod server;
mod tailor;
#[cfg(test)]
mod tests;
mod vmware;

use anyhow::Result;
use host::{Digest, Problem, digest_bytes};

use crate::disk::site::Site;
use crate::manifest::Memory;
use crate::spec::{DiskSize, DiskSpec, FilesystemKind, Profile, Project, StorageKind};
use crate::target::Target;
use crate::variant::Variant;

pub use kernel::{Kernel, Variation};
pub use network::Network;
pub use server::Server;
pub use vmware::Vmware;

/// What is to be built.
#[derive(Debug)]
pub struct Plan {
    /// Name of the appliance.
    pub name: String,
    /// What it is built for.
    pub target: Target,
    /// How its server runs.
    pub variant: Variant,
    /// The kernel's needs and command line.
    pub kernel: Kernel,
    /// The server program.
    pub server: Server,
    /// The static network.
    pub network: Network,
    /// The files that are served.
    pub site: Site,
    /// Where the guest keeps them.
    pub storage: Storage,
    /// The smallest memory that serves.
    pub memory: Memory,
    /// What a package for VMware says of its virtual machine; none for another
    /// target.
    pub vmware: Option<Vmware>,
}

/// Where the guest keeps the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// On a file system of its disk.
    Disk {
        /// The kind of file system.
        filesystem: FilesystemKind,
        /// Its size.
        size: DiskSize,
        /// Whether the guest mounts it read-only.
        read_only: bool,
    },
    /// In the initramfs.
    Ram,
}

impl Plan {
    /// Derives the plan of a project for a target.
    ///
    /// # Errors
    /// Refused when the specification contradicts itself or the variant, or names
    /// files that are not as they must be.
    pub fn new(project: &Project, target: Target, variant: Variant) -> Result<Self> {
        let spec = &project.spec;
        check_variant(project, variant)?;
        let storage = storage(project)?;
        let network = network::plan(project)?;
        let site = Site::collect(&project.path(&spec.server.root))?;
        let server = server::plan(project, variant, &network, &site)?;
        let kernel = kernel::plan(project, target, variant, &storage, &network)?;
        let memory = memory(&storage, site.bytes());
        let vmware = vmware::plan(project, target, &memory)?;
        Ok(Self {
            name: spec.name.to_string(),
            target,
            variant,
            kernel,
            server,
            network,
            site,
            storage,
            memory,
            vmware,
        })
    }

    /// What the disk's GUIDs and UUIDs are derived from: they follow the content,
    /// so that a kernel never serves the site of another build.
    pub fn seed(&self) -> Digest {
        digest_bytes(format!("{} {:?} {}", self.name, self.storage, self.site.digest()).as_bytes())
    }
}

/// A hardened kernel protects itself from its server, and one in ring 0 cannot be
/// kept from anything.
fn check_variant(project: &Project, variant: Variant) -> Result<()> {
    let profile = project.spec.kernel.profile;
    if variant != Variant::Kml || profile != Profile::Hardened {
        return Ok(());
    }
    let what = "a hardened kernel protects itself from the server, and with `--variant kml` the \
                server runs in ring 0, where nothing keeps it from the kernel";
    let hint = "build without --variant kml, or with profile = \"fast\"";
    Err(project.refuse("kernel", "profile", what).hint(hint).into())
}

fn storage(project: &Project) -> Result<Storage> {
    match (project.spec.server.storage, &project.spec.disk) {
        (StorageKind::Ram, None) => Ok(Storage::Ram),
        (StorageKind::Ram, Some(_)) => Err(project
            .refuse(
                "server",
                "storage",
                "with \"ram\" there is no disk, but the file has a [disk] section",
            )
            .hint("remove the section, or use storage = \"disk\"")
            .into()),
        (StorageKind::Disk, disk) => {
            let DiskSpec { filesystem, size, read_only } = disk.clone().unwrap_or_default();
            if !read_only && project.spec.kernel.profile == Profile::Hardened {
                return Err(unwritable(project).into());
            }
            Ok(Storage::Disk { filesystem, size, read_only })
        }
    }
}

/// The files of a site are root's, and only a server that is root could write to them.
fn unwritable(project: &Project) -> Problem {
    let what = "with the profile hardened all is read-only, and the server is a user without \
                rights, who could change nothing of the site";
    project.refuse("disk", "read-only", what).hint("remove the key, or use another profile")
}

/// The smallest memory that serves: measured for a small site by the boot tests,
/// which start with exactly this much; a site in the initramfs is there twice
/// while it is unpacked, and a third time where a boot loader has read it.
fn memory(storage: &Storage, site_bytes: u64) -> Memory {
    let in_ram = if *storage == Storage::Ram { site_bytes } else { 0 };
    let mib = |copies: u64| u32::try_from((in_ram * copies).div_ceil(1 << 20)).unwrap_or(u32::MAX);
    Memory {
        direct: mib(2).saturating_add(32),
        bios: mib(2).saturating_add(64),
        uefi: mib(3).saturating_add(96),
    }
}
