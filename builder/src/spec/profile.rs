//! `kernel.profile` and `[kernel.tailor]`: what a kernel is made for, and what is
//! left out of it.

use kernel::{Measure, Tailor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a kernel is made for, beyond serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// As fast as it gets.
    #[default]
    Fast,
    /// What configuration alone makes fast; none of the project's patches.
    StockChecks,
    /// Whatever protects is on, and the server runs as a user without rights, under
    /// a filter of its system calls.
    Hardened,
}

/// Section `[kernel.tailor]`: what is left out of the kernel; as the profile has it,
/// where nothing is said.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TailorSpec {
    /// Security modules, audit, and users other than root; by configuration.
    pub lsm: Option<bool>,
    /// Access control by mode bits. Needs `lsm`.
    pub dac: Option<bool>,
    /// Checks that the environment of an appliance decides.
    pub checks: Option<bool>,
    /// The way through the virtual file system to ext3, ext4, memory and sockets.
    /// Needs `dac`.
    pub vfs: Option<bool>,
    /// What the network does that a server of pages has no use for.
    pub net: Option<bool>,
    /// What the kernel does around calls, waits and timers for machines with more
    /// processors, more programs, or somebody who measures them.
    pub core: Option<bool>,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Fast, Self::StockChecks, Self::Hardened];

    /// The name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::StockChecks => "stock-checks",
            Self::Hardened => "hardened",
        }
    }

    /// What it leaves out unless `[kernel.tailor]` says otherwise.
    pub fn tailor(self) -> Tailor {
        match self {
            Self::Fast => Tailor::ALL,
            // A hardened kernel has users, but no module that would ask about them.
            Self::StockChecks | Self::Hardened => Tailor::CONFIGURATION,
        }
    }

    /// What an image gives up by its profile and what is left out, in one line.
    pub fn gives_up(self, tailor: Tailor) -> String {
        let mut lost: Vec<&str> = match self {
            Self::Fast | Self::StockChecks => vec!["mitigations of the processor's faults"],
            Self::Hardened => {
                vec!["speed, for a server without rights in a kernel that checks itself"]
            }
        };
        let taken = tailor.measures().filter(|it| self != Self::Hardened || *it != Measure::Lsm);
        lost.extend(taken.filter_map(Measure::gives_up));
        let names: Vec<&str> = tailor.measures().map(Measure::name).collect();
        let without = if names.is_empty() { "nothing left out".into() } else { names.join(", ") };
        let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") };
        format!("profile {} (tailored: {without}) gives up {lost}", self.name())
    }
}

impl TailorSpec {
    /// What the file says of a measure.
    pub fn get(&self, measure: Measure) -> Option<bool> {
        match measure {
            Measure::Lsm => self.lsm,
            Measure::Dac => self.dac,
            Measure::Checks => self.checks,
            Measure::Vfs => self.vfs,
            Measure::Net => self.net,
            Measure::Core => self.core,
        }
    }

    /// What is left out of a kernel of a profile.
    pub fn with(&self, profile: Profile) -> Tailor {
        let default = profile.tailor();
        Tailor {
            lsm: self.lsm.unwrap_or(default.lsm),
            dac: self.dac.unwrap_or(default.dac),
            checks: self.checks.unwrap_or(default.checks),
            vfs: self.vfs.unwrap_or(default.vfs),
            net: self.net.unwrap_or(default.net),
            core: self.core.unwrap_or(default.core),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_said_in_one_line() {
        let fast = Profile::Fast.gives_up(Tailor::ALL);
        let start = "profile fast (tailored: lsm, dac, checks, vfs, net, core) gives up \
                     mitigations of the processor's faults, users and security modules";
        assert!(fast.starts_with(start), "{fast}");
        for what in ["waits of half a second", "acknowledgement of uploads", "TCP_INFO"] {
            assert!(fast.contains(what), "{what} is not in {fast}");
        }
        assert!(!fast.contains('\n'));
        let net = Tailor { net: true, ..Tailor::CONFIGURATION };
        let hardened = Profile::Hardened.gives_up(net);
        assert!(hardened.contains("TCP_INFO") && !hardened.contains("users"), "{hardened}");
    }
}
