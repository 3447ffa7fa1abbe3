//! A script of commands for Proxmox VE (qm(1) of Proxmox VE 8).

use std::path::Path;

use anyhow::Result;
use host::quote;

use super::{Machine, copy_disk, write_text};
use crate::spec::FirmwareKind;
use crate::target::Target;

/// Writes `NAME-qm.sh` and the disk; gives what is to be done with them.
pub(super) fn write(machine: &Machine, dir: &Path) -> Result<Vec<String>> {
    let script = format!("{}-qm.sh", machine.name());
    write_text(dir, &script, &text(machine))?;
    copy_disk(&machine.disk, dir)?;
    Ok(vec![
        "copy DIR to a host of Proxmox VE, and there".to_owned(),
        format!("sh {script} VMID STORAGE BRIDGE      # such as: 100 local-lvm vmbr0"),
        "qm start VMID".to_owned(),
    ])
}

fn text(machine: &Machine) -> String {
    let name = machine.name();
    let options = options(machine);
    let lines = options.iter().map(|(option, value)| format!(" \\\n    --{option} {value}"));
    let options: String = lines.collect();
    format!(
        r#"#!/bin/sh
# Makes the virtual machine {name} on a host of Proxmox VE 8 or later:
#
#   sh {name}-qm.sh VMID STORAGE BRIDGE
#
# VMID is the number of the new machine, STORAGE where its disk goes, BRIDGE its
# network. {disk} has to lie beside this file.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: sh $0 VMID STORAGE BRIDGE" >&2
    exit 2
fi
vmid=$1 storage=$2 bridge=$3
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

qm create "${{vmid}}"{options}
"#,
        disk = machine.disk.name
    )
}

/// The options of `qm create`, with values as the shell reads them.
fn options(machine: &Machine) -> Vec<(&'static str, String)> {
    let word = |text: &str| quote(text.as_ref());
    let (drive, adapter) = match (machine.target, machine.firmware) {
        (Target::Kvm | Target::Host, _) => ("virtio0", "virtio"),
        (Target::Vmware, FirmwareKind::Bios) => ("scsi0", "vmxnet3"),
        // Not every OVMF has a driver for pvscsi.
        (Target::Vmware, FirmwareKind::Uefi) => ("sata0", "vmxnet3"),
    };
    let mut options = vec![
        ("name", word(machine.name())),
        ("description", word(&machine.description())),
        ("ostype", "l26".into()),
        ("machine", "q35".into()),
        ("cpu", "host".into()),
        ("cores", "1".into()),
        ("memory", machine.memory.to_string()),
        ("balloon", "0".into()),
        ("net0", format!("\"{adapter},bridge=${{bridge}}\"")),
        ("serial0", "socket".into()),
        ("vga", "serial0".into()),
    ];
    match machine.firmware {
        FirmwareKind::Bios => options.push(("bios", "seabios".into())),
        FirmwareKind::Uefi => options.extend([
            ("bios", "ovmf".into()),
            // The image is not signed for Secure Boot.
            ("efidisk0", "\"${storage}:1,efitype=4m,pre-enrolled-keys=0\"".into()),
        ]),
    }
    if machine.target != Target::Vmware {
        options.push(("rng0", "source=/dev/urandom".into()));
    }
    if drive == "scsi0" {
        options.push(("scsihw", "pvscsi".into()));
    }
    let disk = format!("\"${{storage}}:0,import-from=${{here}}/{}\"", machine.disk.name);
    options.extend([(drive, disk), ("boot", format!("order={drive}"))]);
    options
}
