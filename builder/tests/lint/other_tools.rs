//! Packages and disks that other tools have made.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use appliance::lint::{Report, Severity};

use crate::package::{Files, content, report};

fn run(program: &str, dir: &Path, arguments: &[&str]) {
    let run = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    assert!(run.status.success(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
}

/// A disk by qemu-img, with these options, and whatever files it made.
fn qemu_disk(options: &str) -> Files {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("raw"), content()).unwrap();
    run("qemu-img", dir.path(), &["convert", "-O", "vmdk", "-o", options, "raw", "a.vmdk"]);
    std::fs::remove_file(dir.path().join("raw")).unwrap();
    read(dir.path())
}

fn read(dir: &Path) -> Files {
    let paths = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    Files(paths.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect())
}

fn ids(report: &Report) -> BTreeSet<&'static str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn of_the_disks_of_qemu_only_what_is_true_is_said() {
    let expected: [(&str, &[&str]); 5] = [
        ("subformat=streamOptimized", &[]),
        ("subformat=monolithicSparse", &["vmdk-hosted"]),
        ("subformat=twoGbMaxExtentSparse", &["vmdk-hosted"]),
        ("subformat=monolithicFlat", &[]),
        ("subformat=twoGbMaxExtentFlat,adapter_type=lsilogic", &["vmdk-hosted"]),
    ];
    for (options, ids_expected) in expected {
        let report = report(&mut qemu_disk(options), "a.vmdk");
        assert_eq!(ids(&report), ids_expected.iter().copied().collect(), "{options}");
    }
}

