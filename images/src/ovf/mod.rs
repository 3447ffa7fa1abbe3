//! OVF descriptors (DMTF DSP0243 1.1.0), as VMware's products read them.
//!
//! Scope: one virtual machine with one disk and one network adapter, in the
//! namespaces of OVF 1.x. Devices and their order are those of VMware's own
//! open-vmdk; the elements of a device stand in the order of their names, as the
//! schema asks. What VMware calls things is in [`names`], what it knows in
//! [`known`].

pub mod known;
pub mod names;

use crate::xml::Element;
use known::HardwareVersion;
use names::resource;

/// Everything that a package says of its virtual machine.
#[derive(Clone, Debug)]
pub struct Descriptor<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub product: Product<'a>,
    /// What is in it, in the words of a person.
    pub annotation: &'a str,
    /// Its disk.
    pub disk: DiskFile<'a>,
    /// Its devices.
    pub hardware: Hardware<'a>,
    /// The name of its network.
    pub network: &'a str,
    /// What can be said to it when it is imported.
    pub properties: Vec<Property<'a>>,
}

/// What a virtual machine is.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// The product's name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What begins the keys of its properties, with a dot before the rest.
    pub class: &'a str,
}

/// The file of a disk.
#[derive(Clone, Copy, Debug)]
pub struct DiskFile<'a> {
    /// Its name, beside the descriptor.
    pub name: &'a str,
    /// Its size in bytes.
    pub bytes: u64,
    /// The size of the disk in it, in bytes.
    pub capacity: u64,
    /// How much of that the file holds, in bytes; the rest is zeros.
    pub populated: u64,
}

/// The firmware of a virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS.
    Bios,
    /// UEFI.
    Efi,
}

impl Firmware {
    /// The name in a descriptor.
    pub fn name(self) -> &'static str {
        let [bios, efi] = names::FIRMWARES;
        match self {
            Self::Bios => bios,
            Self::Efi => efi,
        }
    }
}

/// The devices of a virtual machine beside its disk and its network adapter.
#[derive(Clone, Copy, Debug)]
pub struct Hardware<'a> {
    /// The version of the virtual hardware.
    pub version: HardwareVersion,
    /// The guest operating system, of [`known::GUEST_IDS`].
    pub guest_id: &'a str,
    /// The firmware.
    pub firmware: Firmware,
    /// How many processors.
    pub processors: u32,
    /// How much memory in MiB; see [`memory`].
    pub memory: u32,
}

/// A value that is asked for when the machine is imported. None is asked for
/// strictly: one that is left empty has not been given.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    /// Its key after the product's class.
    pub key: &'a str,
    /// What it is, in a few words.
    pub label: &'a str,
    /// What can be given, and what is so without.
    pub description: &'a str,
    /// The longest value, in characters.
    pub max: usize,
}

/// At least `mib` MiB of memory, of which VMware gives a multiple of four.
pub fn memory(mib: u32) -> u32 {
    mib.checked_next_multiple_of(4).unwrap_or(mib)
}

/// The numbers by which devices refer to each other (`InstanceID`).
mod instance {
    pub(super) const PROCESSOR: u16 = 1;
    pub(super) const MEMORY: u16 = 2;
    pub(super) const SCSI_CONTROLLER: u16 = 3;
    pub(super) const DISK: u16 = 4;
    pub(super) const ETHERNET: u16 = 5;
}

/// The identity of the disk's file in a descriptor.
const FILE: &str = "file1";
/// The identity of the disk in a descriptor.
const DISK: &str = "vmdisk1";

