//! What VMware's products and DMTF's documents call things: the one place for the
//! writer and for whoever reads a descriptor.

/// The namespace of OVF 1.x (DSP0243 1.1.0, section 6).
pub const OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
/// The namespace of OVF 2.x (DSP0243 2.1.1), which VMware's products do not read.
pub const OVF_2: &str = "http://schemas.dmtf.org/ovf/envelope/2";
/// The namespace of devices (DSP0243 1.1.0, section 6).
pub const RASD: &str =
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";
/// The namespace of virtual systems (DSP0243 1.1.0, section 6).
pub const VSSD: &str =
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData";
/// The namespace of VMware's additions, as open-vmdk's templates have it.
pub const VMW: &str = "http://www.vmware.com/schema/ovf";

/// The format of a disk that lies compressed in a package, and the only one that
/// ESXi imports.
pub const STREAM_OPTIMIZED: &str =
    "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
/// How properties reach a guest: through the backdoor, as the variable
/// `guestinfo.ovfEnv`.
pub const GUEST_INFO: &str = "com.vmware.guestInfo";

/// The types of devices (`CIM_ResourceAllocationSettingData.ResourceType`; 1 is
/// "Other", which VMware's own subtypes specify).
pub mod resource {
    /// Processors.
    pub const PROCESSOR: u16 = 3;
    /// Memory.
    pub const MEMORY: u16 = 4;
    /// An IDE controller.
    pub const IDE_CONTROLLER: u16 = 5;
    /// A SCSI controller.
    pub const SCSI_CONTROLLER: u16 = 6;
    /// A network adapter.
    pub const ETHERNET: u16 = 10;
    /// A floppy drive.
    pub const FLOPPY: u16 = 14;
    /// A CD drive.
    pub const CD_DRIVE: u16 = 15;
    /// A disk.
    pub const DISK: u16 = 17;
    /// A controller of another kind of storage: SATA and NVMe.
    pub const STORAGE_CONTROLLER: u16 = 20;
    /// A serial port.
    pub const SERIAL_PORT: u16 = 21;
    /// A USB controller.
    pub const USB_CONTROLLER: u16 = 23;
    /// A graphics card.
    pub const GRAPHICS: u16 = 24;
}

/// The SCSI controller that was made for guests: pvscsi.
pub const PVSCSI: &str = "VirtualSCSI";
/// Every SCSI controller of VMware.
pub const SCSI_CONTROLLERS: [&str; 4] = ["buslogic", "lsilogic", "lsilogicsas", PVSCSI];
/// Controllers of storage that is neither IDE nor SCSI.
pub const STORAGE_CONTROLLERS: [&str; 4] =
    ["AHCI", "vmware.sata.ahci", "vmware.nvme.controller", "NVMExpress"];
/// The network adapter that was made for guests.
pub const VMXNET3: &str = "VmxNet3";
/// Every network adapter of VMware.
pub const ETHERNET_ADAPTERS: [&str; 7] =
    ["E1000", "E1000e", "PCNet32", "vmxnet", "VmxNet2", VMXNET3, "SRIOV"];

/// The key of a `vmw:Config` that chooses the firmware.
pub const FIRMWARE_KEY: &str = "firmware";
/// The firmwares that it knows.
pub const FIRMWARES: [&str; 2] = ["bios", "efi"];

/// "Linux 64-Bit" (`CIM_OperatingSystem.OSType`), whatever its version.
pub const LINUX_64: u16 = 101;
