//! The hardware versions and guest operating systems that VMware's products know.

/// A version of VMware's virtual hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HardwareVersion {
    /// Its number.
    pub number: u8,
    /// The first products that have it.
    pub since: &'static str,
}

impl HardwareVersion {
    /// The version of this name (`vmx-14`), if VMware has it.
    pub fn from_name(name: &str) -> Option<Self> {
        HARDWARE_VERSIONS.into_iter().find(|version| version.name() == name)
    }

    /// Its name in a descriptor: always with two digits.
    pub fn name(self) -> String {
        format!("vmx-{:02}", self.number)
    }
}

const fn since(number: u8, since: &'static str) -> HardwareVersion {
    HardwareVersion { number, since }
}

/// Every version of virtual hardware, after Broadcom's article 315655 (formerly
/// VMware's 1003746).
pub const HARDWARE_VERSIONS: [HardwareVersion; 19] = [
    since(3, "ESX 2"),
    since(4, "ESX 3"),
    since(6, "Workstation 6.0"),
    since(7, "ESXi 4, Workstation 6.5, Fusion 2"),
    since(8, "ESXi 5.0, Workstation 8, Fusion 4"),
    since(9, "ESXi 5.1, Workstation 9, Fusion 5"),
    since(10, "ESXi 5.5, Workstation 10, Fusion 6"),
    since(11, "ESXi 6.0, Workstation 11, Fusion 7"),
    since(12, "Workstation 12, Fusion 8"),
    since(13, "ESXi 6.5"),
    since(14, "ESXi 6.7, Workstation 14, Fusion 10"),
    since(15, "ESXi 6.7 U2"),
    since(16, "Workstation 15, Fusion 11"),
    since(17, "ESXi 7.0"),
    since(18, "ESXi 7.0 U1, Workstation 16, Fusion 12"),
    since(19, "ESXi 7.0 U2, Workstation 16.2, Fusion 12.2"),
    since(20, "ESXi 8.0, Workstation 17, Fusion 13"),
    since(21, "ESXi 8.0 U2, Workstation 17.5, Fusion 13.5"),
    since(22, "ESXi 9.0, Workstation 25H2, Fusion 25H2"),
];

/// The first version with pvscsi and vmxnet3 (VMware's articles 1010398 and
/// 1001805).
pub const PARAVIRTUAL_SINCE: u8 = 7;
/// The first version that can start by UEFI: it came with ESXi 5.0.
pub const UEFI_SINCE: u8 = 8;

