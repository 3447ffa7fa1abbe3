//! The package for VMware: disk, descriptor, manifest, signature, and all of them
//! in one file.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use host::{Staged, digest_file, write_atomically};
use images::ova::{self, Member, Package};
use images::ovf::{Descriptor, DiskFile, Hardware, Product, Property};
use images::vmdk;

use super::sign::Signer;
use crate::disk::{TIME, explain};
use crate::manifest;
use crate::plan::{Plan, Vmware};

/// What begins the keys of PID 1's properties (`init::overrides`), before a dot.
const CLASS: &str = "appliance";

/// The names of a package's files.
pub(crate) struct Names {
    pub(crate) ova: String,
    pub(crate) ovf: String,
    pub(crate) manifest: String,
    pub(crate) certificate: String,
    pub(crate) disk: String,
}

impl Names {
    /// The names in the package of an appliance.
    pub(crate) fn of(appliance: &str) -> Self {
        let name = |extension: &str| format!("{appliance}.{extension}");
        Self {
            ova: name("ova"),
            ovf: name("ovf"),
            manifest: name("mf"),
            certificate: name("cert"),
            disk: name("vmdk"),
        }
    }

    /// What each is for.
    pub(crate) fn why(&self) -> [(&str, &'static str); 5] {
        [
            (&self.ova, "the package for VMware: the next four files in one"),
            (&self.ovf, "the description of the virtual machine"),
            (&self.manifest, "the digests of the package's files"),
            (&self.certificate, "the signature of the package's digests"),
            (&self.disk, "the disk as VMware imports it"),
        ]
    }
}

/// What a package is made of.
pub(super) struct Contents<'a> {
    pub(super) plan: &'a Plan,
    pub(super) vmware: &'a Vmware,
    pub(super) server: manifest::Server,
    /// The release of the kernel.
    pub(super) kernel: &'a str,
    /// The disk, byte for byte.
    pub(super) disk: &'a Path,
    pub(super) signer: Option<&'a Signer<'a>>,
}

impl Contents<'_> {
    /// Writes the package's files into a directory.
    ///
    /// # Errors
    /// When something cannot be read or written, or openssl fails.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let names = Names::of(&self.plan.name);
        let disk = self.write_disk(&names.disk, &dir.join(&names.disk))?;
        write_atomically(&dir.join(&names.ovf), self.descriptor(disk).as_bytes())?;
        let digest = |name| anyhow::Ok((name, digest_file(&dir.join(name))?.to_string()));
        let digests = [digest(names.ovf.as_str())?, digest(names.disk.as_str())?];
        let manifest = dir.join(&names.manifest);
        write_atomically(&manifest, ova::manifest(digests).as_bytes())?;
        if let Some(signer) = self.signer {
            let text = signer.sign(&names.manifest, &manifest)?;
            write_atomically(&dir.join(&names.certificate), text.as_bytes())?;
        }
        self.pack(&names, dir)
    }

    fn write_disk<'a>(&self, name: &'a str, place: &Path) -> Result<DiskFile<'a>> {
        let reading = || format!("reading {}", self.disk.display());
        let mut source = File::open(self.disk).with_context(reading)?;
        let capacity = source.metadata().with_context(reading)?.len();
        let mut staged = Staged::new(place)?;
        let written = vmdk::stream::write(&mut source, capacity, name, staged.file())
            .map_err(|error| explain(error, place))?;
        staged.commit()?;
        let (bytes, populated) = (written.image_len, written.populated);
        Ok(DiskFile { name, bytes, capacity, populated })
    }

    fn descriptor(&self, disk: DiskFile<'_>) -> String {
        let Self { plan, vmware, server, .. } = self;
        let given = properties(plan);
        let descriptor = Descriptor {
            name: &plan.name,
            product: Product { name: &plan.name, version: &server.version, class: CLASS },
            annotation: &self.annotation(),
            disk,
            hardware: Hardware {
                version: vmware.hardware_version,
                guest_id: vmware.guest_id,
                firmware: vmware.ovf_firmware(),
                processors: 1,
                memory: vmware.memory,
            },
            network: &vmware.network,
            properties: given.iter().map(Given::property).collect(),
        };
        descriptor.document()
    }

    /// What is in the image, in the words of a person.
    fn annotation(&self) -> String {
        let Self { plan, server, kernel, .. } = self;
        let addresses = list(&plan.network.addresses);
        format!(
            "{} {} on Linux {kernel}, made by appliance {}.\n\
             It serves {} files on port {} of {addresses}, unless the properties say otherwise.\n\
             In it are a kernel for this hypervisor, a PID 1, the server and the site; no shell, \
             no login, no package manager. A new version replaces the whole machine.",
            server.kind,
            server.version,
            env!("CARGO_PKG_VERSION"),
            plan.site.files(),
            server.port,
        )
    }

    fn pack(&self, names: &Names, dir: &Path) -> Result<()> {
        let mut descriptor = Part::open(&names.ovf, dir)?;
        let mut manifest = Part::open(&names.manifest, dir)?;
        let mut certificate =
            self.signer.map(|_| Part::open(&names.certificate, dir)).transpose()?;
        let mut disk = Part::open(&names.disk, dir)?;
        let package = Package {
            descriptor: descriptor.member(),
            manifest: manifest.member(),
            certificate: certificate.as_mut().map(Part::member),
            files: vec![disk.member()],
        };
        let place = dir.join(&names.ova);
        let mut staged = Staged::new(&place)?;
        ova::write(staged.file(), package, TIME).map_err(|error| explain(error, &place))?;
        staged.commit()
    }
}

