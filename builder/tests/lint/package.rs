//! Packages in memory: a good one by our own writers, to be damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use anyhow::Result;
use appliance::lint::{Input, Package, Report, Severity, lint};
use images::ovf::known::HardwareVersion;
use images::ovf::{Descriptor, DiskFile, Firmware, Hardware, Product, Property, memory};
use images::tar::{self, Ownership};
use images::vmdk::stream;

/// The disk's length in bytes: four grains, the second and third of which are zeros.
pub(crate) const DISK: usize = 256 << 10;

/// Files by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files {
    /// One file.
    pub(crate) fn one(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self(BTreeMap::from([(name.to_owned(), bytes.into())]))
    }
}

impl Package for Files {
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn Input + '_>>> {
        let file = self.0.get(name);
        Ok(file.map(|bytes| Box::new(Cursor::new(bytes.as_slice())) as Box<dyn Input>))
    }
}

/// The disk's content.
pub(crate) fn content() -> Vec<u8> {
    let mut content = vec![0; DISK];
    for (place, byte) in content.iter_mut().enumerate().filter(|(place, _)| place / 65_536 != 1) {
        *byte = u8::try_from(place % 251).unwrap();
    }
    content[2 << 16..3 << 16].fill(0);
    content
}

/// A streamOptimized VMDK.
pub(crate) fn disk() -> Vec<u8> {
    let content = content();
    let mut image = Cursor::new(Vec::new());
    stream::write(&mut content.as_slice(), DISK as u64, "a.vmdk", &mut image).unwrap();
    image.into_inner()
}

/// The descriptor of a package whose disk file has so many bytes.
pub(crate) fn descriptor(bytes: usize) -> String {
    Descriptor {
        name: "a",
        product: Product { name: "a product", version: "1", class: "appliance" },
        annotation: "nothing",
        disk: DiskFile {
            name: "a.vmdk",
            bytes: bytes as u64,
            capacity: DISK as u64,
            populated: 2 << 16,
        },
        hardware: Hardware {
            version: HardwareVersion::from_name("vmx-14").unwrap(),
            guest_id: "other4xLinux64Guest",
            firmware: Firmware::Bios,
            processors: 1,
            memory: memory(96),
        },
        network: "VM Network",
        properties: vec![
            Property { key: "hostname", label: "Host name", description: "", max: 63 },
            Property { key: "dns", label: "Name servers", description: "", max: 99 },
        ],
    }
    .document()
}

/// The parts of a package.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) descriptor: String,
    pub(crate) disk: Vec<u8>,
    /// In place of the manifest that goes with the other parts.
    pub(crate) manifest: Option<String>,
    pub(crate) certificate: Option<String>,
}

impl Parts {
    /// A package without a fault.
    pub(crate) fn good() -> Self {
        Self::with_disk(disk())
    }

    /// A package with this file as its disk, whose size the descriptor tells.
    pub(crate) fn with_disk(disk: Vec<u8>) -> Self {
        Self { descriptor: descriptor(disk.len()), disk, manifest: None, certificate: None }
    }

    /// The manifest, which goes with the other parts unless it was set.
    pub(crate) fn manifest(&self) -> String {
        let digest = |bytes: &[u8]| host::digest_bytes(bytes).to_string();
        let files = [("a.ovf", self.descriptor.as_bytes()), ("a.vmdk", &self.disk)];
        let own = || images::ova::manifest(files.map(|(name, bytes)| (name, digest(bytes))));
        self.manifest.clone().unwrap_or_else(own)
    }

    /// The files in their order.
    pub(crate) fn members(&self) -> Vec<(String, Vec<u8>)> {
        let certificate = self.certificate.clone().map(|text| ("a.cert", text.into_bytes()));
        [("a.ovf", self.descriptor.clone().into_bytes()), ("a.mf", self.manifest().into_bytes())]
            .into_iter()
            .chain(certificate)
            .chain([("a.vmdk", self.disk.clone())])
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .collect()
    }

    /// The package as an archive.
    pub(crate) fn ova(&self) -> Vec<u8> {
        archive(&self.members())
    }

    /// The package as files beside each other.
    pub(crate) fn files(&self) -> Files {
        Files(self.members().into_iter().collect())
    }
}

/// An archive with these members.
pub(crate) fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive =
        tar::Writer::new(Vec::new(), Ownership { id: 0, name: "root", mode: 0o644, time: 0 });
    for (name, bytes) in members {
        archive.file(name, bytes.len() as u64, &mut bytes.as_slice()).unwrap();
    }
    archive.finish().unwrap()
}

/// What lint says of a file.
pub(crate) fn report(files: &mut Files, name: &str) -> Report {
    lint(files, name).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// The rules that a file breaks, without the notes that the good package has.
pub(crate) fn broken(files: &mut Files, name: &str) -> BTreeSet<&'static str> {
    let report = report(files, name);
    let ours = ["hw-pvscsi", "hw-vmxnet3"];
    let ids = report.findings.iter().map(|finding| finding.rule.id);
    ids.filter(|id| !ours.contains(id)).collect()
}

#[test]
fn a_good_package_has_no_findings() {
    let parts = Parts::good();
    assert_eq!(broken(&mut Files::one("a.ova", parts.ova()), "a.ova"), BTreeSet::new());
    assert_eq!(broken(&mut parts.files(), "a.ovf"), BTreeSet::new());
    assert_eq!(broken(&mut parts.files(), "a.vmdk"), BTreeSet::new());
    let report = report(&mut parts.files(), "a.ovf");
    assert!(report.passed);
    assert!(report.findings.iter().all(|finding| finding.rule.severity == Severity::Note));
}
