//! What the program in the guest says on the console: lines as
//! [`bench_guest::wire`] has them, between whatever else appears there.

use anyhow::{Context, Result, bail, ensure};
use bench_guest::wire::{CALL, Call, Checksum, END, ERRNO, FAILED, PREFIX, REPETITIONS, RING};

/// What the program says of one call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// The call.
    pub call: Call,
    /// Times as value and number, sorted by value; or the error number that the
    /// kernel refused it with.
    pub times: Result<Vec<(u64, u64)>, u32>,
}

/// The text of a line of ours. The firmware leaves the cursor in a line of its own,
/// so that ours need not begin at its beginning.
pub(super) fn text(line: &str) -> Option<&str> {
    line.split_once(PREFIX).map(|(_, text)| text.trim_end())
}

/// Whether this is the last line.
pub(super) fn is_last(text: &str) -> bool {
    matches!(text.split(' ').next(), Some(END | FAILED))
}

/// Reads the texts of all lines up to the last one: in which ring the program runs, and
/// what it says of the calls.
///
/// # Errors
/// When a line is missing, out of order, or not what the program wrote.
pub(super) fn parse(lines: &[String]) -> Result<(u8, Vec<Told>)> {
    let (end, lines) = lines.split_last().context("the program said nothing")?;
    let mut checksum = Checksum::default();
    for line in lines {
        checksum.add(line.as_bytes());
    }
    let expected = format!("{END} {} {:016x}", lines.len(), checksum.0);
    ensure!(
        *end == expected,
        "what the program said did not arrive whole: it ends with `{}` instead of `{expected}`",
        shown(end)
    );
    let (first, lines) = lines.split_first().context("the program said nothing")?;
    let ring = first.strip_prefix(RING).map(|word| word.trim_start().parse());
    let ring = ring.context("it does not say first where it runs")?.context("reading its ring")?;
    let told: Vec<Told> = lines
        .iter()
        .map(|line| parse_line(line).with_context(|| format!("reading `{}`", shown(line))))
        .collect::<Result<_>>()?;
    ensure!(
        told.iter().map(|told| told.call).eq(Call::ALL),
        "the program is not of this version: it made other calls, or in another order"
    );
    Ok((ring, told))
}

/// A line as a message shows it.
fn shown(line: &str) -> String {
    const LONGEST: usize = 80;
    line.chars().take(LONGEST).flat_map(char::escape_debug).collect()
}

fn parse_line(line: &str) -> Result<Told> {
    let mut words = line.split(' ');
    ensure!(words.next() == Some(CALL), "it is about no call");
    let name = words.next().context("the call is missing")?;
    let call = Call::ALL.into_iter().find(|call| call.name() == name);
    let call = call.context("no call is measured under this name")?;
    let mut words = words.peekable();
    if words.next_if_eq(&ERRNO).is_some() {
        let errno = words.next().context("the error number is missing")?;
        ensure!(words.next().is_none(), "more follows the error number");
        return Ok(Told { call, times: Err(errno.parse().context("reading the error number")?) });
    }
    let times = words.map(parse_value).collect::<Result<Vec<_>>>()?;
    let mut count = 0u64;
    for (index, (value, number)) in times.iter().enumerate() {
        if index > 0 && times[index - 1].0 >= *value {
            bail!("{value} is not in its order");
        }
        count = count.saturating_add(*number);
    }
    ensure!(count == REPETITIONS as u64, "it has {count} values instead of {REPETITIONS}");
    Ok(Told { call, times: Ok(times) })
}

