//! How the server runs in an image.

use serde::{Deserialize, Serialize};

/// Where the border between server and kernel lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The server runs in user mode, like every program of Linux
    #[default]
    Default,
    /// Kernel Mode Linux: the server runs in ring 0
    Kml,
}

impl Variant {
    /// Every variant, for tests that must not leave one out.
    pub const ALL: &[Self] = &[Self::Default, Self::Kml];

    /// The name on the command line and in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Kml => "kml",
        }
    }

    /// What the names of output directories end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Kml => "-kml",
        }
    }

    /// What it adds to the kernel's command line, if something.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::Kml => Some("kml"),
        }
    }

    /// A kernel's command line without that word.
    pub fn unasked(self, command_line: &str) -> String {
        let words = command_line.split(' ').filter(|word| Some(*word) != self.word());
        words.collect::<Vec<_>>().join(" ")
    }

    /// What an image of the variant gives up against the usual one, as the end of a
    /// sentence; none if nothing.
    pub fn gives_up(self) -> Option<&'static str> {
        match self {
            Self::Default => None,
            Self::Kml => Some(
                "the border between server and kernel: a server that is taken over or goes wrong \
                 has the whole machine, and SMEP and SMAP are off",
            ),
        }
    }
}
