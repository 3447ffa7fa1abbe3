//! Fragments: groups of symbols with a reason, in the files of `fragments/`.
//!
//! ```text
//! # why: one sentence, which may go on
//! # in the next comment line
//! CONFIG_NAME=value
//! CONFIG_OTHER=n
//! ```
//!
//! An empty line ends a group. A comment before the first group says what the
//! fragment is for.

use anyhow::{Result, anyhow, bail};

use crate::needs::{Hypervisor, Needs};
use crate::request::{Origin, Requested, Value};

/// A file of `fragments/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Its path in the repository.
    pub path: &'static str,
    /// Its content.
    pub text: &'static str,
}

macro_rules! fragment {
    ($name:literal) => {
        Fragment {
            path: concat!("kernel/fragments/", $name, ".config"),
            text: include_str!(concat!("../fragments/", $name, ".config")),
        }
    };
}

/// What every kernel has and what none has.
const ALWAYS: [Fragment; 5] = [
    fragment!("base"),
    fragment!("absent"),
    fragment!("platform"),
    fragment!("console"),
    fragment!("network"),
];

/// The fragments that fulfil the needs, in the order in which they build on each
/// other.
pub fn fragments(needs: &Needs) -> Vec<Fragment> {
    let mut chosen = ALWAYS.to_vec();
    match needs.hypervisor {
        Hypervisor::Kvm => chosen.extend([fragment!("guest"), fragment!("kvm")]),
        Hypervisor::Vmware => chosen.extend([fragment!("guest"), fragment!("vmware")]),
        Hypervisor::None => chosen.push(fragment!("host")),
    }
    if needs.hardened {
        chosen.extend([fragment!("hardened"), fragment!("mitigations")]);
    } else {
        chosen.push(fragment!("not-hardened"));
    }
    if needs.kml {
        chosen.push(fragment!("kml"));
    }
    let has_users = needs.hardened || !needs.tailor.lsm;
    chosen.push(if has_users { fragment!("users") } else { fragment!("one-user") });
    chosen.push(if needs.tailor.lsm { fragment!("no-lsm") } else { fragment!("lsm") });
    if needs.ipv6 {
        chosen.push(fragment!("ipv6"));
    }
    if needs.efi {
        chosen.push(fragment!("efi"));
        if needs.hypervisor == Hypervisor::None {
            chosen.push(fragment!("host-efi"));
        }
    }
    if let Some(disk) = needs.disk {
        chosen.push(fragment!("disk"));
        match needs.hypervisor {
            Hypervisor::Kvm => chosen.push(fragment!("kvm-disk")),
            Hypervisor::Vmware => chosen.push(fragment!("vmware-disk")),
            Hypervisor::None => chosen.push(fragment!("host-disk")),
        }
        if needs.efi && needs.hypervisor == Hypervisor::Vmware {
            chosen.push(fragment!("vmware-disk-efi"));
        }
        if disk.writable {
            chosen.push(fragment!("writable"));
        }
    }
    chosen
}

impl Fragment {
    /// The symbols that the fragment requests.
    ///
    /// # Errors
    /// When a line is not understood or a group gives no reason.
    pub fn requests(&self) -> Result<Vec<Requested>> {
        let mut found = Vec::new();
        let mut why = String::new();
        for (line, number) in self.text.lines().zip(1..) {
            if let Some(text) = line.strip_prefix("# why: ") {
                why = text.to_owned();
            } else if let Some(text) = line.strip_prefix("# ") {
                if !why.is_empty() {
                    why.push(' ');
                    why.push_str(text);
                }
            } else if line.is_empty() {
                why.clear();
            } else {
                let place = || format!("{}:{number}", self.path);
                if why.is_empty() {
                    bail!("{}: no reason is given for this group", place());
                }
                let (symbol, value) = setting(line)
                    .ok_or_else(|| anyhow!("{}: expected CONFIG_NAME=value", place()))?;
                found.push(Requested {
                    symbol: symbol.to_owned(),
                    value,
                    why: why.clone(),
                    origin: Origin::Fragment { path: self.path, line: number },
                });
            }
        }
        Ok(found)
    }
}

