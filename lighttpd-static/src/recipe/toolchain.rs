//! The host's compiler and how it is called.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use host::{Command, Job, digest_bytes, find_program};

/// The longest that one run of `configure` or `make` takes.
const BUILD_DEADLINE: Duration = Duration::from_secs(900);

/// Small code without what a static program of one process does not need:
/// unwind tables, position independence. Each function gets a section, so that
/// the linker can drop those that nothing calls.
const CFLAGS: &str = "-Os -fno-pie -fno-asynchronous-unwind-tables -fno-unwind-tables \
     -ffunction-sections -fdata-sections";

/// The same sections, collected; no identifier that differs between builds.
const LDFLAGS: &str = "-static -no-pie -Wl,--gc-sections -Wl,--build-id=none";

/// Everything of this folder that decides over the bytes of a result.
const RECIPE: &[&str] = &[
    include_str!("mod.rs"),
    include_str!("toolchain.rs"),
    include_str!("musl.rs"),
    include_str!("musl.specs"),
    include_str!("library.rs"),
    include_str!("server.rs"),
    include_str!("queue.h"),
    include_str!("ring.c"),
    include_str!("../../patches/0001-http2-in-the-clocks-first-second.patch"),
    include_str!("../../patches/musl-kml.patch"),
];

/// The compiler, linker and make of the host.
#[derive(Debug)]
pub struct Toolchain {
    ccache: Option<PathBuf>,
    id: String,
}

impl Toolchain {
    /// The toolchain of this host; compiled objects are kept in the directory
    /// `ccache` if one is given and the program ccache is there.
    ///
    /// # Errors
    /// Failed when one of the programs is not installed.
    pub fn find(ccache: Option<&Path>) -> Result<Self> {
        let mut id = format!("recipe {}", digest_bytes(RECIPE.concat().as_bytes()));
        for program in ["gcc", "ld", "make"] {
            let said = Command::new(program).arg("--version").output()?;
            let said = String::from_utf8_lossy(&said);
            id.push_str("; ");
            id.push_str(said.lines().next().unwrap_or_default());
        }
        let ccache = ccache.filter(|_| find_program("ccache").is_some()).map(Path::to_owned);
        Ok(Self { ccache, id })
    }

    /// What of the toolchain and of this recipe decides over the bytes of a
    /// result: part of the cache key of every step.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The compiler for the host's own C library.
    pub(super) fn cc(&self) -> String {
        let ccache = if self.ccache.is_some() { "ccache " } else { "" };
        format!("{ccache}gcc")
    }

    /// The compiler for the C library that [`super::musl`] left in `musl`. The
    /// specs name it relative to the system root, so that it can be moved.
    pub(super) fn musl_cc(&self, musl: &Path) -> String {
        let musl = musl.display();
        format!("{} -specs={musl}/musl.specs --sysroot={musl}", self.cc())
    }

    /// A command in a source tree, with the environment that `configure` reads.
    pub(super) fn command<'a>(&self, program: &str, dir: &Path, job: &Job) -> Command<'a> {
        let mut command = Command::new(program)
            .current_dir(dir)
            .log(&job.log)
            .deadline(BUILD_DEADLINE)
            .env("CFLAGS", format!("{CFLAGS} -ffile-prefix-map={}=.", dir.display()))
            .env("LDFLAGS", LDFLAGS)
            // Nothing of the host is to be found but what we name.
            .env("PKG_CONFIG", "false");
        if let Some(dir) = &self.ccache {
            command = command.env("CCACHE_DIR", dir);
        }
        command
    }

    /// Runs `make` with as many jobs as there are processors and tells the
    /// progress by counted objects.
    pub(super) fn make(&self, targets: &[&str], dir: &Path, job: &mut Job) -> Result<()> {
        let listed = self.command("make", dir, job).arg("-n").args(targets).output()?;
        let total = String::from_utf8_lossy(&listed).lines().filter(|line| compiles(line)).count();
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let command = self.command("make", dir, job).arg(format!("-j{jobs}")).args(targets);
        let mut done: u64 = 0;
        let total = u64::try_from(total).ok();
        let progress = &mut *job.progress;
        command
            .on_line(|line| {
                if compiles(line) {
                    done += 1;
                    progress(done, total);
                }
            })
            .run()?;
        Ok(())
    }
}

/// Whether a line of make's output is the compilation of one object.
fn compiles(line: &str) -> bool {
    line.contains("gcc ") && line.contains(" -c ")
}