/// A property of PID 1, and what was built in.
struct Given {
    key: &'static str,
    label: &'static str,
    description: String,
    max: usize,
}

impl Given {
    fn property(&self) -> Property<'_> {
        let Self { key, label, description, max } = self;
        Property { key, label, description, max: *max }
    }
}

/// The longest host name of Linux (`HOST_NAME_MAX`).
const HOSTNAME_MAX: usize = 64;
/// The longest list: as many addresses as PID 1 takes, each with its prefix length
/// and a comma.
const LIST_MAX: usize =
    init::config::LIST_MAX * "0000:0000:0000:0000:0000:0000:0000:0000/128,".len();

/// What PID 1 takes as properties. Their keys are tested against it.
fn properties(plan: &Plan) -> [Given; 4] {
    let network = &plan.network;
    let given = |key, label, what: &str, built_in: &str, max| Given {
        key,
        label,
        description: format!("{what}. Empty: {built_in}, as built in."),
        max,
    };
    let or_none = |list: String| if list.is_empty() { "none".to_owned() } else { list };
    [
        given("hostname", "Host name", "Host name", &network.hostname, HOSTNAME_MAX),
        given(
            "address",
            "Addresses",
            "Addresses with prefix lengths such as 192.168.1.7/24, with commas between",
            &list(&network.addresses),
            LIST_MAX,
        ),
        given(
            "gateway",
            "Gateways",
            "Default gateways, with commas between; given with the addresses",
            &or_none(list(&network.gateways)),
            LIST_MAX,
        ),
        given(
            "dns",
            "Name servers",
            "Addresses of name servers, with commas between",
            &or_none(list(&network.dns)),
            LIST_MAX,
        ),
    ]
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A file of the package that is read while it is packed.
struct Part<'a> {
    name: &'a str,
    len: u64,
    file: File,
}

impl<'a> Part<'a> {
    fn open(name: &'a str, dir: &Path) -> Result<Self> {
        let reading = || format!("reading {name}");
        let file = File::open(dir.join(name)).with_context(reading)?;
        let len = file.metadata().with_context(reading)?.len();
        Ok(Self { name, len, file })
    }

    fn member(&mut self) -> Member<'_> {
        Member { name: self.name, len: self.len, content: &mut self.file }
    }
}
