//! What is written is a function of what is given, and what PID 1 is told.

use std::collections::BTreeMap;
use std::fs;

use init::overrides::Overrides;

use super::*;
use crate::build::sign::Signing;
use crate::spec;
use crate::target::Target;
use crate::variant::Variant;

fn plan() -> Plan {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("site")).unwrap();
    fs::write(dir.path().join("site/index.html"), "x").unwrap();
    let text = "name = 'web'\n[server]\nroot = 'site'\n[network]\n\
        addresses = ['10.0.2.15/24']\n[vmware]\nnetwork = 'R&D'\nfirmware = 'uefi'\n";
    fs::write(dir.path().join("appliance.toml"), text).unwrap();
    Plan::new(&spec::load(dir.path()).unwrap(), Target::Vmware, Variant::Default).unwrap()
}

fn contents<'a>(plan: &'a Plan, disk: &'a Path, signer: Option<&'a Signer<'a>>) -> Contents<'a> {
    let server = manifest::Server {
        kind: "lighttpd".into(),
        version: "1.4".into(),
        port: 80,
        modules: Vec::new(),
    };
    let vmware = plan.vmware.as_ref().unwrap();
    Contents { plan, vmware, server, kernel: "6.12", disk, signer }
}

#[test]
fn a_signature_without_a_package_is_refused() {
    let (_dir, signing) = crate::build::sign::tests::pair("rsa:2048");
    let mut request = crate::build::Request {
        project: Path::new("").to_owned(),
        target: Target::Kvm,
        variant: Variant::Default,
        out: None,
        formats: Vec::new(),
        signing: Some(signing),
        fetch: crate::sources::FetchOptions::default(),
        cache: Path::new("").to_owned(),
    };
    let mut plan = plan();
    assert!(crate::build::signer(&request, &plan).unwrap().is_some());
    plan.vmware = None;
    let Err(error) = crate::build::signer(&request, &plan) else { panic!("it was taken") };
    assert!(error.to_string().starts_with("--sign: there is no package"), "{error}");
    request.signing = None;
    assert!(crate::build::signer(&request, &plan).unwrap().is_none());
}

#[test]
fn pid_1_takes_every_property() {
    let values = ["shop", "192.168.1.7/24", "192.168.1.1", "192.168.1.1"];
    let plan = plan();
    let properties = properties(&plan);
    assert_eq!(properties.len(), values.len());
    for (given, value) in properties.iter().zip(values) {
        let key = format!("{CLASS}.{}", given.key);
        let mut overrides = Overrides::default();
        overrides.properties([(key.as_str(), value)].into_iter()).unwrap();
        assert!(overrides.any(), "{key} is none of PID 1's");
    }
}

#[test]
fn the_descriptor_is_that_of_the_plan() {
    let plan = plan();
    let file = DiskFile { name: "web.vmdk", bytes: 1, capacity: 512, populated: 512 };
    let document = contents(&plan, Path::new(""), None).descriptor(file);
    for part in [
        "vmw:key=\"firmware\" vmw:value=\"efi\"",
        "ovf:name=\"R&amp;D\"",
        "ovf:class=\"appliance\"",
        "lighttpd 1.4 on Linux 6.12",
        "<rasd:VirtualQuantity>96<",
    ] {
        assert!(document.contains(part), "{part} is not in {document}");
    }
}

/// The files that a package of this disk is made of.
fn written(plan: &Plan, disk: &[u8], signing: &Signing) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("disk.raw");
    fs::write(&raw, disk).unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let signer = Signer::new(signing).unwrap();
    contents(plan, &raw, Some(&signer)).write(&out).unwrap();
    let entries = out.read_dir().unwrap().map(|entry| entry.unwrap());
    let read = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    read.collect()
}

#[test]
fn the_same_disk_gives_the_same_package() {
    let (_dir, signing) = crate::build::sign::tests::pair("rsa:2048");
    let plan = plan();
    let mut disk = vec![0; 3 << 20];
    disk[70_000..90_000].fill(7);
    let first = written(&plan, &disk, &signing);
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(names, ["web.cert", "web.mf", "web.ova", "web.ovf", "web.vmdk"]);
    assert_eq!(first, written(&plan, &disk, &signing));
    disk[80_000] = 8;
    let other = written(&plan, &disk, &signing);
    assert!(names.iter().all(|name| *name == "web.ovf" || first[*name] != other[*name]));
}
