//! What is requested of the configuration: by our fragments and by the user.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use host::refused;
use serde::Serialize;

use crate::fragment::fragments;
use crate::needs::Needs;
use crate::tailor::Measure;

/// A symbol that has to have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requested {
    /// Its name without `CONFIG_`.
    pub symbol: String,
    /// The value.
    pub value: Value,
    /// The reason.
    pub why: String,
    /// Who requests it.
    pub origin: Origin,
}

/// Who requests a symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// A line of a file of ours.
    Fragment {
        /// The file, relative to the repository.
        path: &'static str,
        /// The line, from 1.
        line: usize,
    },
    /// The user; where, in words that the user knows.
    User(String),
    /// A measurement of what a setting is worth; its name.
    Measurement(String),
    /// A tailoring, or the lack of it.
    Tailor(Measure),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fragment { path, line } => write!(f, "{path}:{line}"),
            Self::User(place) => f.write_str(place),
            Self::Measurement(name) => write!(f, "the measurement `{name}`"),
            Self::Tailor(measure) => write!(f, "kernel.tailor.{measure}"),
        }
    }
}

/// The value of a symbol; shown as in a `.config` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Built in or absent: `y` or `n`. There are no modules.
    Switch(bool),
    /// A decimal number.
    Number(i64),
    /// A hexadecimal number: Kconfig has a type for them.
    Hex(u64),
    /// A text.
    Text(String),
}

impl Value {
    /// The value of a text of the user's: a hexadecimal number if it looks like
    /// one, since no other format that a user writes has a type for them.
    pub fn from_text(text: String) -> Self {
        parse_hex(&text).map_or(Self::Text(text), Self::Hex)
    }

    /// Reads the notation of a `.config` file.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "y" => Some(Self::Switch(true)),
            "n" => Some(Self::Switch(false)),
            _ => parse_hex(text)
                .map(Self::Hex)
                .or_else(|| text.parse().ok().map(Self::Number))
                .or_else(|| {
                    let text = text.strip_prefix('"')?.strip_suffix('"')?;
                    Some(Self::Text(unescape(text)))
                }),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(true) => f.write_str("y"),
            Self::Switch(false) => f.write_str("n"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Hex(number) => write!(f, "{number:#x}"),
            Self::Text(text) => write!(f, "\"{}\"", escape(text)),
        }
    }
}

fn parse_hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// As the kernel does it (scripts/kconfig/confdata.c, `escape_string_value`).
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

fn unescape(text: &str) -> String {
    let mut escaped = false;
    let keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    text.chars().filter(keep).collect()
}

impl Requested {
    /// A request of the user's; `place` says where it was made, for example
    /// "appliance.toml: kernel.options.SMP".
    pub fn by_user(symbol: impl Into<String>, value: Value, place: impl Into<String>) -> Self {
        let why = "the user asks for it".to_owned();
        Self { symbol: symbol.into(), value, why, origin: Origin::User(place.into()) }
    }

    /// A request of a measurement.
    pub fn by_measurement(
        symbol: impl Into<String>,
        value: Value,
        name: impl Into<String>,
    ) -> Self {
        let why = "a measurement compares it".to_owned();
        Self { symbol: symbol.into(), value, why, origin: Origin::Measurement(name.into()) }
    }

    /// Whether the user requests it.
    pub(crate) fn is_user(&self) -> bool {
        matches!(self.origin, Origin::User(_))
    }

    /// Whether a tailoring requests it, or the lack of one.
    pub(crate) fn is_tailoring(&self) -> bool {
        matches!(self.origin, Origin::Tailor(_))
    }
}

/// Everything that is requested: by the fragments that fulfil the needs, by the
/// tailorings, and by the user beyond them, who may switch an option of a tailoring off.
///
/// # Errors
/// Refused when the user asks for another value than a fragment does, for an option
/// whose tailoring is off, or for a text that would be more than a text.
pub fn requests(needs: &Needs, user: &[Requested]) -> Result<Vec<Requested>> {
    let mut all = Vec::new();
    for fragment in fragments(needs) {
        all.append(&mut fragment.requests()?);
    }
    all.extend(needs.tailor.requests());
    let ours: BTreeMap<String, Requested> =
        all.iter().map(|requested| (requested.symbol.clone(), requested.clone())).collect();
    for requested in user {
        check_text(requested)?;
        match ours.get(&requested.symbol) {
            None => all.push(requested.clone()),
            Some(our) if our.value == requested.value => {}
            Some(our) if our.is_tailoring() && requested.value == Value::Switch(false) => {
                all = vary(all, std::slice::from_ref(requested));
            }
            Some(our) => return Err(conflict(requested, our)),
        }
    }
    Ok(all)
}

/// The same requests but for what a measurement varies, whoever requested it.
pub fn vary(requested: Vec<Requested>, variation: &[Requested]) -> Vec<Requested> {
    let varies = |symbol: &str| variation.iter().any(|other| other.symbol == symbol);
    let kept = requested.into_iter().filter(|requested| !varies(&requested.symbol));
    kept.chain(variation.iter().cloned()).collect()
}