impl Descriptor<'_> {
    /// The text of the descriptor.
    pub fn document(&self) -> String {
        let file = Element::new("File")
            .with("ovf:href", self.disk.name)
            .with("ovf:id", FILE)
            .with("ovf:size", self.disk.bytes);
        Element::new("Envelope")
            .with("xmlns", names::OVF)
            .with("xmlns:ovf", names::OVF)
            .with("xmlns:rasd", names::RASD)
            .with("xmlns:vmw", names::VMW)
            .with("xmlns:vssd", names::VSSD)
            .child(Element::new("References").child(file))
            .child(self.disk_section())
            .child(self.network_section())
            .child(self.system())
            .document()
    }

    fn disk_section(&self) -> Element {
        let disk = Element::new("Disk")
            .with("ovf:capacity", self.disk.capacity)
            .with("ovf:capacityAllocationUnits", "byte")
            .with("ovf:diskId", DISK)
            .with("ovf:fileRef", FILE)
            .with("ovf:format", names::STREAM_OPTIMIZED)
            .with("ovf:populatedSize", self.disk.populated);
        section("DiskSection", "The disks").child(disk)
    }

    fn network_section(&self) -> Element {
        let description = format!("The network {}", self.network);
        let network = Element::new("Network")
            .with("ovf:name", self.network)
            .child(Element::text("Description", description));
        section("NetworkSection", "The networks").child(network)
    }

    fn system(&self) -> Element {
        let guest = section("OperatingSystemSection", "The guest operating system")
            .with("ovf:id", names::LINUX_64)
            .with("vmw:osType", self.hardware.guest_id);
        let annotation = section("AnnotationSection", "What is in this virtual machine")
            .child(Element::text("Annotation", self.annotation));
        section("VirtualSystem", "A virtual machine")
            .with("ovf:id", self.name)
            .child(Element::text("Name", self.name))
            .child(guest)
            .child(self.hardware_section())
            .child(annotation)
            .child(self.product_section())
    }

    fn product_section(&self) -> Element {
        let properties = self.properties.iter().map(|property| {
            Element::new("Property")
                .with("ovf:key", property.key)
                .with("ovf:type", "string")
                .with("ovf:qualifiers", format!("MaxLen({})", property.max))
                .with("ovf:userConfigurable", "true")
                .with("ovf:value", "")
                .child(Element::text("Label", property.label))
                .child(Element::text("Description", property.description))
        });
        section("ProductSection", "What this virtual machine is, and what it can be told")
            .with("ovf:class", self.product.class)
            .child(Element::text("Product", self.product.name))
            .child(Element::text("Version", self.product.version))
            .children(properties)
    }

    fn hardware_section(&self) -> Element {
        let hardware = self.hardware;
        let system = Element::new("System")
            .child(Element::text("vssd:ElementName", "Virtual Hardware Family"))
            .child(Element::text("vssd:InstanceID", 0))
            .child(Element::text("vssd:VirtualSystemIdentifier", self.name))
            .child(Element::text("vssd:VirtualSystemType", hardware.version.name()));
        let firmware = Element::new("vmw:Config")
            .with("ovf:required", "false")
            .with("vmw:key", names::FIRMWARE_KEY)
            .with("vmw:value", hardware.firmware.name());
        section("VirtualHardwareSection", "The devices")
            .with("ovf:transport", names::GUEST_INFO)
            .child(system)
            .children(self.devices().iter().map(Device::element))
            .child(firmware)
    }

    fn devices(&self) -> [Device; 5] {
        let Hardware { processors, memory, .. } = self.hardware;
        [
            Device {
                units: Some("hertz * 10^6"),
                quantity: Some(processors),
                ..Device::new(
                    resource::PROCESSOR,
                    instance::PROCESSOR,
                    format!("{processors} virtual CPU(s)"),
                )
            },
            Device {
                units: Some("byte * 2^20"),
                quantity: Some(memory),
                ..Device::new(resource::MEMORY, instance::MEMORY, format!("{memory}MB of memory"))
            },
            Device {
                address: Some(0),
                subtype: Some(names::PVSCSI),
                ..Device::new(
                    resource::SCSI_CONTROLLER,
                    instance::SCSI_CONTROLLER,
                    "SCSI controller 0".into(),
                )
            },
            Device {
                address_on_parent: Some(0),
                host_resource: Some(format!("ovf:/disk/{DISK}")),
                parent: Some(instance::SCSI_CONTROLLER),
                ..Device::new(resource::DISK, instance::DISK, "Hard disk 1".into())
            },
            Device {
                // The slot that VMware's tools give the first adapter.
                address_on_parent: Some(7),
                connection: Some(self.network.to_owned()),
                subtype: Some(names::VMXNET3),
                ..Device::new(resource::ETHERNET, instance::ETHERNET, "Network adapter 1".into())
            },
        ]
    }
}

