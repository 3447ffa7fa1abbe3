//! A domain of libvirt (<https://libvirt.org/formatdomain.html>).

use std::path::Path;

use anyhow::Result;
use images::xml::Element;

use super::{Machine, copy_disk, needs_qemu_format, write_text};
use crate::spec::FirmwareKind;
use crate::target::Target;

/// libvirt's default pool of disks.
const POOL: &str = "/var/lib/libvirt/images";

/// Writes `NAME.xml` and the disk; gives what is to be done with them.
pub(super) fn write(machine: &Machine, dir: &Path) -> Result<Vec<String>> {
    let name = machine.name();
    let disk = needs_qemu_format(machine, "libvirt")?;
    write_text(dir, &format!("{name}.xml"), &domain(machine).document())?;
    copy_disk(disk, dir)?;
    Ok(vec![
        format!("sudo cp DIR/{} {POOL}/", disk.name),
        format!("virsh --connect qemu:///system define DIR/{name}.xml"),
        format!("virsh --connect qemu:///system start {name}"),
    ])
}

fn domain(machine: &Machine) -> Element {
    let boot = Element::new("boot").with("dev", "hd");
    let kind = Element::text("type", "hvm").with("arch", "x86_64").with("machine", "q35");
    let os = match machine.firmware {
        FirmwareKind::Bios => Element::new("os").child(kind).child(boot),
        // The image is not signed for Secure Boot.
        FirmwareKind::Uefi => {
            let secure = Element::new("feature").with("enabled", "no").with("name", "secure-boot");
            let firmware = Element::new("firmware").child(secure);
            Element::new("os").with("firmware", "efi").child(kind).child(firmware).child(boot)
        }
    };
    let features = ["acpi", "apic"].map(Element::new);
    Element::new("domain")
        .with("type", "kvm")
        .child(Element::text("name", machine.name()))
        .child(Element::text("description", machine.description()))
        .child(Element::text("memory", machine.memory).with("unit", "MiB"))
        .child(Element::text("vcpu", 1))
        .child(os)
        .child(Element::new("features").children(features))
        .child(Element::new("cpu").with("mode", "host-model"))
        .child(Element::new("clock").with("offset", "utc"))
        .child(Element::text("on_crash", "restart"))
        .child(devices(machine))
}

fn devices(machine: &Machine) -> Element {
    let (bus, place, adapter) = match machine.target {
        Target::Kvm | Target::Host => ("virtio", "vda", "virtio"),
        // libvirt knows pvscsi of VMware's own hosts only.
        Target::Vmware => ("sata", "sda", "vmxnet3"),
    };
    let format = machine.disk.format.name();
    let disk = Element::new("disk")
        .with("type", "file")
        .with("device", "disk")
        .child(Element::new("driver").with("name", "qemu").with("type", format))
        .child(Element::new("source").with("file", format!("{POOL}/{}", machine.disk.name)))
        .child(Element::new("target").with("dev", place).with("bus", bus));
    let interface = Element::new("interface")
        .with("type", "network")
        .child(Element::new("source").with("network", "default"))
        .child(Element::new("model").with("type", adapter));
    let console = Element::new("console")
        .with("type", "pty")
        .child(Element::new("target").with("type", "serial").with("port", 0));
    let random = Element::new("rng")
        .with("model", "virtio")
        .child(Element::text("backend", "/dev/urandom").with("model", "random"));
    let has_virtio = machine.target != Target::Vmware;
    Element::new("devices")
        .child(disk)
        .child(interface)
        .child(console)
        .child(Element::new("memballoon").with("model", "none"))
        .children(has_virtio.then_some(random))
}
