//! What is to be started.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::accelerator::Accelerator;
use crate::devices::{Clock, DiskBus, Nic, Plugin, Throttle};
use crate::firmware::Ovmf;
use crate::guest::Guest;
use crate::network::{Network, Tap};

/// How long a virtio network interface keeps what the guest sends, in nanoseconds of
/// a clock of instructions.
const SENDING: u32 = 1_000_000;

/// How a machine comes to its kernel.
#[derive(Clone, Debug)]
pub enum Start {
    /// From the disk, by SeaBIOS.
    Bios,
    /// From the disk, by OVMF.
    Uefi,
    /// QEMU loads it and lets SeaBIOS start it.
    ///
    /// SeaBIOS (since 1.16.1) does not know of an ELF kernel in memory: with 33
    /// MiB or more it moves its own code to 16 MiB below the end of memory, so
    /// that the kernel has to lie below that.
    Kernel(Kernel),
}

/// A kernel that QEMU loads.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// A bzImage, or an ELF file with a PVH note.
    pub image: PathBuf,
    /// The initramfs.
    pub initramfs: Option<PathBuf>,
    /// The kernel's command line.
    pub command_line: String,
}

/// The chipset that QEMU emulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chipset {
    /// PCI Express, of 2007.
    #[default]
    Q35,
    /// PCI, of 1996.
    Pc,
}

/// The format of a disk image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFormat {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own format.
    Qcow2,
    /// VMware's, of any kind.
    Vmdk,
    /// Microsoft's older one.
    Vhd,
    /// Microsoft's newer one.
    Vhdx,
}

impl DiskFormat {
    /// The name that QEMU has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
        }
    }
}

/// A disk. What the guest writes is gone when the machine ends, unless it is kept.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The image.
    pub path: PathBuf,
    /// Its format.
    pub format: DiskFormat,
    /// What it hangs on.
    pub bus: DiskBus,
    /// What slows it down, if something does.
    pub throttle: Option<Throttle>,
    /// Whether the image keeps what the guest writes.
    pub is_kept: bool,
}

/// A virtual machine with one processor.
#[derive(Clone, Debug)]
pub struct Machine {
    /// How it starts.
    pub start: Start,
    /// What executes it.
    pub accelerator: Accelerator,
    /// Its memory in MiB.
    pub memory: u32,
    /// Its chipset.
    pub chipset: Chipset,
    /// Its disk.
    pub disk: Option<Disk>,
    /// Its network.
    pub network: Network,
    /// Its network interface, if it has a network.
    pub nic: Nic,
    /// The model of its processor and its features, as `-cpu` takes them; the
    /// accelerator's own choice if not given.
    pub processor: Option<String>,
    /// The serial number that its firmware's tables tell, if not QEMU's own.
    pub serial_number: Option<String>,
    /// Its clock.
    pub clock: Clock,
    /// Files that the guest finds in the firmware's configuration, by name
    /// (`opt/…`).
    pub handed_over: Vec<(String, PathBuf)>,
    /// A plugin of the translator; only under emulation.
    pub plugin: Option<Plugin>,
}

impl Machine {
    /// A machine with the devices that virtual machines have today, without disk
    /// and network.
    pub fn new(start: Start, accelerator: Accelerator, memory: u32) -> Self {
        Self {
            start,
            accelerator,
            memory,
            chipset: Chipset::default(),
            disk: None,
            network: Network::None,
            nic: Nic::default(),
            processor: None,
            serial_number: None,
            clock: Clock::default(),
            handed_over: Vec::new(),
            plugin: None,
        }
    }

    /// Starts the machine.
    ///
    /// # Errors
    /// When QEMU or the firmware is missing or QEMU does not start; refused when
    /// a port that was asked for is not free.
    pub fn boot(&self) -> Result<Guest> {
        self.boot_showing(io::sink())
    }

    /// Starts the machine and copies its console to `copy` as it comes.
    ///
    /// # Errors
    /// As [`Machine::boot`].
    pub fn boot_showing(&self, copy: impl Write + Send + 'static) -> Result<Guest> {
        Guest::start(self, copy)
    }

