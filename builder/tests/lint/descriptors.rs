//! Defects of descriptors: each is the good one with a piece of text replaced.

use crate::package::{Files, Parts};
use crate::table::Defect;

/// Rules, what is replaced, by what.
type Change = (&'static str, &'static str, &'static str);

const STRUCTURE: &[Change] = &[
    ("xml-malformed", "</Envelope>", ""),
    ("xml-malformed", "rasd:Parent>3", "rasd:Parnt>3"),
    ("xml-malformed", "nothing", "\u{0}"),
    ("xml-doctype", "<Envelope", "<!DOCTYPE a [<!ENTITY b \"c\">]><Envelope"),
    ("xml-malformed", "<Label>Host name", "<Label>&host;"),
    ("ovf-root", "Envelope", "Envelop"),
    ("ovf-namespace", "xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"", "xmlns=\"urn:x\""),
    ("ovf-version-2", "ovf/envelope/1", "ovf/envelope/2"),
    ("ovf-attribute-prefix", "ovf:diskId", "diskId"),
    ("ovf-references disk-file-ref ovf-section-unknown", "References", "Reference"),
    (
        "ovf-content hw-section os-section",
        "</Envelope>",
        "<VirtualSystem ovf:id=\"b\"><Info/></VirtualSystem></Envelope>",
    ),
    ("ovf-order", "<References>", "<Strings/><References>"),
    ("ovf-info", "<Info>The disks</Info>", ""),
    ("ovf-system-id", "<VirtualSystem ovf:id=\"a\">", "<VirtualSystem>"),
    ("ovf-section-unknown", "<NetworkSection>", "<x:S xmlns:x=\"urn:x\"/><NetworkSection>"),
    (
        "ovf-section-twice",
        "<AnnotationSection>",
        "<AnnotationSection><Info/></AnnotationSection><AnnotationSection>",
    ),
];

const FILES: &[Change] = &[
    ("ref-attribute disk-file-ref", "ovf:href=\"a.vmdk\" ", ""),
    (
        "ref-duplicate",
        "<File ",
        "<File ovf:href=\"a.vmdk\" ovf:id=\"file1\" ovf:size=\"SIZE\"/><File ",
    ),
    ("ref-outside", "ovf:href=\"a.vmdk\"", "ovf:href=\"../a.vmdk\""),
    ("ref-outside", "ovf:href=\"a.vmdk\"", "ovf:href=\"file:///etc/passwd\""),
    ("ref-url", "ovf:href=\"a.vmdk\"", "ovf:href=\"https://localhost/a.vmdk\""),
    ("ref-missing mf-unlisted", "ovf:href=\"a.vmdk\"", "ovf:href=\"b.vmdk\""),
    ("ref-size", "ovf:size=\"", "ovf:size=\"1"),
    ("ref-size", "ovf:size=\"", "ovf:size=\"x"),
    ("ref-size-missing", "ovf:size=\"SIZE\"", ""),
    ("ref-compression", "<File ", "<File ovf:compression=\"gzip\" "),
    ("ref-chunks", "<File ", "<File ovf:chunkSize=\"1000\" "),
    ("ref-unused", "ovf:fileRef=\"file1\" ", ""),
    ("disk-attribute hw-host-resource", "ovf:diskId=\"vmdisk1\" ", ""),
    (
        "disk-duplicate disk-shared",
        "<Disk ",
        "<Disk ovf:capacity=\"262144\" ovf:diskId=\"vmdisk1\" ovf:fileRef=\"file1\" \
         ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/><Disk ",
    ),
    (
        "disk-shared disk-unused",
        "<Disk ",
        "<Disk ovf:capacity=\"262144\" ovf:diskId=\"b\" ovf:fileRef=\"file1\" \
         ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/><Disk ",
    ),
    ("disk-format", "vmdk.html#streamOptimized", "vhd.html"),
    ("disk-format-hosted", "vmdk.html#streamOptimized", "vmdk.html#sparse"),
    ("disk-capacity", "ovf:capacity=\"262144\"", "ovf:capacity=\"0\""),
    ("disk-capacity", "ovf:capacity=\"262144\"", "ovf:capacity=\"18446744073709551616\""),
    ("disk-units", "AllocationUnits=\"byte\"", "AllocationUnits=\"sector\""),
    ("disk-file-ref ref-unused", "ovf:fileRef=\"file1\"", "ovf:fileRef=\"file2\""),
    ("disk-populated", "populatedSize=\"131072\"", "populatedSize=\"262145\""),
    ("disk-capacity-small", "ovf:capacity=\"262144\"", "ovf:capacity=\"262143\""),
    ("disk-capacity-large", "ovf:capacity=\"262144\"", "ovf:capacity=\"262145\""),
    ("disk-unused hw-host-resource", "ovf:/disk/vmdisk1", "ovf:/disk/vmdisk2"),
    (
        "hw-host-resource disk-unused",
        "<rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>",
        "",
    ),
    ("net-name net-unknown", "Network ovf:name=\"VM Network\"", "Network ovf:name=\"\""),
    ("net-duplicate", "</NetworkSection>", "<Network ovf:name=\"VM Network\"/></NetworkSection>"),
    ("net-unknown net-unused", "Connection>VM Network<", "Connection>another<"),
    ("net-unused", "</NetworkSection>", "<Network ovf:name=\"b\"/></NetworkSection>"),
];

const HARDWARE: &[Change] = &[
    (
        "hw-section disk-unused net-unused ovf-section-unknown",
        "VirtualHardwareSection",
        "VirtualHardware",
    ),
    ("hw-family", "vmx-14", "virtualbox-2.2"),
    ("hw-family", "vmx-14", "vmx-5"),
    ("hw-version-desktop", "vmx-14", "vmx-16"),
    ("hw-version-new", "vmx-14", "vmx-20"),
    ("hw-type", "<rasd:ResourceType>10</rasd:ResourceType>", ""),
    ("hw-type-unknown", "<rasd:ResourceType>10<", "<rasd:ResourceType>99<"),
    ("hw-instance", "InstanceID>2<", "InstanceID>1<"),
    ("hw-element-name", "<rasd:ElementName>Hard disk 1</rasd:ElementName>", ""),
    (
        "hw-order",
        "<rasd:Parent>3</rasd:Parent>",
        "<rasd:Parent>3</rasd:Parent><rasd:Caption>x</rasd:Caption>",
    ),
    ("hw-processors", "<rasd:VirtualQuantity>1<", "<rasd:VirtualQuantity>0<"),
    ("hw-memory", "byte * 2^20", "pages"),
    ("hw-memory", "<rasd:VirtualQuantity>96<", "<rasd:VirtualQuantity>18446744073709551615<"),
    ("hw-memory-units", "byte * 2^20", "byte*2^20"),
    ("hw-memory-step", "<rasd:VirtualQuantity>96<", "<rasd:VirtualQuantity>97<"),
    ("hw-parent", "Parent>3<", "Parent>5<"),
    (
        "hw-address",
        "<vmw:Config",
        "<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>CD</rasd:ElementName>\
         <rasd:InstanceID>9</rasd:InstanceID><rasd:Parent>3</rasd:Parent>\
         <rasd:ResourceType>15</rasd:ResourceType></Item><vmw:Config",
    ),
    ("hw-address-missing", "<rasd:AddressOnParent>0</rasd:AddressOnParent>", ""),
    ("hw-address-seven", "AddressOnParent>0<", "AddressOnParent>7<"),
    ("hw-scsi", ">VirtualSCSI<", ">virtio<"),
    ("hw-scsi-missing", "<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>", ""),
    ("hw-storage", "<rasd:ResourceType>6<", "<rasd:ResourceType>20<"),
    ("hw-nic", ">VmxNet3<", ">virtio<"),
    ("hw-connection net-unused", "<rasd:Connection>VM Network</rasd:Connection>", ""),
    ("hw-device-new os-type-new", "vmx-14", "vmx-04"),
];

const SYSTEM: &[Change] = &[
    ("os-section ovf-section-unknown", "OperatingSystemSection", "OperatingSystem"),
    ("os-id", "ovf:id=\"101\"", "ovf:id=\"Linux\""),
    ("os-type-missing", "vmw:osType=\"other4xLinux64Guest\"", ""),
    ("os-type", "other4xLinux64Guest", "debian99_64Guest"),
    ("os-type-new", "other4xLinux64Guest", "other5xLinux64Guest"),
    ("cfg-attribute", "vmw:value=\"bios\"", ""),
    ("cfg-firmware", "vmw:value=\"bios\"", "vmw:value=\"uefi\""),
    ("cfg-firmware-ignored", "vmw:value=\"bios\"", "vmw:value=\"efi\""),
    (
        "cfg-firmware-place",
        "</Item>",
        "<vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/></Item>",
    ),
    (
        "cfg-secure-boot",
        "<vmw:Config",
        "<vmw:Config ovf:required=\"false\" vmw:key=\"bootOptions.efiSecureBootEnabled\" \
         vmw:value=\"true\"/><vmw:Config",
    ),
    (
        "cfg-duplicate",
        "<vmw:Config",
        "<vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"bios\"/><vmw:Config",
    ),
    ("cfg-required", "<vmw:Config ovf:required=\"false\"", "<vmw:Config"),
    (
        "cfg-extra",
        "<vmw:Config",
        "<vmw:ExtraConfig ovf:required=\"false\" vmw:key=\"a\" vmw:value=\"b\"/><vmw:Config",
    ),
    ("prop-key", "ovf:key=\"dns\"", "ovf:key=\"a.dns\""),
    ("prop-type", "ovf:type=\"string\"", "ovf:type=\"text\""),
    ("prop-duplicate", "ovf:key=\"dns\"", "ovf:key=\"hostname\""),
    (
        "prop-class",
        "</VirtualSystem>",
        "<ProductSection ovf:class=\"appliance\"><Info/></ProductSection></VirtualSystem>",
    ),
    (
        "prop-value",
        "ovf:type=\"string\" ovf:qualifiers=\"MaxLen(63)\" ovf:userConfigurable=\"true\" ovf:value=\"\"",
        "ovf:type=\"uint8\" ovf:userConfigurable=\"true\" ovf:value=\"256\"",
    ),
    ("prop-configurable", "ovf:userConfigurable=\"true\"", "ovf:userConfigurable=\"yes\""),
    ("prop-transport-missing", "ovf:transport=\"com.vmware.guestInfo\"", ""),
    ("prop-transport", "com.vmware.guestInfo", "floppy"),
    (
        "eula-text",
        "<AnnotationSection>",
        "<EulaSection><Info/><License/></EulaSection><AnnotationSection>",
    ),
];

pub(crate) fn defects() -> Vec<Defect> {
    let all = [STRUCTURE, FILES, HARDWARE, SYSTEM].into_iter().flatten();
    let mut defects: Vec<Defect> = all.map(|change| defect(*change)).collect();
    defects.extend(by_hand());
    defects
}

fn defect((rules, old, new): Change) -> Defect {
    let parts = Parts::good();
    let size = parts.disk.len().to_string();
    let (old, new) = (old.replace("SIZE", &size), new.replace("SIZE", &size));
    assert!(parts.descriptor.contains(&old), "{rules}: {old} is not in the descriptor");
    let descriptor = match rules {
        // Where the tag closes too.
        "ovf-root" | "ovf-references disk-file-ref ovf-section-unknown" | "ovf-version-2" => {
            parts.descriptor.replace(&old, &new)
        }
        _ if !old.contains(['<', '>', '"', ' ', '-', ':', '/']) => {
            parts.descriptor.replace(&old, &new)
        }
        _ => parts.descriptor.replacen(&old, &new, 1),
    };
    Defect { rules, files: Parts { descriptor, ..parts }.files(), name: "a.ovf" }
}

/// Those that are more than a piece of text.
fn by_hand() -> Vec<Defect> {
    let good = Parts::good();
    let with = |rules, descriptor: Vec<u8>| {
        let mut files = good.files();
        files.0.insert("a.ovf".into(), descriptor);
        // The digest is not what this is about.
        files.0.remove("a.mf");
        Defect { rules, files, name: "a.ovf" }
    };
    let text = &good.descriptor;
    let between = |start: &str, end: &str| {
        let from = text.find(start).unwrap();
        let to = from + text[from..].find(end).unwrap() + end.len();
        &text[from..to]
    };
    let format = format!(" ovf:format=\"{}\"", images::ovf::names::STREAM_OPTIMIZED);
    let machine = between("<VirtualSystem ", "</VirtualSystem>");
    let collection =
        format!("<VirtualSystemCollection ovf:id=\"b\"><Info/>{machine}</VirtualSystemCollection>");
    vec![
        with(
            "xml-encoding mf-missing",
            text.replace("nothing", "\u{e9}")
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect(),
        ),
        with("xml-limits mf-missing", format!("{}{text}", " ".repeat(4 << 20)).into_bytes()),
        with("disk-format-missing mf-missing", text.replacen(&format, "", 1).into_bytes()),
        with("ovf-collection mf-missing", text.replacen(machine, &collection, 1).into_bytes()),
        with(
            "ovf-message mf-missing",
            text.replacen("<Info>", "<Info ovf:msgid=\"z\">", 1)
                .replace("</Envelope>", "<Strings/></Envelope>")
                .into_bytes(),
        ),
        with(
            "cfg-firmware-version cfg-firmware-ignored hw-device-new os-type-new mf-missing",
            text.replace("vmx-14", "vmx-04").replace("\"bios\"", "\"efi\"").into_bytes(),
        ),
    ]
}

#[test]
fn units_and_alternatives_are_understood() {
    let parts = Parts::good();
    for (old, new) in [
        (
            "ovf:capacity=\"262144\" ovf:capacityAllocationUnits=\"byte\"",
            "ovf:capacity=\"1\" ovf:capacityAllocationUnits=\"byte * 2^20\"",
        ),
        ("vmx-14", "vmx-14 vmx-17"),
        ("ovf:/disk/", "ovf://disk/"),
    ] {
        assert!(parts.descriptor.contains(old), "{old}");
        let descriptor = parts.descriptor.replacen(old, new, 1);
        let mut files: Files = Parts { descriptor, ..parts.clone() }.files();
        let found = crate::package::broken(&mut files, "a.ovf");
        assert!(found.is_empty(), "{new}: {found:?}");
    }
}
