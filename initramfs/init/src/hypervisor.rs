//! Our side of VMware's port, and what is done with it.

use core::arch::asm;
use core::ffi::CStr;

use init::config::Config;
use init::vmware::ask::tell;
use init::vmware::tools::{self, Tools, Wish};
use init::vmware::{Backdoor, PORT, Registers, is_there, nic};

use crate::sys::{self, Down};

/// How often the hypervisor's questions are looked at, in milliseconds.
pub(crate) const LOOK: u64 = 1_000;
/// The hardware address of our interface as text.
const HARDWARE: &CStr = c"/sys/class/net/eth0/address";

/// The port itself.
struct Port;

impl Backdoor for Port {
    fn call(&mut self, mut registers: Registers) -> Registers {
        // The compiler keeps rbx for itself.
        let mut ebx = u64::from(registers.ebx);
        // SAFETY: a read of an I/O port that we may read; the hypervisor changes
        // these registers and no memory.
        unsafe {
            asm!(
                "xchg rbx, {ebx}",
                "in eax, dx",
                "xchg rbx, {ebx}",
                ebx = inout(reg) ebx,
                inout("eax") registers.eax,
                inout("ecx") registers.ecx,
                inout("edx") registers.edx,
                inout("esi") registers.esi,
                inout("edi") registers.edi,
                options(nostack, preserves_flags),
            );
        }
        // Its upper half is not the hypervisor's.
        registers.ebx = u32::try_from(ebx & u64::from(u32::MAX)).unwrap_or_default();
        registers
    }
}

/// A hypervisor that listens.
pub(crate) struct Hypervisor {
    tools: Option<Tools>,
}

impl Hypervisor {
    /// The hypervisor that the configuration speaks of, if it is there.
    pub(crate) fn find(config: &Config) -> Option<Self> {
        if !config.vmware || sys::allow_ports(PORT, 4).is_err() || !is_there(&mut Port) {
            return None;
        }
        Some(Self { tools: Tools::open(&mut Port).ok() })
    }

    /// The properties of the virtual machine, as a document.
    pub(crate) fn environment<'a>(&self, room: &'a mut [u8]) -> Option<&'a str> {
        tools::environment(&mut Port, room)
    }

    /// Says how the machine is called and where it can be reached.
    pub(crate) fn report(&self, config: &Config) {
        tell(&mut Port, &[b"SetGuestInfo  1 ", config.hostname.as_bytes()]);
        let (mut text, mut room) = ([0; 32], [0; nic::LEN_MAX]);
        let hardware = sys::read_file(HARDWARE, &mut text).unwrap_or_default().trim_end();
        if let Some(record) = nic::record(hardware, config.addresses.iter(), &mut room) {
            tell(&mut Port, &[nic::MESSAGE, record]);
        }
    }

    /// Answers the hypervisor; gives what its user wants.
    pub(crate) fn look(&mut self) -> Option<Down> {
        match self.tools.as_mut()?.look(&mut Port) {
            Ok(wish) => wish.map(|wish| match wish {
                Wish::PowerOff => Down::PowerOff,
                Wish::Restart => Down::Restart,
            }),
            Err(_) => {
                self.tools = Tools::open(&mut Port).ok();
                None
            }
        }
    }
}
