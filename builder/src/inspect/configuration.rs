//! What the kernel's configuration amounts to.

use super::report::{Answer, Configuration};

/// What people ask about a tailored kernel: the option and what it stands for.
const QUESTIONS: [(&str, &str); 13] = [
    ("SMP", "more than one processor"),
    ("MODULES", "loadable modules"),
    ("BLOCK", "disks"),
    ("EXT4_FS", "ext3 and ext4"),
    ("IPV6", "IPv6"),
    ("MULTIUSER", "users other than root"),
    ("SECURITY", "security modules"),
    ("SWAP", "swap"),
    ("PM", "power management at run time"),
    ("SOUND", "sound"),
    ("PCI", "PCI"),
    ("EFI", "start by UEFI"),
    ("FTRACE", "tracing"),
];

/// Summarises a `.config` file.
pub(super) fn summarise(config: &str) -> Configuration {
    let values = || config.lines().filter_map(|line| line.strip_prefix("CONFIG_")?.split_once('='));
    let count = |wanted: &str| values().filter(|(_, value)| *value == wanted).count();
    let answers = QUESTIONS
        .iter()
        .map(|(option, what)| Answer {
            option: (*option).to_owned(),
            what: (*what).to_owned(),
            on: values().any(|(name, value)| name == *option && value == "y"),
        })
        .collect();
    Configuration { built_in: count("y"), modules: count("m"), answers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_counted() {
        let config = "# comment\nCONFIG_PCI=y\n# CONFIG_SMP is not set\nCONFIG_EFI=m\nCONFIG_N=4\n";
        let summary = summarise(config);
        assert_eq!((summary.built_in, summary.modules), (1, 1));
        let on: Vec<_> = summary.answers.iter().filter(|a| a.on).map(|a| &a.option[..]).collect();
        assert_eq!(on, ["PCI"]);
    }
}
