//! The tailoring steps that a measurement takes one at a time: each is the plan of
//! the appliance with one thing changed.

use kernel::{Requested, Value};
use qemu::{Chipset, DiskBus, Machine, Nic};

use crate::plan::Plan;

/// One step.
pub(super) struct Stage {
    /// A short name, unique.
    pub name: &'static str,
    /// What is different from the appliance.
    pub title: &'static str,
    /// The group of steps that are shown together.
    pub group: Group,
    change: &'static [Change],
}

/// Steps that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// What Debian's configuration has and ours has not (figure 5.3).
    Configuration,
    /// Paravirtual devices against emulated ones (section 5.2.2.4).
    Devices,
    /// Options of the compiler (figure 5.4).
    Flags,
}

/// One difference.
enum Change {
    /// A symbol of the kernel's configuration and its value.
    Symbol(&'static str, &'static str),
    /// An option of the kernel's compiler.
    Flag(&'static str),
    /// Other devices, and the chipset that has them.
    Devices(Chipset, DiskBus, Nic),
}

use Change::{Devices, Flag, Symbol};

/// Every step that is not one of the kernel's own tailoring options.
pub(super) const STAGES: &[Stage] = &[
    Stage {
        name: "smp",
        title: "for several processors",
        group: Group::Configuration,
        change: &[Symbol("SMP", "y"), Symbol("NR_CPUS", "8")],
    },
    Stage {
        name: "security",
        title: "with security modules and audit",
        group: Group::Configuration,
        change: &[
            Symbol("MULTIUSER", "y"),
            Symbol("SECURITY", "y"),
            Symbol("SECURITYFS", "y"),
            Symbol("SECURITY_NETWORK", "y"),
            Symbol("SECURITY_PATH", "y"),
            Symbol("SECURITY_APPARMOR", "y"),
            Symbol("AUDIT", "y"),
        ],
    },
    Stage {
        name: "users",
        title: "with users and groups",
        group: Group::Configuration,
        change: &[Symbol("MULTIUSER", "y")],
    },
    Stage {
        name: "power",
        title: "with power management",
        group: Group::Configuration,
        change: &[Symbol("PM", "y"), Symbol("CPU_FREQ", "y"), Symbol("CPU_IDLE", "y")],
    },
    Stage {
        name: "containers",
        title: "with control groups and namespaces",
        group: Group::Configuration,
        change: &[
            Symbol("CGROUPS", "y"),
            Symbol("MEMCG", "y"),
            Symbol("NAMESPACES", "y"),
            Symbol("NET_NS", "y"),
        ],
    },
    Stage {
        name: "notification",
        title: "with file notification, access control lists and quota",
        group: Group::Configuration,
        change: &[
            Symbol("INOTIFY_USER", "y"),
            Symbol("FANOTIFY", "y"),
            Symbol("EXT4_FS_POSIX_ACL", "y"),
            Symbol("QUOTA", "y"),
            Symbol("FILE_LOCKING", "y"),
        ],
    },
    Stage {
        name: "no-mitigations",
        title: "without protection from the processor's faults",
        group: Group::Configuration,
        change: &[Symbol("CPU_MITIGATIONS", "n")],
    },
    Stage {
        name: "e1000-ide",
        title: "with emulated devices: e1000 and IDE",
        group: Group::Devices,
        change: &[
            Symbol("NET_VENDOR_INTEL", "y"),
            Symbol("E1000", "y"),
            Symbol("SCSI", "y"),
            Symbol("BLK_DEV_SD", "y"),
            Symbol("ATA", "y"),
            Symbol("ATA_SFF", "y"),
            Symbol("ATA_BMDMA", "y"),
            Symbol("ATA_PIIX", "y"),
            Devices(Chipset::Pc, DiskBus::Ide, Nic::E1000),
        ],
    },
    Stage {
        name: "size",
        title: "-Os",
        group: Group::Flags,
        change: &[Symbol("CC_OPTIMIZE_FOR_SIZE", "y")],
    },
    Stage { name: "o3", title: "-O3", group: Group::Flags, change: &[Flag("-O3")] },
    Stage {
        name: "v3",
        title: "-march=x86-64-v3",
        group: Group::Flags,
        change: &[Flag("-march=x86-64-v3")],
    },
    Stage {
        name: "thesis-flags",
        title: "-finline-functions -funroll-loops -march=native -mtune=native",
        group: Group::Flags,
        change: &[
            Flag("-finline-functions"),
            Flag("-funroll-loops"),
            Flag("-march=native"),
            Flag("-mtune=native"),
        ],
    },
];

impl Group {
    /// The name in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Devices => "devices",
            Self::Flags => "flags",
        }
    }
}

impl Stage {
    /// Changes the plan of the appliance into that of the step.
    pub(super) fn apply(&self, plan: &mut Plan) {
        for change in self.change {
            match change {
                Symbol(symbol, value) => {
                    let value = match *value {
                        "y" => Value::Switch(true),
                        "n" => Value::Switch(false),
                        number => {
                            number.parse().map_or(Value::Text(number.to_owned()), Value::Number)
                        }
                    };
                    let requested = Requested::by_measurement(*symbol, value, self.name);
                    plan.kernel.variation.options.push(requested);
                }
                Flag(flag) => plan.kernel.variation.flags.push((*flag).to_owned()),
                Devices(..) => {}
            }
        }
    }

    /// Gives the machine the devices of the step.
    pub(super) fn equip(&self, machine: &mut Machine) {
        for change in self.change {
            if let Devices(chipset, bus, nic) = change {
                machine.chipset = *chipset;
                machine.nic = *nic;
                machine.disk.iter_mut().for_each(|disk| disk.bus = *bus);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STAGES.len());
    }
}
