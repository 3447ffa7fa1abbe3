//! The libraries that some modules need, static only.

use std::path::Path;

use anyhow::Result;
use host::Job;

use super::{Source, Toolchain, keep};

/// A library that a module of the server can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Library {
    /// Regular expressions: redirect, rewrite, conditions with `=~`.
    Pcre2,
    /// Compression: deflate.
    Zlib,
}

impl Library {
    /// Its name in `source.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcre2 => "pcre2",
            Self::Zlib => "zlib",
        }
    }
}

/// Builds a library against the C library in `musl`. Leaves `include/`, `lib/`
/// and the licence.
///
/// # Errors
/// When a command fails; its output is in the job's log.
pub fn library(
    library: Library,
    source: &Source,
    musl: &Path,
    toolchain: &Toolchain,
    job: &mut Job,
) -> Result<()> {
    let tree = source.unpack(library.name(), job)?;
    match library {
        Library::Pcre2 => pcre2(&tree, musl, toolchain, job),
        Library::Zlib => zlib(&tree, musl, toolchain, job),
    }
}

/// Without the just-in-time compiler: a server that has no memory both writable
/// and executable is worth more than a faster rewrite.
fn pcre2(tree: &Path, musl: &Path, toolchain: &Toolchain, job: &mut Job) -> Result<()> {
    toolchain
        .command("sh", tree, job)
        .args(["./configure", "--disable-shared", "--enable-static", "--disable-jit"])
        .arg(format!("CC={}", toolchain.musl_cc(musl)))
        .run()?;
    toolchain.make(&["libpcre2-8.la"], tree, job)?;
    keep(&tree.join(".libs/libpcre2-8.a"), job, "lib/libpcre2-8.a")?;
    keep(&tree.join("src/pcre2.h"), job, "include/pcre2.h")?;
    keep(&tree.join("LICENCE"), job, "LICENCE")
}

/// zlib's configure is its own and takes the compiler from the environment.
fn zlib(tree: &Path, musl: &Path, toolchain: &Toolchain, job: &mut Job) -> Result<()> {
    toolchain
        .command("sh", tree, job)
        .args(["./configure", "--static"])
        .env("CC", toolchain.musl_cc(musl))
        .run()?;
    toolchain.make(&["libz.a"], tree, job)?;
    keep(&tree.join("libz.a"), job, "lib/libz.a")?;
    for header in ["zlib.h", "zconf.h"] {
        keep(&tree.join(header), job, &format!("include/{header}"))?;
    }
    keep(&tree.join("README"), job, "LICENCE")
}