fn parse_value(word: &str) -> Result<(u64, u64)> {
    let (value, number) = word.split_once(':').context("a value without a number of times")?;
    let value = value.parse().context("reading a value")?;
    let number = number.parse().context("reading how often a value was seen")?;
    ensure!(number > 0, "the value {value} was never seen");
    Ok((value, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<String> {
        let line = |call: Call| match call {
            Call::Sendfile => format!("{CALL} sendfile {ERRNO} 38"),
            call => format!("{CALL} {} 449:199 512:1", call.name()),
        };
        let ring = format!("{RING} 3");
        finished(std::iter::once(ring).chain(Call::ALL.into_iter().map(line)).collect())
    }

    /// The lines with the last one that belongs to them.
    fn finished(mut lines: Vec<String>) -> Vec<String> {
        let mut checksum = Checksum::default();
        lines.iter().for_each(|line| checksum.add(line.as_bytes()));
        lines.push(format!("{END} {} {:016x}", lines.len(), checksum.0));
        lines
    }

    fn failure(lines: &[String]) -> String {
        format!("{:#}", parse(lines).unwrap_err())
    }

    /// The failure of lines of which one was replaced, with a checksum that fits.
    fn failure_with(line: &str) -> String {
        let mut lines = lines();
        lines.pop();
        lines[3] = line.to_owned();
        failure(&finished(lines))
    }

    #[test]
    fn whole_lines_are_read() {
        let (ring, told) = parse(&lines()).unwrap();
        assert_eq!(ring, 3);
        assert_eq!(told.len(), Call::ALL.len());
        assert_eq!(told[2], Told { call: Call::Close, times: Ok(vec![(449, 199), (512, 1)]) });
        assert_eq!(told[16], Told { call: Call::Sendfile, times: Err(38) });
    }

    #[test]
    fn lines_that_were_lost_or_changed_are_seen() {
        assert!(failure(&[]).contains("said nothing"));
        let whole = lines();
        for lost in 0..whole.len() - 1 {
            let mut lines = whole.clone();
            lines.remove(lost);
            assert!(failure(&lines).contains("did not arrive whole"), "{lost}");
        }
        let mut lines = whole.clone();
        lines[3] = lines[3].replace("449", "448");
        assert!(failure(&lines).contains("did not arrive whole"));
        let mut lines = whole.clone();
        lines.last_mut().unwrap().pop();
        assert!(failure(&lines).contains("did not arrive whole"));
        assert!(failure(&whole[..5]).contains("did not arrive whole"));
    }

    #[test]
    fn hostile_lines_are_refused() {
        for (line, why) in [("call empty 1:200", "where it runs"), ("ring x", "its ring")] {
            let mut lines = lines();
            lines.pop();
            lines[0] = line.to_owned();
            assert!(failure(&finished(lines)).contains(why), "{line}");
        }
        for (line, why) in [
            ("", "it is about no call"),
            ("call", "the call is missing"),
            ("call fork 1:200", "under this name"),
            ("call close", "0 values"),
            ("call close 449", "without a number"),
            ("call close 449:", "reading how often"),
            ("call close -1:200", "reading a value"),
            ("call close 18446744073709551616:200", "reading a value"),
            ("call close 1:199", "199 values"),
            ("call close 1:18446744073709551615 2:2", "18446744073709551615 values"),
            ("call close 2:100 1:100", "1 is not in its order"),
            ("call close 2:100 2:100", "2 is not in its order"),
            ("call close 1:200 2:0", "never seen"),
            ("call close errno", "the error number is missing"),
            ("call close errno -2", "reading the error number"),
            ("call close errno 2 2", "more follows"),
            ("call close  1:200", "without a number"),
            ("call getppid 1:200", "in another order"),
        ] {
            let failure = failure_with(line);
            assert!(failure.contains(why), "{line}: {failure}");
        }
        let long = failure_with(&format!("call close {}\u{1b}[31m", "9".repeat(10_000)));
        assert!(long.len() < 200 && !long.contains('\u{1b}'), "{long}");
    }

    #[test]
    fn our_lines_are_found_among_others() {
        assert_eq!(text("Booting from ROM..bench: call\r"), Some("call"));
        assert_eq!(text("[    0.1] random: crng init done"), None);
        assert!(is_last("end 17 0123") && !is_last("ending") && !is_last("call end"));
    }
}