fn setting(line: &str) -> Option<(&str, Value)> {
    let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    Some((symbol, Value::parse(value)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::needs::Disk;
    use crate::tailor::Tailor;

    const ALL: Needs = Needs {
        hypervisor: Hypervisor::Kvm,
        disk: Some(Disk { writable: true }),
        ipv6: true,
        efi: true,
        hardened: false,
        tailor: Tailor::CONFIGURATION,
        kml: false,
    };

    /// All needs of every kind of kernel.
    fn kinds() -> impl Iterator<Item = Needs> {
        let hypervisors = Hypervisor::ALL.iter();
        // Whether it is hardened, without security modules, and with its server in ring 0.
        let kernels = [
            (false, true, false),
            (true, true, false),
            (false, false, false),
            (true, false, false),
            (false, true, true),
            (false, false, true),
        ];
        hypervisors.flat_map(move |hypervisor| {
            kernels.map(|(hardened, lsm, kml)| {
                let tailor = Tailor { lsm, ..Tailor::default() };
                Needs { hypervisor: *hypervisor, hardened, tailor, kml, ..ALL }
            })
        })
    }

    fn names(needs: &Needs) -> Vec<&'static str> {
        let name = |fragment: &Fragment| {
            let path = fragment.path.strip_prefix("kernel/fragments/").unwrap();
            path.strip_suffix(".config").unwrap()
        };
        fragments(needs).iter().map(name).collect()
    }

    #[test]
    fn every_symbol_has_a_reason_and_one_value() {
        for needs in kinds() {
            let mut values = BTreeMap::new();
            for fragment in fragments(&needs) {
                for requested in fragment.requests().unwrap() {
                    assert!(requested.why.len() > 10, "{requested:?}");
                    let origin = requested.origin.to_string();
                    let other = values.insert(requested.symbol.clone(), origin);
                    assert_eq!(other, None, "{} is requested twice", requested.symbol);
                }
            }
            assert!(values.len() > 60);
        }
    }

    #[test]
    fn no_file_of_fragments_is_unused() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fragments");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let names = kinds().flat_map(|needs| names(&needs));
        let mut used: Vec<String> = names.map(|name| format!("{name}.config")).collect();
        used.sort();
        used.dedup();
        assert_eq!(files, used);
    }

    #[test]
    fn what_is_not_needed_is_not_there() {
        let plain = Needs { disk: None, ipv6: false, efi: false, ..ALL };
        let always = ["base", "absent", "platform", "console", "network"];
        let base = [&always[..], &["guest", "kvm", "not-hardened", "one-user", "no-lsm"]].concat();
        assert_eq!(names(&plain), base);
        let read_only = Needs { disk: Some(Disk { writable: false }), ..plain };
        assert_eq!(names(&read_only), [&base[..], &["disk", "kvm-disk"]].concat());
        assert!(names(&Needs { ipv6: true, ..plain }).contains(&"ipv6"));
        assert!(names(&Needs { efi: true, ..plain }).contains(&"efi"));
        let hardened = names(&Needs { hardened: true, ..plain });
        assert!(["hardened", "mitigations", "users"].iter().all(|name| hardened.contains(name)));
        let with_modules = names(&Needs { tailor: Tailor::default(), ..plain });
        assert!(with_modules.contains(&"lsm") && with_modules.contains(&"users"));
        assert!(names(&Needs { kml: true, ..plain }).contains(&"kml"));
    }

    #[test]
    fn faults_name_their_line() {
        let fault = |text| {
            let fragment = Fragment { path: "f.config", text };
            fragment.requests().unwrap_err().to_string()
        };
        assert_eq!(
            fault("# Purpose.\n\nCONFIG_A=y\n"),
            "f.config:3: no reason is given for this group"
        );
        assert_eq!(fault("# why: a reason\nA=y\n"), "f.config:2: expected CONFIG_NAME=value");
    }

    #[test]
    fn a_reason_can_take_several_lines() {
        let text = "# Purpose.\n\n# why: one\n# and two\nCONFIG_A=y\nCONFIG_B=3\n";
        let found = Fragment { path: "f.config", text }.requests().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].why, "one and two");
        assert_eq!(found[1].origin.to_string(), "f.config:6");
        assert_eq!(found[1].value, Value::Number(3));
    }
}
