//! The hypervisor's side of the port, after the same headers: what our side says
//! has to make sense to it.

use std::collections::VecDeque;
use std::string::String;
use std::vec::Vec;

use super::channel::Protocol;
use super::{Backdoor, MAGIC, PORT, Registers};

/// A hypervisor that knows some questions, and asks some itself.
#[derive(Default)]
pub(crate) struct Host {
    /// Nobody listens at the port.
    pub(crate) deaf: bool,
    /// What it will ask on a channel that is open for that.
    pub(crate) questions: VecDeque<&'static str>,
    /// What came as answers to its own questions.
    pub(crate) answered: Vec<String>,
    /// What it was asked or told.
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) known: Vec<(&'static str, &'static str)>,
    pub(crate) channels: Vec<Option<Open>>,
}

pub(crate) struct Open {
    protocol: u32,
    expected: usize,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    sent: usize,
}

const COOKIE: [u32; 2] = [0x1234, 0x5678];

impl Host {
    pub(crate) fn answers(&mut self, question: &'static str, answer: &'static str) {
        self.known.push((question, answer));
    }

    pub(crate) fn open_channels(&self) -> usize {
        self.channels.iter().flatten().count()
    }

    fn message(&mut self, kind: u32, registers: Registers) -> Option<Registers> {
        let mut answer = registers;
        let number = (registers.edx >> 16) as usize;
        if kind == 0 {
            let protocol = registers.ebx & 0x7fff_ffff;
            let (expected, incoming, outgoing, sent) = (0, Vec::new(), Vec::new(), 0);
            self.channels.push(Some(Open { protocol, expected, incoming, outgoing, sent }));
            let number = u32::try_from(self.channels.len() - 1).unwrap();
            answer.edx = number << 16 | u32::from(PORT);
            [answer.esi, answer.edi] = COOKIE;
            answer.ecx = 1 << 16;
            return Some(answer);
        }
        if [registers.esi, registers.edi] != COOKIE {
            return None;
        }
        answer.ecx = 1 << 16;
        if kind == 6 {
            self.channels[number].take()?;
            return Some(answer);
        }
        let channel = self.channels.get_mut(number)?.as_mut()?;
        match kind {
            1 => {
                channel.expected = registers.ebx as usize;
                channel.incoming.clear();
            }
            2 => {
                let left = channel.expected - channel.incoming.len();
                channel.incoming.extend(&registers.ebx.to_le_bytes()[..left.min(4)]);
            }
            3 => {
                if channel.protocol == Protocol::Tclo as u32
                    && let Some(question) = self.questions.pop_front()
                {
                    channel.outgoing = question.into();
                    channel.sent = 0;
                }
                if !channel.outgoing.is_empty() {
                    answer.ecx |= 2 << 16;
                    answer.ebx = u32::try_from(channel.outgoing.len()).unwrap();
                }
            }
            4 => {
                let rest = &channel.outgoing[channel.sent..];
                let mut word = [0; 4];
                word[..rest.len().min(4)].copy_from_slice(&rest[..rest.len().min(4)]);
                channel.sent += rest.len().min(4);
                answer.ebx = u32::from_le_bytes(word);
            }
            5 => channel.outgoing.clear(),
            _ => return None,
        }
        if matches!(kind, 1 | 2) && channel.incoming.len() == channel.expected {
            let message = channel.incoming.clone();
            if channel.protocol == Protocol::Rpci as u32 {
                let known = self.known.iter().find(|(known, _)| known.as_bytes() == message);
                channel.outgoing = known.map_or("0 unknown", |(_, answer)| answer).into();
                channel.sent = 0;
                self.heard.push(message);
            } else {
                self.answered.push(String::from_utf8(message).unwrap());
            }
        }
        Some(answer)
    }
}

impl Backdoor for Host {
    fn call(&mut self, registers: Registers) -> Registers {
        assert_eq!((registers.eax, registers.edx & 0xffff), (MAGIC, u32::from(PORT)));
        let refused = Registers { ecx: 0, ..registers };
        match registers.ecx & 0xffff {
            _ if self.deaf => Registers { eax: u32::MAX, ..refused },
            10 => Registers { eax: 6, ebx: MAGIC, ..registers },
            30 => self.message(registers.ecx >> 16, registers).unwrap_or(refused),
            _ => refused,
        }
    }
}
