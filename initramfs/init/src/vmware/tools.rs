//! The channel on which the hypervisor asks. It shows that the guest lives
//! (vSphere's heartbeat is whether somebody answers here), and brings the power
//! operations of its user.

use super::Backdoor;
use super::ask::{self, tell};
use super::channel::{Channel, Protocol, Refusal};

/// The longest question that is understood, in bytes.
const QUESTION_MAX: usize = 256;

/// What the hypervisor's user wants of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To be switched off.
    PowerOff,
    /// To start again.
    Restart,
}

/// Our end of the channel.
#[derive(Debug)]
pub struct Tools {
    channel: Channel,
    /// The answer to the last question; it goes out with the next look.
    answer: &'static [u8],
}

impl Tools {
    /// Takes up the channel and says what we can do.
    ///
    /// # Errors
    /// When the hypervisor has no channel for us.
    pub fn open(backdoor: &mut impl Backdoor) -> Result<Self, Refusal> {
        let channel = Channel::open(backdoor, Protocol::Tclo)?;
        Ok(Self { channel, answer: b"" })
    }

    /// Looks for a question and answers it; call it about once a second. Gives a
    /// wish that came with it.
    ///
    /// # Errors
    /// When the channel is gone, as after the machine was moved to another host:
    /// open another.
    pub fn look(&mut self, backdoor: &mut impl Backdoor) -> Result<Option<Wish>, Refusal> {
        self.channel.send(backdoor, &[self.answer])?;
        let mut room = [0; QUESTION_MAX];
        let Some(question) = self.channel.receive(backdoor, &mut room)? else {
            self.answer = b"";
            return Ok(None);
        };
        let (answer, wish): (&'static [u8], _) = match question {
            b"reset" => (b"OK ATR toolbox", None),
            b"ping" => (b"OK ", None),
            b"Capabilities_Register" => {
                register(backdoor);
                (b"OK ", None)
            }
            b"OS_Halt" => (b"OK ", Some(Wish::PowerOff)),
            b"OS_Reboot" => (b"OK ", Some(Wish::Restart)),
            _ if question.starts_with(b"Set_Option ") => (b"OK ", None),
            _ => (b"ERROR Unknown command", None),
        };
        self.answer = answer;
        if wish.is_some() {
            // The machine goes down before the next look: the answer goes now.
            self.channel.send(backdoor, &[self.answer])?;
            self.answer = b"";
        }
        Ok(wish)
    }
}

/// Says that we answer, and which version of the tools we stand for: the one of a
/// guest that looks after itself (`TOOLS_VERSION_UNMANAGED`).
fn register(backdoor: &mut impl Backdoor) {
    for message in [
        "vmx.capability.unified_loop toolbox",
        "tools.set.version 2147483647",
        "tools.capability.statechange ",
    ] {
        tell(backdoor, &[message.as_bytes()]);
    }
}

/// Asks for the properties of the virtual machine (`com.vmware.guestInfo` of OVF).
pub fn environment<'a>(backdoor: &mut impl Backdoor, room: &'a mut [u8]) -> Option<&'a str> {
    let answer = ask::ask(backdoor, &[b"info-get guestinfo.ovfEnv"], room).ok()?;
    core::str::from_utf8(answer).ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Host;
    use super::*;

    #[test]
    fn questions_are_answered_at_the_next_look() {
        let mut host = Host::default();
        host.questions.extend(["reset", "ping", "Set_Option synctime 0", "unheard of"]);
        let mut tools = Tools::open(&mut host).unwrap();
        for _ in 0..5 {
            assert_eq!(tools.look(&mut host), Ok(None));
        }
        assert_eq!(host.answered, ["", "OK ATR toolbox", "OK ", "OK ", "ERROR Unknown command"]);
    }

    #[test]
    fn a_wish_is_answered_at_once() {
        let mut host = Host::default();
        host.questions.push_back("OS_Halt");
        let mut tools = Tools::open(&mut host).unwrap();
        assert_eq!(tools.look(&mut host), Ok(Some(Wish::PowerOff)));
        assert_eq!(host.answered, ["", "OK "]);
        host.questions.push_back("OS_Reboot");
        assert_eq!(tools.look(&mut host), Ok(Some(Wish::Restart)));
    }

    #[test]
    fn what_we_can_do_is_registered() {
        let mut host = Host::default();
        host.questions.push_back("Capabilities_Register");
        Tools::open(&mut host).unwrap().look(&mut host).unwrap();
        assert!(host.heard.contains(&b"tools.set.version 2147483647".to_vec()));
    }

    #[test]
    fn a_lost_channel_is_an_error() {
        let mut host = Host::default();
        let mut tools = Tools::open(&mut host).unwrap();
        host.deaf = true;
        assert_eq!(tools.look(&mut host), Err(Refusal));
    }
}
