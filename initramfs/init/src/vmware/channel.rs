//! Channels for messages, four bytes a call. There is a faster way with string
//! instructions; messages here are short and few.

use super::{Backdoor, MAGIC, PORT, Registers};

/// `BDOOR_CMD_MESSAGE`, the lower half of `ecx`; the kind is the upper one.
const MESSAGE: u32 = 30;
const OPEN: u32 = 0;
const SEND_SIZE: u32 = 1;
const SEND_PAYLOAD: u32 = 2;
const RECEIVE_SIZE: u32 = 3;
const RECEIVE_PAYLOAD: u32 = 4;
const RECEIVE_STATUS: u32 = 5;
const CLOSE: u32 = 6;

/// Bits of the upper half of `ecx` afterwards (`MESSAGE_STATUS_…`).
const SUCCESS: u32 = 1;
const TO_RECEIVE: u32 = 2;
/// Asks for two numbers that prove in later calls who opened the channel
/// (`GUESTMSG_FLAG_COOKIE`).
const WITH_COOKIE: u32 = 0x8000_0000;

/// What a channel is for (`RPCI_PROTOCOL_NUM`, `TCLO_PROTOCOL_NUM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// We ask.
    Rpci = 0x4943_5052,
    /// We are asked.
    Tclo = 0x4f4c_4354,
}

/// The hypervisor refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal;

/// An open channel.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    number: u32,
    cookie: [u32; 2],
}

impl Channel {
    /// Opens a channel.
    ///
    /// # Errors
    /// When the hypervisor has none for us.
    pub fn open(backdoor: &mut impl Backdoor, protocol: Protocol) -> Result<Self, Refusal> {
        let none = Self { number: 0, cookie: [0; 2] };
        let answer = none.call(backdoor, OPEN, protocol as u32 | WITH_COOKIE)?;
        Ok(Self { number: answer.edx >> 16, cookie: [answer.esi, answer.edi] })
    }

    /// Closes the channel.
    pub fn close(self, backdoor: &mut impl Backdoor) {
        // One that is not closed ends with the machine.
        let _ = self.call(backdoor, CLOSE, 0);
    }

    /// Sends a message, which is made of pieces.
    ///
    /// # Errors
    /// When the hypervisor does not take it.
    pub fn send(&self, backdoor: &mut impl Backdoor, pieces: &[&[u8]]) -> Result<(), Refusal> {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.call(backdoor, SEND_SIZE, u32::try_from(len).map_err(|_| Refusal)?)?;
        let mut bytes = pieces.iter().flat_map(|piece| piece.iter().copied());
        for _ in 0..len.div_ceil(4) {
            let word = [0; 4].map(|nothing: u8| bytes.next().unwrap_or(nothing));
            self.call(backdoor, SEND_PAYLOAD, u32::from_le_bytes(word))?;
        }
        Ok(())
    }

    /// Takes the message that waits, if one does. What does not fit into the room is
    /// an error, but is taken off the channel.
    ///
    /// # Errors
    /// When the hypervisor refuses, or the message is too long.
    pub fn receive<'a>(
        &self,
        backdoor: &mut impl Backdoor,
        room: &'a mut [u8],
    ) -> Result<Option<&'a [u8]>, Refusal> {
        let answer = self.call(backdoor, RECEIVE_SIZE, 0)?;
        if answer.ecx >> 16 & TO_RECEIVE == 0 {
            return Ok(None);
        }
        let len = usize::try_from(answer.ebx).map_err(|_| Refusal)?;
        let kept = len.min(room.len());
        let fits = kept == len;
        for at in (0..kept).step_by(4) {
            let word = self.call(backdoor, RECEIVE_PAYLOAD, SUCCESS)?.ebx.to_le_bytes();
            let end = kept.min(at + 4);
            room[at..end].copy_from_slice(&word[..end - at]);
        }
        self.call(backdoor, RECEIVE_STATUS, if fits { SUCCESS } else { 0 })?;
        if fits { Ok(Some(&room[..len])) } else { Err(Refusal) }
    }

    fn call(
        &self,
        backdoor: &mut impl Backdoor,
        kind: u32,
        ebx: u32,
    ) -> Result<Registers, Refusal> {
        let answer = backdoor.call(Registers {
            eax: MAGIC,
            ebx,
            ecx: kind << 16 | MESSAGE,
            edx: self.number << 16 | u32::from(PORT),
            esi: self.cookie[0],
            edi: self.cookie[1],
        });
        if answer.ecx >> 16 & SUCCESS == 0 { Err(Refusal) } else { Ok(answer) }
    }
}
