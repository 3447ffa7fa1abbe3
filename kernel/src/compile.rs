//! The compile: from a configured tree to the files that are started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use host::{Command, Job, find_program, remove_tree, write_atomically};

use crate::artifact;
use crate::configure::{Configuration, make};

/// Where the kernel is built, below its tree.
pub(crate) const BUILD: &str = "build";
/// Stands in the build directory while make runs; found later, make was killed.
const MARKER: &str = ".compiling";
/// How many steps the last whole build took; stands in the tree.
const STEPS: &str = ".steps";
/// A slow machine with one processor needs a quarter of it.
const DEADLINE: Duration = Duration::from_secs(2 * 60 * 60);
/// What the compile cache may take: about thirty kernels.
const CCACHE_SIZE: &str = "1G";

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct Compile<'a> {
    /// The directory of the compile cache; without it, everything is compiled.
    pub ccache: Option<&'a Path>,
    /// How many compilers run at once.
    pub jobs: usize,
    /// Options of the compiler beyond the kernel's own.
    pub flags: &'a [String],
}

/// Compiles the kernel in `tree` and puts into the step's results:
///
/// - `vmlinuz`, a bzImage;
/// - `vmlinux`, an ELF file without symbols, started directly by PVH;
/// - `System.map`, the addresses of its symbols;
/// - `kernel.config`, the effective configuration.
///
/// Only what depends on a change since the last call is compiled again.
///
/// # Errors
/// When make fails, the user interrupts, or the result is not as it must be.
pub fn compile(
    tree: &Path,
    configuration: &Configuration,
    how: Compile<'_>,
    job: &mut Job<'_>,
) -> Result<()> {
    let build = tree.join(BUILD);
    let marker = build.join(MARKER);
    if marker.exists() {
        remove_tree(&build)?;
    }
    let is_fresh = !build.join("vmlinux").exists();
    update(&build.join(".config"), configuration.text.as_bytes())?;
    write_atomically(&marker, b"")?;
    let steps = run_make(tree, how, is_fresh.then(|| estimate(tree, configuration)), job)?;
    fs::remove_file(&marker).with_context(|| format!("removing {}", marker.display()))?;
    if is_fresh {
        write_atomically(&tree.join(STEPS), steps.to_string().as_bytes())?;
    }
    let effective = fs::read_to_string(build.join(".config")).context("reading .config")?;
    ensure!(
        effective == configuration.text,
        "make changed the configuration {} that was checked",
        build.join(".config").display()
    );
    collect(&build, configuration, job)
}

/// Runs make; gives the number of steps that it took.
fn run_make(tree: &Path, how: Compile<'_>, total: Option<u64>, job: &mut Job<'_>) -> Result<u64> {
    let mut steps = 0;
    let progress = &mut *job.progress;
    progress(0, total);
    let mut command = make(tree, BUILD, &job.log)
        .args(FIXED)
        .arg(format!("-j{}", how.jobs.max(1)))
        .arg(format!("KCFLAGS={}", how.flags.join(" ")))
        .arg("bzImage")
        .deadline(DEADLINE)
        .on_line(|line| {
            if is_step(line) {
                steps += 1;
                // An estimate that turned out too low is no longer one.
                progress(steps, total.filter(|total| steps <= *total));
            }
        });
    if let Some(dir) = how.ccache.filter(|_| find_program("ccache").is_some()) {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        command = command
            .args(["CC=ccache gcc", "HOSTCC=ccache gcc"])
            .env("CCACHE_DIR", std::path::absolute(dir)?)
            .env("CCACHE_CONFIGPATH", "/dev/null")
            .env("CCACHE_BASEDIR", std::path::absolute(tree)?)
            .env("CCACHE_MAXSIZE", CCACHE_SIZE);
    }
    command.run().context("compiling the kernel")?;
    Ok(steps)
}

/// What would otherwise get into the kernel from the clock, the host, and the
/// number of builds in this directory. The time is no date of the source, so that
/// the same source gives the same bytes whichever archive it came from.
pub(crate) const FIXED: [&str; 5] = [
    "KBUILD_BUILD_TIMESTAMP=1970-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER=appliance",
    "KBUILD_BUILD_HOST=appliance",
    "KBUILD_BUILD_VERSION=1",
    "LOCALVERSION=",
];

/// Whether make tells a step of the build: "  CC      init/main.o".
fn is_step(line: &str) -> bool {
    line.strip_prefix("  ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The steps of a whole build: those of the last one, or a guess from the number
/// of symbols that are on (measured for kernels of 350 to 550 of them).
fn estimate(tree: &Path, configuration: &Configuration) -> u64 {
    let remembered = fs::read_to_string(tree.join(STEPS)).ok();
    remembered.and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| {
        let on = configuration.text.lines().filter(|line| line.ends_with("=y")).count();
        u64::try_from(on).unwrap_or(u64::MAX).saturating_mul(16) / 5
    })
}

/// Writes a file if its content changes: make looks at the time.
fn update(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    write_atomically(path, bytes)
}

/// Puts the results into their place and checks them.
fn collect(build: &Path, configuration: &Configuration, job: &Job<'_>) -> Result<()> {
    let out = |name: &str| job.out.join(name);
    let (vmlinuz, vmlinux) = (out("vmlinuz"), out("vmlinux"));
    for (from, to) in [("arch/x86/boot/bzImage", &vmlinuz), ("System.map", &out("System.map"))] {
        fs::copy(build.join(from), to).with_context(|| format!("copying {from}"))?;
        fs::set_permissions(to, fs::Permissions::from_mode(0o644))?;
    }
    write_atomically(&out("kernel.config"), configuration.text.as_bytes())?;
    Command::new("strip")
        .arg("--strip-all")
        .arg("-o")
        .args([&vmlinux, &build.join("vmlinux")])
        .log(&job.log)
        .run()
        .context("stripping vmlinux")?;
    fs::set_permissions(&vmlinux, fs::Permissions::from_mode(0o644))?;
    artifact::check_bzimage(&vmlinuz, configuration.is_on("EFI_STUB"))?;
    artifact::check_vmlinux(&vmlinux)
}