/// A section or another element that begins by saying what it is about.
fn section(name: &'static str, info: &str) -> Element {
    Element::new(name).child(Element::text("Info", info))
}

/// A device: an `Item` of the hardware. What is `None` stands in no descriptor.
struct Device {
    address: Option<u16>,
    address_on_parent: Option<u16>,
    units: Option<&'static str>,
    connection: Option<String>,
    name: String,
    host_resource: Option<String>,
    instance: u16,
    parent: Option<u16>,
    subtype: Option<&'static str>,
    kind: u16,
    quantity: Option<u32>,
}

impl Device {
    fn new(kind: u16, instance: u16, name: String) -> Self {
        Self {
            address: None,
            address_on_parent: None,
            units: None,
            connection: None,
            name,
            host_resource: None,
            instance,
            parent: None,
            subtype: None,
            kind,
            quantity: None,
        }
    }

    /// The elements stand in the order of their names, as the schema asks.
    fn element(&self) -> Element {
        let number = |number: Option<u16>| number.map(|number| number.to_string());
        let automatic = self.connection.as_ref().map(|_| "true".to_owned());
        let fields = [
            ("rasd:Address", number(self.address)),
            ("rasd:AddressOnParent", number(self.address_on_parent)),
            ("rasd:AllocationUnits", self.units.map(str::to_owned)),
            ("rasd:AutomaticAllocation", automatic),
            ("rasd:Connection", self.connection.clone()),
            ("rasd:ElementName", Some(self.name.clone())),
            ("rasd:HostResource", self.host_resource.clone()),
            ("rasd:InstanceID", number(Some(self.instance))),
            ("rasd:Parent", number(self.parent)),
            ("rasd:ResourceSubType", self.subtype.map(str::to_owned)),
            ("rasd:ResourceType", number(Some(self.kind))),
            ("rasd:VirtualQuantity", self.quantity.map(|quantity| quantity.to_string())),
        ];
        let present = fields.into_iter().filter_map(|(name, text)| Some((name, text?)));
        Element::new("Item").children(present.map(|(name, text)| Element::text(name, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor<'a>(name: &'a str, network: &'a str) -> Descriptor<'a> {
        Descriptor {
            name,
            product: Product { name: "a product", version: "1", class: "appliance" },
            annotation: "one\ntwo",
            disk: DiskFile { name: "a.vmdk", bytes: 1000, capacity: 1 << 20, populated: 1 << 16 },
            hardware: Hardware {
                version: HardwareVersion::from_name("vmx-14").unwrap(),
                guest_id: "other4xLinux64Guest",
                firmware: Firmware::Efi,
                processors: 1,
                memory: memory(97),
            },
            network,
            properties: vec![Property { key: "dns", label: "DNS", description: "", max: 9 }],
        }
    }

    #[test]
    fn a_descriptor_says_what_it_is_given() {
        let document = descriptor("a", "VM Network").document();
        for part in [
            "<File ovf:href=\"a.vmdk\" ovf:id=\"file1\" ovf:size=\"1000\"/>",
            "<vssd:VirtualSystemType>vmx-14</vssd:VirtualSystemType>",
            "<rasd:VirtualQuantity>100</rasd:VirtualQuantity>",
            "vmw:key=\"firmware\" vmw:value=\"efi\"",
            "<ProductSection ovf:class=\"appliance\">",
            "ovf:key=\"dns\"",
            "<Annotation>one\ntwo</Annotation>",
        ] {
            assert!(document.contains(part), "{part} is not in {document}");
        }
    }

    #[test]
    fn the_elements_of_a_device_are_in_order() {
        for device in descriptor("a", "b").devices() {
            let text = device.element().document();
            let names: Vec<&str> =
                text.split("<rasd:").skip(1).filter_map(|part| part.split('>').next()).collect();
            assert!(names.is_sorted(), "{names:?}");
        }
    }

    #[test]
    fn a_network_can_be_called_what_it_wants() {
        let document = descriptor("a", "R&D <\"1\">").document();
        assert!(document.contains("<rasd:Connection>R&amp;D &lt;&quot;1&quot;&gt;</rasd"));
    }
}