/// Every guest operating system (`VirtualMachineGuestOsIdentifier` of the vSphere
/// Web Services API 9.1), in the order of bytes.
#[rustfmt::skip]
pub const GUEST_IDS: [&str; 211] = [
    "almalinux_64Guest", "amazonlinux2_64Guest", "amazonlinux3_64Guest", "asianux3Guest",
    "asianux3_64Guest", "asianux4Guest", "asianux4_64Guest", "asianux5_64Guest",
    "asianux7_64Guest", "asianux8_64Guest", "asianux9_64Guest", "centos64Guest", "centos6Guest",
    "centos6_64Guest", "centos7Guest", "centos7_64Guest", "centos8_64Guest", "centos9_64Guest",
    "centosGuest", "coreos64Guest", "crxPod1Guest", "crxSys1Guest", "darwin10Guest",
    "darwin10_64Guest", "darwin11Guest", "darwin11_64Guest", "darwin12_64Guest",
    "darwin13_64Guest", "darwin14_64Guest", "darwin15_64Guest", "darwin16_64Guest",
    "darwin17_64Guest", "darwin18_64Guest", "darwin19_64Guest", "darwin20_64Guest",
    "darwin21_64Guest", "darwin22_64Guest", "darwin23_64Guest", "darwin64Guest", "darwinGuest",
    "debian10Guest", "debian10_64Guest", "debian11Guest", "debian11_64Guest", "debian12Guest",
    "debian12_64Guest", "debian13Guest", "debian13_64Guest", "debian4Guest", "debian4_64Guest",
    "debian5Guest", "debian5_64Guest", "debian6Guest", "debian6_64Guest", "debian7Guest",
    "debian7_64Guest", "debian8Guest", "debian8_64Guest", "debian9Guest", "debian9_64Guest",
    "dosGuest", "eComStation2Guest", "eComStationGuest", "fedora64Guest", "fedoraGuest",
    "flatcar_64Guest", "freebsd11Guest", "freebsd11_64Guest", "freebsd12Guest",
    "freebsd12_64Guest", "freebsd13Guest", "freebsd13_64Guest", "freebsd14Guest",
    "freebsd14_64Guest", "freebsd15Guest", "freebsd15_64Guest", "freebsd64Guest",
    "freebsdGuest", "fusionos_64Guest", "genericLinuxGuest", "kylinlinux_64Guest",
    "mandrakeGuest", "mandriva64Guest", "mandrivaGuest", "miraclelinux_64Guest",
    "netware4Guest", "netware5Guest", "netware6Guest", "nld9Guest", "oesGuest",
    "openServer5Guest", "openServer6Guest", "opensuse64Guest", "opensuseGuest",
    "oracleLinux10_64Guest", "oracleLinux64Guest", "oracleLinux6Guest", "oracleLinux6_64Guest",
    "oracleLinux7Guest", "oracleLinux7_64Guest", "oracleLinux8_64Guest", "oracleLinux9_64Guest",
    "oracleLinuxGuest", "os2Guest", "other24xLinux64Guest", "other24xLinuxGuest",
    "other26xLinux64Guest", "other26xLinuxGuest", "other3xLinux64Guest", "other3xLinuxGuest",
    "other4xLinux64Guest", "other4xLinuxGuest", "other5xLinux64Guest", "other5xLinuxGuest",
    "other6xLinux64Guest", "other6xLinuxGuest", "other7xLinux64Guest", "other7xLinuxGuest",
    "otherGuest", "otherGuest64", "otherLinux64Guest", "otherLinuxGuest", "pardus_64Guest",
    "prolinux_64Guest", "redhatGuest", "rhel10_64Guest", "rhel2Guest", "rhel3Guest",
    "rhel3_64Guest", "rhel4Guest", "rhel4_64Guest", "rhel5Guest", "rhel5_64Guest", "rhel6Guest",
    "rhel6_64Guest", "rhel7Guest", "rhel7_64Guest", "rhel8_64Guest", "rhel9_64Guest",
    "rockylinux_64Guest", "sjdsGuest", "sles10Guest", "sles10_64Guest", "sles11Guest",
    "sles11_64Guest", "sles12Guest", "sles12_64Guest", "sles15_64Guest", "sles16_64Guest",
    "sles64Guest", "slesGuest", "solaris10Guest", "solaris10_64Guest", "solaris11_64Guest",
    "solaris6Guest", "solaris7Guest", "solaris8Guest", "solaris9Guest", "suse64Guest",
    "suseGuest", "turboLinux64Guest", "turboLinuxGuest", "ubuntu64Guest", "ubuntuGuest",
    "unixWare7Guest", "vmkernel5Guest", "vmkernel65Guest", "vmkernel6Guest", "vmkernel7Guest",
    "vmkernel8Guest", "vmkernel9Guest", "vmkernelGuest", "vmwarePhoton64Guest",
    "win2000AdvServGuest", "win2000ProGuest", "win2000ServGuest", "win31Guest", "win95Guest",
    "win98Guest", "winLonghorn64Guest", "winLonghornGuest", "winMeGuest", "winNTGuest",
    "winNetBusinessGuest", "winNetDatacenter64Guest", "winNetDatacenterGuest",
    "winNetEnterprise64Guest", "winNetEnterpriseGuest", "winNetStandard64Guest",
    "winNetStandardGuest", "winNetWebGuest", "winVista64Guest", "winVistaGuest",
    "winXPHomeGuest", "winXPPro64Guest", "winXPProGuest", "windows11_64Guest",
    "windows12_64Guest", "windows2019srvNext_64Guest", "windows2019srv_64Guest",
    "windows2022srvNext_64Guest", "windows7Guest", "windows7Server64Guest", "windows7_64Guest",
    "windows8Guest", "windows8Server64Guest", "windows8_64Guest", "windows9Guest",
    "windows9Server64Guest", "windows9_64Guest", "windowsHyperVGuest",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_by_their_names() {
        let version = HardwareVersion::from_name("vmx-07").unwrap();
        assert_eq!((version.number, version.name().as_str()), (7, "vmx-07"));
        for unknown in ["vmx-7", "vmx-5", "vmx-99", "14", ""] {
            assert_eq!(HardwareVersion::from_name(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_lists_are_in_order() {
        assert!(HARDWARE_VERSIONS.is_sorted());
        assert!(GUEST_IDS.is_sorted_by(|a, b| a < b));
    }
}
