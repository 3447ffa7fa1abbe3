//! A VirtualMachine of KubeVirt (`kubevirt.io/v1`), whose disk is a container image.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use host::refused;
use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use super::{Machine, needs_qemu_format, oci, write_text, yaml};
use crate::spec::FirmwareKind;
use crate::target::Target;

/// The registry that is taken unless another is named: one on the node itself.
const REGISTRY: &str = "localhost:5000";

/// Writes `NAME.yaml` and the container image `NAME-image`; gives what is to be done
/// with them.
pub(super) fn write(machine: &Machine, image: Option<&str>, dir: &Path) -> Result<Vec<String>> {
    let name = machine.name();
    if machine.target == Target::Vmware {
        let what = "KubeVirt has no vmxnet3, and the kernel for VMware knows no other adapter";
        return Err(refused(what).hint("build the project with --target kvm").into());
    }
    let disk = needs_qemu_format(machine, "KubeVirt")?;
    let default = format!("{REGISTRY}/{}:latest", name.to_lowercase());
    let image = image.unwrap_or(&default);
    check_reference(image)?;
    let network = pod_network(machine)?;
    if network.is_none() {
        eprintln!(
            "warning: KubeVirt's pod network reaches only the second address of an IPv4 network \
             with the first as gateway, such as 10.0.2.2/24 and 10.0.2.1: build the image with \
             such a pair, or connect it to another network of the cluster"
        );
    }
    write_text(dir, &format!("{name}.yaml"), &yaml::document(&resource(machine, image, network)))?;
    oci::write(disk, &dir.join(format!("{name}-image")))?;
    Ok(vec![
        format!("skopeo copy oci:DIR/{name}-image docker://{image}"),
        format!("kubectl apply -f DIR/{name}.yaml"),
    ])
}

/// Characters of a reference to an image (the distribution specification of OCI).
fn check_reference(image: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:@".contains(c);
    // A tag, unlike a name, may have capitals.
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, ""));
    let is_tag = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !name.is_empty() && name.chars().all(plain) && tag.chars().all(is_tag) {
        return Ok(());
    }
    Err(refused(format!("--image {image}: this names no container image"))
        .hint("write for example --image registry.example.org/web/hello:1")
        .into())
}

/// The IPv4 network in which KubeVirt's masquerading finds the machine: it has the
/// second address, and the first one as gateway
/// (`network/setup/netpod/masquerade` of its source).
fn pod_network(machine: &Machine) -> Result<Option<Ipv4Net>> {
    let network = &machine.manifest.network;
    for address in &network.addresses {
        let parsed: IpNet =
            address.parse().with_context(|| format!("reading the address {address}"))?;
        let IpNet::V4(net) = parsed else { continue };
        let mut hosts = net.hosts();
        let gateway = hosts.next().map(IpAddr::V4);
        let is_gateway = gateway.is_some_and(|gateway| network.gateways.contains(&gateway));
        if is_gateway && hosts.next() == Some(net.addr()) {
            return Ok(Some(net.trunc()));
        }
    }
    Ok(None)
}

fn resource(machine: &Machine, image: &str, network: Option<Ipv4Net>) -> Value {
    // Names of Kubernetes have no capitals (RFC 1123 labels).
    let name = machine.name().to_lowercase();
    let labels = json!({ "app.kubernetes.io/name": name });
    let bootloader = match machine.firmware {
        FirmwareKind::Bios => json!({ "bios": { "useSerial": true } }),
        FirmwareKind::Uefi => json!({ "efi": { "secureBoot": false } }),
    };
    let pod = network.map_or(json!({}), |net| json!({ "vmNetworkCIDR": net.to_string() }));
    let port = json!({ "name": "http", "protocol": "TCP", "port": machine.manifest.server.port });
    json!({
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": { "description": machine.description() },
        },
        "spec": {
            "runStrategy": "Always",
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "domain": {
                        "machine": { "type": "q35" },
                        "cpu": { "cores": 1 },
                        "memory": { "guest": format!("{}Mi", machine.memory) },
                        "firmware": { "bootloader": bootloader },
                        "devices": {
                            "disks": [{ "name": "disk", "disk": { "bus": "virtio" } }],
                            "interfaces": [{
                                "name": "default",
                                "model": "virtio",
                                "masquerade": {},
                                "ports": [port],
                            }],
                            "rng": {},
                            "autoattachGraphicsDevice": false,
                            "autoattachMemBalloon": false,
                        },
                    },
                    "networks": [{ "name": "default", "pod": pod }],
                    "volumes": [{ "name": "disk", "containerDisk": { "image": image } }],
                    "terminationGracePeriodSeconds": 10,
                },
            },
        },
    })
}
