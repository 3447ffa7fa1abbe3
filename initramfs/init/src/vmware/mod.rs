//! VMware's word with its guests, as far as an appliance needs it: properties of
//! the virtual machine come in, its address and a sign of life go out, and power
//! operations are obeyed.
//!
//! Everything goes through an I/O port that the hypervisor watches
//! ([`Backdoor`]); on top of it are channels for messages ([`channel`]): one on
//! which we ask ([`ask`]) and one on which we are asked ([`tools`]). Written after
//! the headers of open-vm-tools (lib/include/backdoor_def.h, guest_msg_def.h,
//! guestInfo.h; lib/guestRpc/nicinfo.x).

pub mod ask;
pub mod channel;
pub mod environment;
pub mod nic;
pub mod tools;

/// What the hypervisor expects in `eax` (`BDOOR_MAGIC`).
pub const MAGIC: u32 = 0x564d_5868;
/// The port (`BDOOR_PORT`), the lower half of `edx`.
pub const PORT: u16 = 0x5658;
/// Asks for the version; `ebx` comes back as [`MAGIC`] (`BDOOR_CMD_GETVERSION`).
const GET_VERSION: u32 = 10;

/// The registers of a call, before and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the processor's names")]
pub struct Registers {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub esi: u32,
    pub edi: u32,
}

/// The port, or what stands in for it in a test.
pub trait Backdoor {
    /// Reads a double word from the port with these registers.
    fn call(&mut self, registers: Registers) -> Registers;
}

/// Whether anybody listens at the port.
pub fn is_there(backdoor: &mut impl Backdoor) -> bool {
    let ask = Registers { eax: MAGIC, ecx: GET_VERSION, edx: PORT.into(), ..Registers::default() };
    let answer = backdoor.call(ask);
    answer.ebx == MAGIC && answer.eax != u32::MAX
}

#[cfg(test)]
pub(crate) mod testing;
