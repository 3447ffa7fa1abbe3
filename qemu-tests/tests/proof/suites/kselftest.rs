//! The kernel's own tests, of the source that the kernel is made of: those of files,
//! paths, sockets, signals and processes that run alone, on one processor, without
//! modules and namespaces.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use appliance::home;
use appliance::progress::Progress;
use appliance::sources::{FetchOptions, Fetcher};
use host::Command;

use super::guest::Packed;

/// It has two cases that go on until a race has been lost often enough, and so end or
/// not by chance.
const EPOLL: &str = "filesystems/epoll/epoll_wakeup_test";
const EPOLL_OPTIONS: &str = "-T epoll59 -T epoll60";
/// Below tools/testing/selftests, without the ending; each runs on the disk.
const PROGRAMS: &[&str] = &[
    "clone3/clone3",
    "clone3/clone3_clear_sighand",
    "core/close_range_test",
    "fchmodat2/fchmodat2_test",
    EPOLL,
    "filesystems/eventfd/eventfd_test",
    "memfd/memfd_test",
    "mincore/mincore_selftest",
    "net/af_unix/msg_oob",
    "net/af_unix/scm_pidfd",
    "net/af_unix/unix_connect",
    "net/bind_timewait",
    "net/bind_wildcard",
    "net/ip_local_port_range",
    "net/netlink-dumps",
    "net/reuseaddr_conflict",
    "net/reuseport_addr_any",
    "net/reuseport_dualstack",
    "net/sk_bind_sendto_listen",
    "net/sk_connect_zero_addr",
    "net/sk_so_peek_off",
    "net/socket",
    "net/tcp_fastopen_backup_key",
    "net/tcp_inq",
    "openat2/openat2_test",
    "openat2/resolve_test",
    "pidfd/pidfd_getfd_test",
    "pidfd/pidfd_open_test",
    "pidfd/pidfd_poll_test",
    "pidfd/pidfd_test",
    "pidfd/pidfd_wait",
    "proc/fd-001-lookup",
    "proc/fd-002-posix-eq",
    "proc/proc-multiple-procfs",
    "proc/proc-self-map-files-001",
    "proc/proc-self-syscall",
    "proc/self",
    "proc/thread-self",
    "sigaltstack/sas",
    "splice/default_file_splice_read",
    "tmpfs/bug-link-o-tmpfile",
    "x86/corrupt_xstate_header",
    "x86/nx_stack",
    "x86/sigaltstack",
    "x86/sigtrap_loop",
    "x86/single_step_syscall",
    "x86/syscall_arg_fault",
    "x86/syscall_nt",
];
/// What of the source they and their headers need.
const PARTS: &[&str] = &[
    "Makefile",
    "arch/x86/Makefile*",
    "arch/x86/entry/syscalls",
    "arch/x86/include",
    "arch/x86/tools",
    "include/asm-generic",
    "include/uapi",
    "scripts",
    "tools/include",
    "tools/testing/selftests",
    "usr",
];
/// Seconds that one of them may take.
const SECONDS: u32 = 300;

pub(crate) fn pack() -> Result<Packed> {
    let programs = build().context("building the kernel's tests")?;
    let mut packed = Packed::new()?;
    for name in PROGRAMS {
        let program = file_name(name);
        packed.program(&programs.join(&program))?;
        let options = if *name == EPOLL { EPOLL_OPTIONS } else { "" };
        packed.run(&program, SECONDS, "/D", &format!("{program} {options}"));
    }
    Ok(packed)
}

fn file_name(name: &str) -> String {
    name.replace('/', ".")
}

/// Builds the programs, statically, and gives their directory.
fn build() -> Result<PathBuf> {
    let progress = Progress::new(false);
    let fetcher = Fetcher::new(&home::cache(), FetchOptions::default(), &progress);
    let source = fetcher.get("kernel")?;
    let top = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proof/kselftest");
    let tree = top.join(&source.sha256);
    if !tree.join("usr/include").is_dir() {
        unpack(source.verified()?, &tree)?;
    }
    let out = tree.join("programs-that-tell-their-ring");
    fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    PROGRAMS.iter().try_for_each(|name| compile(&tree, name, &out.join(file_name(name))))?;
    Ok(out)
}

/// Unpacks what is needed and makes the headers that programs see.
fn unpack(tarball: &Path, tree: &Path) -> Result<()> {
    fs::create_dir_all(tree).with_context(|| format!("making {}", tree.display()))?;
    Command::new("tar")
        .args(["--extract", "--strip-components=1", "--no-same-owner", "--wildcards", "--file"])
        .arg(tarball)
        .arg("--directory")
        .arg(tree)
        .args(PARTS.iter().map(|part| format!("linux-source-*/{part}")))
        .run()?;
    Command::new("make")
        .args(["--silent", "ARCH=x86_64", "headers"])
        .current_dir(tree)
        .run()
        .map(drop)
}

fn compile(tree: &Path, name: &str, program: &Path) -> Result<()> {
    if program.exists() {
        return Ok(());
    }
    let mut sources = vec![format!("{name}.c")];
    match name.split_once('/') {
        Some(("memfd", _)) => sources.push("memfd/common.c".into()),
        Some(("openat2", _)) => sources.push("openat2/helpers.c".into()),
        _ => {}
    }
    Command::new("gcc")
        .args(["-w", "-O2", "-static", "-D_GNU_SOURCE=", "-I.", "-I../../include"])
        .args(["-isystem", "../../../usr/include", "-o"])
        .arg(program)
        .args(sources)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proof/suites/ring.c"))
        .arg("-lpthread")
        .current_dir(tree.join("tools/testing/selftests"))
        .run()
        .map(drop)
}
