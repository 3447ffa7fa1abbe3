//! What is exported is read by the tools of those who read it.

use std::os::unix::fs::PermissionsExt;

use host::{Command, digest_file};
use serde_json::{Value, json};

use super::*;

/// A directory of a build with a disk in this format, for a target.
fn build(target: &str, firmware: &str, disk: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let vmware = json!({
        "hardware_version": "vmx-14", "guest_id": "x", "firmware": firmware,
        "network": "VM Network", "memory": 64,
    });
    let manifest = json!({
        "layout": 1, "appliance": "0.1.0", "key": "0", "name": "Shop", "target": target,
        "kernel": "6.12.117", "profile": "fast", "cmdline": "quiet",
        "tailor": kernel::Tailor::default(),
        "server": { "kind": "lighttpd", "version": "1.4", "port": 80, "modules": [] },
        "network": {
            "hostname": "shop", "addresses": ["10.0.2.2/24"], "gateways": ["10.0.2.1"],
        },
        "storage": { "kind": "ram" }, "memory": { "direct": 32, "bios": 64, "uefi": 96 },
        "vmware": (target == "vmware").then_some(vmware),
        "site": [], "initramfs": [], "sources": [], "tools": {},
        "files": { disk: { "bytes": 1, "sha256": "", "why": "" } },
    });
    fs::write(out.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(out.join(disk), [7; 70_000]).unwrap();
    dir
}

fn exported(engine: Engine, build: &tempfile::TempDir, more: &[&str]) -> Result<PathBuf> {
    let out = build.path().join("out");
    let mut line = vec!["appliance", "export", engine.name(), out.to_str().unwrap()];
    line.extend(more);
    let cli = <crate::cli::Cli as clap::Parser>::parse_from(line);
    let crate::cli::Command::Export(args) = cli.command else { panic!("another command") };
    let (place, next) = export(&args)?;
    assert_eq!(place, build.path().join(format!("out-{}", engine.name())));
    assert!(!next.is_empty());
    Ok(place)
}

/// Every target with every firmware.
const WAYS: [[&str; 2]; 4] =
    [["kvm", "bios"], ["kvm", "uefi"], ["vmware", "bios"], ["vmware", "uefi"]];

#[test]
fn libvirt_takes_every_domain() {
    for [target, firmware] in WAYS {
        let build = build(target, firmware, "disk.qcow2");
        let out = exported(Engine::Libvirt, &build, &["--firmware", firmware]).unwrap();
        let domain = out.join("Shop.xml");
        let validate = || Command::new("virt-xml-validate").arg(&domain).arg("domain");
        validate().run().unwrap();
        let text = fs::read_to_string(&domain).unwrap();
        assert!(text.contains(if target == "kvm" { "bus=\"virtio\"" } else { "\"vmxnet3\"" }));
        assert_eq!(text.contains("firmware=\"efi\""), firmware == "uefi");
        fs::write(&domain, text.replace("<vcpu>1<", "<vcpu>one<")).unwrap();
        assert!(validate().run().is_err(), "it takes a wrong number of processors");
        assert_eq!(fs::read(out.join("Shop.qcow2")).unwrap(), [7; 70_000]);
    }
}

/// Runs an exported script with a stand-in for `qm`; gives the words that it was
/// called with.
fn words(out: &Path) -> Vec<String> {
    let bin = out.join("bin");
    fs::create_dir(&bin).unwrap();
    let recorder = bin.join("qm");
    fs::write(&recorder, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    fs::set_permissions(&recorder, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = out.join("Shop-qm.sh");
    let said = Command::new("sh").arg(script).args(["100", "a b", "vmbr0"]).env("PATH", path);
    let said = String::from_utf8(said.output().unwrap()).unwrap();
    said.lines().map(str::to_owned).collect()
}

#[test]
fn proxmox_gets_its_commands() {
    for [target, firmware] in WAYS {
        let build = build(target, firmware, "disk.qcow2");
        let out = exported(Engine::Proxmox, &build, &["--firmware", firmware]).unwrap();
        let script = out.join("Shop-qm.sh");
        Command::new("shellcheck").arg("--enable=all").arg(&script).run().unwrap();
        assert!(Command::new("sh").arg(&script).run().is_err(), "it needs three words");
        let words = words(&out);
        assert_eq!(words[..2], ["create", "100"]);
        let value = |option: &str| {
            let at = words.iter().position(|word| word == &format!("--{option}"))?;
            words.get(at + 1).map(String::as_str)
        };
        let (drive, adapter) = match (target, firmware) {
            ("kvm", _) => ("virtio0", "virtio,bridge=vmbr0"),
            (_, "bios") => ("scsi0", "vmxnet3,bridge=vmbr0"),
            _ => ("sata0", "vmxnet3,bridge=vmbr0"),
        };
        let disk = format!("a b:0,import-from={}/Shop.qcow2", out.display());
        assert_eq!(value(drive), Some(disk.as_str()));
        assert_eq!(value("net0"), Some(adapter));
        assert_eq!(value("memory"), Some(if firmware == "bios" { "64" } else { "96" }));
        assert_eq!(value("efidisk0").is_some(), firmware == "uefi");
        assert_eq!(value("scsihw").is_some(), drive == "scsi0");
        // What begins with a dash is an option, and each has one value.
        assert!(words[2..].chunks(2).all(|pair| pair[0].starts_with("--") && pair.len() == 2));
    }
}

/// A YAML document as PyYAML reads it.
fn read_yaml(path: &Path) -> Value {
    let program =
        "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let said = Command::new("python3").args(["-c", program]).arg(path).output().unwrap();
    serde_json::from_slice(&said).unwrap()
}

#[test]
fn kubevirt_gets_a_machine_and_its_disk() {
    let build = build("kvm", "uefi", "disk.qcow2");
    let out = exported(Engine::Kubevirt, &build, &["--image", "example.org/a/b:T1"]).unwrap();
    let machine = read_yaml(&out.join("Shop.yaml"));
    assert_eq!(machine["metadata"]["name"], "shop");
    let spec = &machine["spec"]["template"]["spec"];
    assert_eq!(spec["domain"]["memory"]["guest"], "64Mi");
    assert_eq!(spec["networks"][0]["pod"]["vmNetworkCIDR"], "10.0.2.0/24");
    assert_eq!(spec["volumes"][0]["containerDisk"]["image"], "example.org/a/b:T1");
    let image = format!("oci:{}", out.join("Shop-image").display());
    let copied = build.path().join("copied");
    let copy = || {
        let to = format!("dir:{}", copied.display());
        Command::new("skopeo").args(["--insecure-policy", "copy", &image, &to]).run()
    };
    copy().unwrap();
    let manifest: Value =
        serde_json::from_slice(&fs::read(copied.join("manifest.json")).unwrap()).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    Command::new("tar").arg("-xf").arg(copied.join(&layer)).current_dir(&copied).run().unwrap();
    assert_eq!(fs::read(copied.join("disk/Shop.qcow2")).unwrap(), [7; 70_000]);
    // skopeo looks at the digests.
    let blob = out.join("Shop-image/blobs/sha256").join(&layer);
    assert_eq!(digest_file(&blob).unwrap().to_string(), layer);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[2000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    fs::remove_dir_all(&copied).unwrap();
    assert!(copy().is_err(), "skopeo takes a damaged layer");
}

#[test]
fn what_an_engine_has_not_is_refused() {
    let refusal = |engine, target, disk, more: &[&str]| {
        let build = build(target, "bios", disk);
        let error = exported(engine, &build, more).unwrap_err();
        let problem = error.downcast::<host::Problem>().unwrap();
        assert_eq!(problem.kind, host::Kind::Refused);
        assert_eq!(build.path().read_dir().unwrap().count(), 1);
        problem.what
    };
    let said = refusal(Engine::Kubevirt, "vmware", "disk.qcow2", &[]);
    assert!(said.contains("KubeVirt has no vmxnet3"), "{said}");
    let said = refusal(Engine::Libvirt, "vmware", "Shop.vmdk", &[]);
    assert!(said.contains("libvirt does not take the disk"), "{said}");
    let said = refusal(Engine::Libvirt, "kvm", "vmlinuz", &[]);
    assert!(said.contains("holds no disk image"), "{said}");
    let said = refusal(Engine::Kubevirt, "kvm", "disk.raw", &["--image", "A b"]);
    assert!(said.contains("names no container image"), "{said}");
    let said = refusal(Engine::Libvirt, "kvm", "disk.raw", &["--image", "a"]);
    assert!(said.contains("only kubevirt has"), "{said}");
}

#[test]
fn only_an_export_is_replaced() {
    let build = build("kvm", "bios", "disk.raw");
    let out = exported(Engine::Proxmox, &build, &[]).unwrap();
    exported(Engine::Proxmox, &build, &[]).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let said = exported(Engine::Proxmox, &build, &[]).unwrap_err().to_string();
    assert!(said.contains("holds more than an export of Shop"), "{said}");
    assert!(out.join("notes.txt").exists());
}
