//! Questions to the hypervisor, each on a channel of its own: `1 ANSWER` comes
//! back, or `0 REASON`.

use super::Backdoor;
use super::channel::{Channel, Protocol, Refusal};

/// Asks, and gives the answer.
///
/// # Errors
/// When there is no channel, or the answer is no.
pub fn ask<'a>(
    backdoor: &mut impl Backdoor,
    question: &[&[u8]],
    room: &'a mut [u8],
) -> Result<&'a [u8], Refusal> {
    let channel = Channel::open(backdoor, Protocol::Rpci)?;
    let answer = channel
        .send(backdoor, question)
        .and_then(|()| channel.receive(backdoor, room))
        .and_then(|answer| answer.ok_or(Refusal));
    channel.close(backdoor);
    match answer?.split_at_checked(2) {
        Some((b"1 ", answer)) => Ok(answer),
        _ => Err(Refusal),
    }
}

/// Tells something to which no answer matters.
pub fn tell(backdoor: &mut impl Backdoor, message: &[&[u8]]) {
    let _ = ask(backdoor, message, &mut [0; 128]);
}

#[cfg(test)]
mod tests {
    use super::super::testing::Host;
    use super::*;

    #[test]
    fn a_question_has_an_answer() {
        let mut host = Host::default();
        host.answers("info-get guestinfo.ovfEnv", "1 <Environment/>");
        let mut room = [0; 64];
        let answer = ask(&mut host, &[b"info-get ", b"guestinfo.ovfEnv"], &mut room);
        assert_eq!(answer, Ok(&b"<Environment/>"[..]));
        assert_eq!(host.open_channels(), 0);
    }

    #[test]
    fn no_is_no_answer() {
        let mut host = Host::default();
        host.answers("info-get x", "0 No value found");
        assert_eq!(ask(&mut host, &[b"info-get x"], &mut [0; 64]), Err(Refusal));
        assert_eq!(ask(&mut host, &[b"unheard of"], &mut [0; 64]), Err(Refusal));
        assert_eq!(host.open_channels(), 0);
    }

    #[test]
    fn an_answer_that_is_too_long_is_refused() {
        let mut host = Host::default();
        host.answers("long", "1 0123456789");
        assert_eq!(ask(&mut host, &[b"long"], &mut [0; 11]), Err(Refusal));
        assert!(ask(&mut host, &[b"long"], &mut [0; 12]).is_ok());
    }

    #[test]
    fn without_a_hypervisor_nothing_is_asked() {
        let mut host = Host { deaf: true, ..Host::default() };
        assert!(!super::super::is_there(&mut host));
        assert_eq!(ask(&mut host, &[b"x"], &mut [0; 8]), Err(Refusal));
        assert!(super::super::is_there(&mut Host::default()));
    }
}
