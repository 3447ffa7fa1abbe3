//! The addresses of a kernel's functions and of its modules'.
//!
//! Debian keeps `System.map` in a package of its own of a gigabyte, and it lacks
//! the modules. So the kernel is started once and asked for /proc/kallsyms. With
//! `nokaslr` it does not move, and its modules do not as long as they are loaded in
//! the same order, each when the room that the one before needed for its start is
//! free again: `load-modules` waits for that. udev does not: below a whole Debian
//! the modules lie elsewhere in every start, and one name stands for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::Support;
use bench::measure::FREE_PAGES;
use host::{Command, Job, digest_file, failed, write_atomically};
use initramfs::Tree;
use qemu::{Clock, Engine, Guest, Machine, Network, Start};

use super::Baselines;
use super::kernel::{add_argument, write};

/// What the steps depend on.
pub(super) const RECIPE: &str = include_str!("symbols.rs");
/// How long a guest may take to write its list on the console, emulated on a busy
/// host.
const DEADLINE: Duration = Duration::from_secs(900);
/// What the guest says before and after the list.
const BEGIN: &str = "appliance: symbols of";
const END: &str = "appliance: end of the symbols";
/// The files of a step.
const FILE: &str = "System.map";
const LOADED: &str = "modules";
/// Where the region for modules begins (`MODULES_VADDR` in
/// arch/x86/include/asm/pgtable_64_types.h, in a kernel that can be randomised).
const MODULES_BEGIN: &str = "ffffffffc0000000";
/// Holds every tool that the guest needs, linked statically.
const BUSYBOX: &str = "busybox-static";

impl Baselines<'_> {
    /// `System.map` of a kernel that loads modules in this order.
    pub(super) fn kernel_symbols(&self, machine: &Machine, support: &Support) -> Result<PathBuf> {
        let Start::Kernel(kernel) = &machine.start else {
            anyhow::bail!("a baseline that is not started directly")
        };
        let busybox = self.busybox()?;
        let mut inputs = self.loader_inputs(&support.modules)?;
        inputs.insert("kernel".to_owned(), digest_file(&kernel.image)?.to_string());
        inputs.insert("command line".to_owned(), kernel.command_line.clone());
        inputs.insert("busybox".to_owned(), digest_file(&busybox)?.to_string());
        let what = "ask Debian's kernel for its symbols";
        let out = self.long_step("bench-symbols", what, RECIPE, inputs, |job| {
            let mut tree = Tree::new();
            tree.console()?;
            tree.directory("/bin", "programs")?;
            tree.program("/bin/busybox", unpack_busybox(job, &busybox)?, "tools")?;
            tree.directory("/proc", "where the list is")?;
            tree.directory("/run", "where it is kept")?;
            let script = script("/bin/busybox sh", "/bin/busybox ");
            tree.program("/init.next", script.into(), "writes the list")?;
            self.add_loader(&mut tree, &support.modules)?;
            let initramfs = job.scratch.join("initramfs.cpio");
            write(&tree, &initramfs)?;
            let mut machine = machine.clone();
            if let Start::Kernel(kernel) = &mut machine.start {
                kernel.initramfs = Some(initramfs);
            }
            list(machine, Modules::Stay, &job.out)
        })?;
        Ok(out.join(FILE))
    }

    fn busybox(&self) -> Result<PathBuf> {
        let listed = self.fetched(self.fetcher.packages(BUSYBOX))?;
        let package = listed.into_iter().find(|it| it.name == BUSYBOX);
        let package = package.ok_or_else(|| {
            failed(format!("the mirrors have no package {BUSYBOX}")).hint("use another mirror")
        })?;
        self.fetched(self.fetcher.package(&package))
    }
}

fn unpack_busybox(job: &Job, package: &Path) -> Result<Vec<u8>> {
    let tree = job.scratch.join("busybox");
    Command::new("dpkg-deb").arg("-x").arg(package).arg(&tree).log(&job.log).run()?;
    fs::read(tree.join("bin/busybox")).context("reading busybox out of its package")
}

/// What the guest runs once its modules are loaded: with this shell, and with this
/// before the name of each tool. Beside the functions it lists where the kernel counts
/// its pages. It then waits to be ended by whoever reads the list:
/// what a machine that switches itself off has not yet sent is lost.
pub(super) fn script(shell: &str, tool: &str) -> String {
    format!(
        "#!{shell}\n\
         test -e /proc/modules || {tool}mount -t proc proc /proc\n\
         {tool}grep -e ' [tTwW] ' -e ' {FREE_PAGES}$' /proc/kallsyms >/run/symbols\n\
         functions=$({tool}wc -l </run/symbols)\n\
         echo \"{BEGIN} $functions functions, $({tool}wc -l </proc/modules) modules\"\n\
         {tool}cat /run/symbols\n\
         echo '{END}'\n\
         {tool}sleep 3600\n"
    )
}

/// Whether a kernel's modules are at the same addresses in every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modules {
    Stay,
    Move,
}

/// Starts the machine and takes down the list that it writes on its console, in
/// the form of `System.map`.
pub(super) fn list(mut machine: Machine, kind: Modules, dir: &Path) -> Result<()> {
    machine.network = Network::None;
    if machine.accelerator.engine == Engine::Tcg {
        // However busy the host is, the guest does the same.
        machine.clock = Clock::Instructions(0);
    }
    // Of what the kernel says, a panic alone may come between the lines.
    add_argument(&mut machine, "nokaslr loglevel=1");
    let mut guest = machine.boot()?;
    let (mut symbols, modules) = collect(&mut guest).with_context(|| guest.evidence())?;
    if kind == Modules::Move {
        symbols.retain(|symbol| symbol.as_str() < MODULES_BEGIN);
        symbols.push(format!("{MODULES_BEGIN} t [modules]\n"));
    }
    write_atomically(&dir.join(FILE), symbols.concat().as_bytes())?;
    write_atomically(&dir.join(LOADED), modules.to_string().as_bytes())
}

/// The file that [`list`] has written, and how many modules were loaded.
pub(super) fn read(dir: &Path) -> Result<(PathBuf, u64)> {
    let modules = fs::read_to_string(dir.join(LOADED)).context("reading the loaded modules")?;
    Ok((dir.join(FILE), modules.parse().context("reading the loaded modules")?))
}

fn collect(guest: &mut Guest) -> Result<(Vec<String>, u64)> {
    let what = "the guest's list of symbols";
    let (announced, modules) = guest.wait_for(what, DEADLINE, announced)?;
    let mut lines = Vec::new();
    guest.wait_for("the end of the guest's list of symbols", DEADLINE, |line| {
        lines.extend(symbol(line));
        line.contains(END).then_some(())
    })?;
    ensure!(lines.len() == announced, "of {announced} symbols {} came", lines.len());
    lines.sort();
    Ok((lines, modules))
}

/// How many symbols follow and how many modules are loaded, in the line that says
/// it.
pub(super) fn announced(line: &str) -> Option<(usize, u64)> {
    let mut words = line.split_once(BEGIN)?.1.split_whitespace();
    Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
}

/// A line of `System.map` for one of /proc/kallsyms, which names a module behind.
pub(super) fn symbol(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
    let is_address = address.len() == 16 && u64::from_str_radix(address, 16).is_ok_and(|it| it > 0);
    (is_address && kind.len() == 1).then(|| format!("{address} {kind} {name}\n"))
}