/// A descriptor with the devices that VMware's open-vmdk gives a machine of vmx-14.
fn descriptor(file_len: usize, capacity: usize) -> String {
    let devices: [(&str, u32, u32, &str); 10] = [
        ("1 virtual CPU(s)", 3, 1, "<rasd:VirtualQuantity>1</rasd:VirtualQuantity>"),
        ("256MB of memory", 4, 2, "<rasd:VirtualQuantity>256</rasd:VirtualQuantity>"),
        ("SCSI Controller 0", 6, 3, ""),
        ("VirtualIDEController 1", 5, 4, ""),
        ("VirtualIDEController 0", 5, 5, ""),
        ("VirtualVideoCard", 24, 6, ""),
        ("VirtualVMCIDevice", 1, 7, ""),
        ("CD-ROM 1", 15, 8, ""),
        ("Hard Disk 1", 17, 9, ""),
        ("Ethernet 1", 10, 10, ""),
    ];
    let before = |kind| match kind {
        3 => "<rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>",
        4 => "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>",
        5 | 6 => "<rasd:Address>0</rasd:Address>",
        15 | 17 => "<rasd:AddressOnParent>0</rasd:AddressOnParent>",
        10 => {
            "<rasd:AddressOnParent>7</rasd:AddressOnParent>\
             <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\
             <rasd:Connection>VM Network</rasd:Connection>"
        }
        _ => "<rasd:AutomaticAllocation>false</rasd:AutomaticAllocation>",
    };
    let resource = |kind| match kind {
        17 => "<rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>",
        _ => "",
    };
    let subtype = |kind| match kind {
        15 => {
            "<rasd:Parent>5</rasd:Parent>\
             <rasd:ResourceSubType>vmware.cdrom.remotepassthrough</rasd:ResourceSubType>"
        }
        17 => "<rasd:Parent>3</rasd:Parent>",
        1 => "<rasd:ResourceSubType>vmware.vmci</rasd:ResourceSubType>",
        6 => "<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>",
        10 => "<rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>",
        _ => "",
    };
    let mut items = String::new();
    for (name, kind, id, rest) in devices {
        let required = if matches!(kind, 1 | 15 | 24) { " ovf:required=\"false\"" } else { "" };
        let _ = writeln!(
            items,
            "<Item{required}>{}<rasd:Description>{name}</rasd:Description>\
             <rasd:ElementName>{name}</rasd:ElementName>{}<rasd:InstanceID>{id}</rasd:InstanceID>\
             {}<rasd:ResourceType>{kind}</rasd:ResourceType>{rest}\
             <vmw:Config ovf:required=\"false\" vmw:key=\"backing.exclusive\" vmw:value=\"false\"/>\
             </Item>",
            before(kind),
            resource(kind),
            subtype(kind),
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- by hand -->\n\
         <Envelope vmw:buildId=\"build-1\" xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" \
         xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\" \
         xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:rasd=\"{rasd}\" \
         xmlns:vmw=\"http://www.vmware.com/schema/ovf\" xmlns:vssd=\"{vssd}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n\
         <References><File ovf:href=\"b-disk1.vmdk\" ovf:id=\"file1\" ovf:size=\"{file_len}\"/>\
         </References>\n<DiskSection><Info>Virtual disk information</Info>\
         <Disk ovf:capacity=\"{capacity}\" ovf:capacityAllocationUnits=\"byte\" \
         ovf:diskId=\"vmdisk1\" ovf:fileRef=\"file1\" ovf:format=\"\
         http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\" \
         ovf:populatedSize=\"0\"/></DiskSection>\n\
         <NetworkSection><Info>The list of logical networks</Info><Network ovf:name=\"VM Network\">\
         <Description>The VM Network network</Description></Network></NetworkSection>\n\
         <VirtualSystem ovf:id=\"b\"><Info>A virtual machine</Info><Name>b</Name>\
         <OperatingSystemSection ovf:id=\"100\" vmw:osType=\"other4xLinux64Guest\">\
         <Info>The kind of installed guest operating system</Info></OperatingSystemSection>\n\
         <VirtualHardwareSection><Info>Virtual hardware requirements</Info><System>\
         <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>\
         <vssd:InstanceID>0</vssd:InstanceID>\
         <vssd:VirtualSystemIdentifier>b</vssd:VirtualSystemIdentifier>\
         <vssd:VirtualSystemType>vmx-14</vssd:VirtualSystemType></System>\n{items}\
         <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"bios\"/>\
         <vmw:Config ovf:required=\"false\" vmw:key=\"powerOpInfo.powerOffType\" vmw:value=\"soft\"/>\
         </VirtualHardwareSection></VirtualSystem></Envelope>\n",
        rasd = images::ovf::names::RASD,
        vssd = images::ovf::names::VSSD,
    )
}

/// A package as VMware's open-vmdk makes it: its order, its manifest, GNU tar; the
/// disk is qemu-img's.
fn by_other_tools() -> Files {
    let disk = qemu_disk("subformat=streamOptimized,adapter_type=lsilogic").0.remove("a.vmdk");
    let disk = disk.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("b-disk1.vmdk", &disk);
    write("b.ovf", descriptor(disk.len(), content().len()).as_bytes());
    let script = "for file in b-disk1.vmdk b.ovf; do \
        echo \"SHA256($file)= $(sha256sum $file | cut -d' ' -f1)\"; done >b.mf && \
        tar cf b.ova *.ovf *.mf *.vmdk";
    run("sh", dir.path(), &["-c", script]);
    read(dir.path())
}

#[test]
fn a_package_by_other_tools_has_no_errors_and_no_warnings() {
    for name in ["b.ova", "b.ovf"] {
        let report = report(&mut by_other_tools(), name);
        let loud: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.rule.severity > Severity::Note)
            .collect();
        assert!(loud.is_empty(), "{name}: {loud:#?}");
        let notes = ["hw-pvscsi", "hw-vmxnet3", "ova-gnu-format"];
        let notes = notes.into_iter().filter(|id| name == "b.ova" || !id.starts_with("ova"));
        assert_eq!(ids(&report), notes.collect());
    }
}

#[test]
fn pax_headers_of_gnu_tar_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let members = crate::package::Parts::good().members();
    for (name, bytes) in &members {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    for (format, expected) in
        [("ustar", &[][..]), ("gnu", &["ova-gnu-format"]), ("pax", &["ova-pax"])]
    {
        let format = format!("--format={format}");
        run("tar", dir.path(), &[&format, "-cf", "a.ova", "a.ovf", "a.mf", "a.vmdk"]);
        let found = crate::package::broken(&mut read(dir.path()), "a.ova");
        assert_eq!(found, expected.iter().copied().collect(), "{format}");
    }
}
