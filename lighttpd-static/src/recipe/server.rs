//! lighttpd itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Job, refused};

use super::{Entry, Library, Source, Toolchain, keep, patch, write};
use crate::modules::Modules;

/// Why this is a patch stands in it.
const FIRST_SECOND: &str =
    include_str!("../../patches/0001-http2-in-the-clocks-first-second.patch");
/// What `src/h2.c` of a release says that has mended it itself.
const MENDED: &str = "monotonic clock starts at zero";

/// What the server is linked with: the results of the steps before.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The C library.
    pub musl: &'a Path,
    /// How that calls the kernel.
    pub entry: Entry,
    /// The other libraries.
    pub libraries: &'a [(Library, PathBuf)],
}

/// Builds the server with the given modules and nothing else. Leaves `lighttpd`,
/// stripped, and `COPYING`.
///
/// # Errors
/// Refused when the source has no `configure`; otherwise when a command fails,
/// its output is in the job's log.
pub fn server(
    source: &Source,
    parts: Parts,
    modules: &Modules,
    toolchain: &Toolchain,
    job: &mut Job,
) -> Result<()> {
    let tree = source.unpack("lighttpd", job)?;
    if !tree.join("configure").is_file() {
        return Err(refused(format!("{} holds no `configure`", source.tarball.display()))
            .hint("give a release tarball, not a snapshot of the repository")
            .into());
    }
    serve_in_the_first_second(&tree, job)?;
    configure(&tree, parts, toolchain, job)?;
    let src = tree.join("src");
    write(&src.join("plugin-static.h"), &plugin_list(modules))?;
    let compat = src.join("sys");
    fs::create_dir_all(&compat).with_context(|| format!("creating {}", compat.display()))?;
    write(&compat.join("queue.h"), include_str!("queue.h"))?;
    // What `make all` makes first, though `make lighttpd` needs it too.
    toolchain.command("make", &src, job).args(["parsers", "versionstamp"]).run()?;
    let ring = match parts.entry {
        Entry::Syscall => "",
        Entry::Jump => ring_teller(&src, parts.musl, toolchain, job)?,
    };
    // Its own flag exports every symbol, which would keep them all.
    toolchain.make(&[&format!("lighttpd_LDFLAGS={ring}"), "lighttpd"], &src, job)?;
    toolchain
        .command("strip", &src, job)
        .args(["--strip-all", "--remove-section=.comment", "-o"])
        .arg(job.out.join("lighttpd"))
        .arg("lighttpd")
        .run()?;
    keep(&tree.join("COPYING"), job, "COPYING")
}

/// Compiles what lets the server tell from inside in which ring it runs; gives the
/// object's name.
fn ring_teller(src: &Path, musl: &Path, toolchain: &Toolchain, job: &Job) -> Result<&'static str> {
    write(&src.join("ring.c"), include_str!("ring.c"))?;
    let compile = format!("{} $CFLAGS -c ring.c", toolchain.musl_cc(musl));
    toolchain.command("sh", src, job).args(["-c", &compile]).run()?;
    Ok("ring.o")
}

fn serve_in_the_first_second(tree: &Path, job: &Job) -> Result<()> {
    let file = tree.join("src/h2.c");
    let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    if text.windows(MENDED.len()).any(|part| part == MENDED.as_bytes()) {
        return Ok(());
    }
    patch(FIRST_SECOND, tree, job).context("applying our patch to HTTP/2 of the server")
}

fn configure(tree: &Path, parts: Parts, toolchain: &Toolchain, job: &Job) -> Result<()> {
    let mut command = toolchain
        .command("sh", tree, job)
        // Modules are linked in, by the list in src/plugin-static.h.
        .env("LIGHTTPD_STATIC", "yes")
        .args(["./configure", "--prefix=/", "--disable-shared", "--enable-static"])
        .args(["--without-bzip2", "--without-zstd", "--without-brotli"])
        .arg(format!("CC={}", toolchain.musl_cc(parts.musl)));
    let (mut includes, mut libraries) = (Vec::new(), Vec::new());
    for option in [Library::Pcre2, Library::Zlib] {
        let found = parts.libraries.iter().find(|(library, _)| *library == option);
        let Some((library, dir)) = found else {
            command = command.arg(format!("--without-{}", option.name()));
            continue;
        };
        includes.push(format!("-I{}/include", dir.display()));
        libraries.push(format!("-L{}/lib", dir.display()));
        command = command.arg(match library {
            Library::Pcre2 => format!("--with-pcre2={}", dir.display()),
            Library::Zlib => "--with-zlib".to_owned(),
        });
    }
    command
        .arg(format!("CPPFLAGS={}", includes.join(" ")))
        .arg(format!("LIBS={}", libraries.join(" ")))
        .run()?;
    Ok(())
}

/// The text of `src/plugin-static.h`.
fn plugin_list(modules: &Modules) -> String {
    modules.plugins().map(|plugin| format!("PLUGIN_INIT({plugin})\n")).collect()
}
