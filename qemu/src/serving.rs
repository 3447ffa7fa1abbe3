//! The line by which PID 1 of an appliance says that its server serves:
//! `appliance: serving http://ADDRESS:PORT after N ms`.

use std::net::SocketAddr;
use std::time::Duration;

/// What the guest said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Where it serves, as seen in its own network.
    pub address: SocketAddr,
    /// How long it took from the start of its kernel, by its own clock.
    pub after: Duration,
}

impl Serving {
    /// The report in a line of the console, if it is one.
    pub fn parse(line: &str) -> Option<Self> {
        let (_, report) = line.split_once("appliance: serving http://")?;
        let (address, rest) = report.split_once(" after ")?;
        let milliseconds = rest.strip_suffix(" ms")?.parse().ok()?;
        let address = address.trim_end_matches('/').parse().ok()?;
        Some(Self { address, after: Duration::from_millis(milliseconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_recognised() {
        let expected =
            Serving { address: "10.0.2.15:80".parse().unwrap(), after: Duration::from_millis(420) };
        let line = "appliance: serving http://10.0.2.15:80 after 420 ms";
        assert_eq!(Serving::parse(line), Some(expected));
        let line = "appliance: serving http://[2001:db8::2]:8080 after 1 ms";
        assert_eq!(Serving::parse(line).unwrap().address, "[2001:db8::2]:8080".parse().unwrap());
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "appliance: starting the server",
            "appliance: serving http://10.0.2.15:80",
            "appliance: serving http://10.0.2.15:80 after a while",
        ] {
            assert_eq!(Serving::parse(line), None, "{line}");
        }
    }
}