    /// The options of QEMU that make this machine.
    pub(crate) fn arguments(&self, forwarded: Option<SocketAddr>) -> Result<Vec<OsString>> {
        let chipset = match self.chipset {
            Chipset::Q35 => "q35",
            Chipset::Pc => "pc",
        };
        let memory = format!("{}M", self.memory);
        let fixed = ["-no-user-config", "-nodefaults", "-nographic", "-no-reboot"];
        let mut arguments: Vec<OsString> = fixed.iter().map(OsString::from).collect();
        arguments.extend(["-machine", chipset, "-m", &memory].map(OsString::from));
        arguments.extend(self.accelerator.arguments(self.processor.as_deref()).map(OsString::from));
        if let Clock::Instructions(shift) = self.clock {
            // With `sleep=off` the clock of a guest that waits for its disk would leap
            // from timer to timer, as often as the host is slow.
            arguments.extend(["-icount".into(), format!("shift={shift},sleep=on").into()]);
            arguments.extend(["-rtc", "base=2026-01-01,clock=vm"].map(OsString::from));
            // Devices answer at once: a driver that polls for the answer would count how
            // busy the host is.
            for device in ["virtio-net-pci", "virtio-blk-pci"] {
                arguments.extend(["-global".into(), format!("{device}.ioeventfd=off").into()]);
            }
            // What the guest sends leaves when it has done its work, so that no answer
            // to it comes in between on a host that is fast.
            for property in ["tx=timer".to_owned(), format!("x-txtimer={SENDING}")] {
                let property = format!("virtio-net-pci.{property}");
                arguments.extend(["-global".into(), property.into()]);
            }
            // RDRAND and virtio-rng give the same numbers each time.
            arguments.extend(["-seed", "1"].map(OsString::from));
        }
        if let Some(number) = &self.serial_number {
            let option = format!("type=1,serial={}", number.replace(',', ",,"));
            arguments.extend(["-smbios".into(), option.into()]);
        }
        for (name, file) in &self.handed_over {
            let option = file_option(&format!("name={name}"), file)?;
            arguments.extend(["-fw_cfg".into(), option]);
        }
        if let Some(plugin) = &self.plugin {
            arguments.extend(["-plugin".into(), plugin.option()?]);
        }
        arguments.extend(self.start.arguments()?);
        // Random numbers for a guest whose processor gives none.
        arguments.extend(["-device", "virtio-rng-pci"].map(OsString::from));
        if let Some(disk) = &self.disk {
            arguments.extend(disk.arguments()?);
        }
        arguments.extend(network_arguments(&self.network, self.nic, forwarded)?);
        Ok(arguments)
    }
}

impl Start {
    fn arguments(&self) -> Result<Vec<OsString>> {
        match self {
            Self::Bios => Ok(Vec::new()),
            Self::Uefi => {
                let Ovmf { code, variables } = Ovmf::find()?;
                Ok(vec![
                    "-drive".into(),
                    file_option("if=pflash,unit=0,format=raw,readonly=on", &code)?,
                    "-drive".into(),
                    file_option("if=pflash,unit=1,format=raw,snapshot=on", &variables)?,
                ])
            }
            Self::Kernel(Kernel { image, initramfs, command_line }) => {
                let mut arguments = vec!["-kernel".into(), image.into()];
                if let Some(initramfs) = initramfs {
                    arguments.extend(["-initrd".into(), initramfs.into()]);
                }
                arguments.extend(["-append".into(), command_line.into()]);
                Ok(arguments)
            }
        }
    }
}

impl Disk {
    /// A virtio disk that nothing slows down.
    pub fn new(path: PathBuf, format: DiskFormat) -> Self {
        Self { path, format, bus: DiskBus::default(), throttle: None, is_kept: false }
    }

    fn arguments(&self) -> Result<Vec<OsString>> {
        let format = self.format.name();
        let mut options = format!("if=none,id=disk,format={format}");
        if !self.is_kept {
            options.push_str(",snapshot=on");
        }
        if let Some(Throttle { operations, bytes }) = self.throttle {
            options.push_str(&format!(
                ",throttling.iops-total={operations},throttling.bps-total={bytes}"
            ));
        }
        let mut arguments = vec!["-drive".into(), file_option(&options, &self.path)?];
        for device in self.bus.devices() {
            arguments.extend(["-device", device].map(OsString::from));
        }
        Ok(arguments)
    }
}

impl Plugin {
    /// The value of `-plugin`.
    fn option(&self) -> Result<OsString> {
        // It takes the file first and has no name for it to come later.
        let mut option = file_option("", &self.file)?.as_bytes()[1..].to_owned();
        for (name, value) in &self.arguments {
            option.extend(format!(",{name}={}", value.replace(',', ",,")).into_bytes());
        }
        Ok(OsString::from_vec(option))
    }
}

fn network_arguments(
    network: &Network,
    nic: Nic,
    forwarded: Option<SocketAddr>,
) -> Result<Vec<OsString>> {
    let netdev = match network {
        Network::None => return Ok(Vec::new()),
        Network::User(user) => user.netdev(forwarded)?,
        Network::Tap(_) => Tap::netdev(),
    };
    // Without its ROM the firmware does not try to boot from the network.
    let device = format!("{},netdev=net,romfile=", nic.device());
    Ok(["-netdev", &netdev, "-device", &device].map(OsString::from).into())
}

/// Adds the file to a list of options. QEMU takes a comma for the end of the
/// name unless it is doubled, and `name:` at its beginning for a protocol.
pub(crate) fn file_option(options: &str, path: &Path) -> Result<OsString> {
    let path = std::path::absolute(path)
        .with_context(|| format!("finding the absolute path of {}", path.display()))?;
    let mut bytes = format!("{options},file=").into_bytes();
    for byte in OsStr::as_bytes(path.as_os_str()) {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    Ok(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_path_is_no_end_of_it() {
        let option = file_option("if=none", Path::new("/a,b/c:d")).unwrap();
        assert_eq!(option, "if=none,file=/a,,b/c:d");
    }
}