/// The kernel's Makefile reads texts as make does: it would run `$(shell ...)` on
/// the build host.
fn check_text(requested: &Requested) -> Result<()> {
    let Value::Text(text) = &requested.value else { return Ok(()) };
    match text.chars().find(|c| c.is_control() || "$`#".contains(*c)) {
        None => Ok(()),
        Some(c) => Err(refused(format!(
            "{}: the value holds the character {c:?}, which no kernel option can have",
            requested.origin
        ))
        .into()),
    }
}

fn conflict(user: &Requested, our: &Requested) -> anyhow::Error {
    let mut hint = format!("remove the option {}", user.symbol);
    let why = match our.origin {
        Origin::Tailor(measure) if our.value == Value::Switch(false) => {
            hint.push_str(&format!(", or add `{measure} = true` to [kernel.tailor]"));
            format!("as its patch is not applied without {}", our.origin)
        }
        _ => format!("which the appliance needs ({}: {})", our.origin, our.why),
    };
    let symbol = &user.symbol;
    let (theirs, ours) = (&user.value, &our.value);
    let what = format!("{}: {symbol}={theirs} conflicts with {symbol}={ours}, {why}", user.origin);
    refused(what).hint(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs::Hypervisor;
    use crate::tailor::Tailor;

    const NEEDS: Needs = Needs {
        hypervisor: Hypervisor::Kvm,
        disk: None,
        ipv6: false,
        efi: false,
        hardened: false,
        tailor: Tailor::CONFIGURATION,
        kml: false,
    };

    fn user(symbol: &str, value: Value) -> Requested {
        Requested::by_user(symbol, value, format!("appliance.toml: kernel.options.{symbol}"))
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["y", "n", "17", "-1", "0x200000", "\"a \\\"b\\\" \\\\ c\""] {
            assert_eq!(Value::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "maybe", "\"", "0x"] {
            assert_eq!(Value::parse(text), None, "{text}");
        }
        assert_eq!(Value::from_text("0x10".into()), Value::Hex(16));
        assert_eq!(Value::from_text("cubic".into()), Value::Text("cubic".into()));
    }

    #[test]
    fn a_conflict_names_both_sides() {
        let error = requests(&NEEDS, &[user("SMP", Value::Switch(true))]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("appliance.toml: kernel.options.SMP: SMP=y conflicts"), "{text}");
        assert!(text.contains("kernel/fragments/absent.config:"), "{text}");
        let problem = error.downcast::<host::Problem>().unwrap();
        assert_eq!(problem.kind, host::Kind::Refused);
    }

    #[test]
    fn a_patch_that_was_left_out_cannot_be_asked_for() {
        let error = requests(&NEEDS, &[user("TAILOR_DAC", Value::Switch(true))]).unwrap_err();
        let text = error.to_string();
        let expected = "conflicts with TAILOR_DAC=n, as its patch is not applied without";
        assert!(text.ends_with(&format!("{expected} kernel.tailor.dac")), "{text}");
        let hint = error.downcast::<host::Problem>().unwrap().hint.unwrap();
        assert_eq!(hint, "remove the option TAILOR_DAC, or add `dac = true` to [kernel.tailor]");
    }

    #[test]
    fn an_option_of_a_tailoring_can_be_off() {
        let needs = Needs { tailor: Tailor::ALL, ..NEEDS };
        let off = user("TAILOR_GRO", Value::Switch(false));
        let all = requests(&needs, std::slice::from_ref(&off)).unwrap();
        let found: Vec<_> = all.iter().filter(|it| it.symbol == "TAILOR_GRO").collect();
        assert_eq!(found, [&off]);
        assert_eq!(all.len(), requests(&needs, &[]).unwrap().len());
        assert!(requests(&NEEDS, &[off]).is_ok(), "it is off anyway");
        assert!(requests(&needs, &[user("TAILOR_GRO", Value::Number(0))]).is_err());
    }

    #[test]
    fn ring_0_and_another_code_segment_exclude_each_other() {
        let kml = Needs { kml: true, ..NEEDS };
        let asked = [user("IA32_EMULATION", Value::Switch(true))];
        assert!(requests(&NEEDS, &asked).is_ok());
        let text = requests(&kml, &asked).unwrap_err().to_string();
        assert!(text.contains("kernel/fragments/kml.config:"), "{text}");
    }

    #[test]
    fn the_users_options_come_after_ours() {
        let ours = requests(&NEEDS, &[]).unwrap();
        let more = [user("BTRFS_FS", Value::Switch(true)), user("NET", Value::Switch(true))];
        let all = requests(&NEEDS, &more).unwrap();
        assert_eq!(all.len(), ours.len() + 1, "NET is there anyway");
        assert_eq!(all.last().unwrap().symbol, "BTRFS_FS");
    }

    #[test]
    fn a_measurement_varies_what_was_requested() {
        let smp = Requested::by_measurement("SMP", Value::Switch(true), "smp");
        let ours = requests(&NEEDS, &[]).unwrap();
        let varied = vary(ours.clone(), std::slice::from_ref(&smp));
        assert_eq!(varied.len(), ours.len());
        assert_eq!(varied.last(), Some(&smp));
    }

    #[test]
    fn a_text_cannot_smuggle_a_setting_or_a_command() {
        for text in ["x\"\nCONFIG_SMP=y", "$(shell reboot)"] {
            let value = Value::Text(text.into());
            assert!(requests(&NEEDS, &[user("DEFAULT_HOSTNAME", value)]).is_err(), "{text}");
        }
    }
}
