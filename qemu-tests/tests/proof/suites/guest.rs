//! A guest that runs the programs of a suite: busybox as PID 1, the programs with their
//! libraries, and a script.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use appliance::run::accelerator;
use host::Command;
use initramfs::Tree;
use qemu::{Disk, DiskFormat, Kernel, Machine, Start};

use super::cases::{self, Cases};
use crate::guest::make_disk;

/// Memory in MiB: fio's libraries alone are 80.
const MEMORY: u32 = 768;
const DISK: u64 = 192 << 20;
/// Where the programs of a suite lie: a kernel of the variant `kml` runs them in ring 0 if
/// it is asked to, and to others it is a place like any other.
const TRUSTED: &str = "/trusted";
/// A case that is known to differ: that the comparison sees it is seen each time.
const CONTROL: &str = "sh -c 'ulimit -f 8; dd if=/dev/zero of=file bs=4k count=2'";
/// How long a suite may take; each of its programs has a deadline within the guest.
const DEADLINE: Duration = Duration::from_secs(1800);

/// What goes into the guest: programs, and the commands that run them.
pub(crate) struct Packed {
    tree: Tree,
    commands: String,
}

impl Packed {
    /// Busybox, and the case that differs.
    pub(crate) fn new() -> Result<Self> {
        let mut tree = Tree::new();
        tree.console()?;
        for place in ["/bin", "/etc", "/proc", "/sys", TRUSTED] {
            tree.directory(place, "where programs look")?;
        }
        for (name, text) in [
            ("/etc/passwd", "root:x:0:0::/:\nnobody:x:65534:65534::/:\ntests:x:1001:1001::/:\n"),
            ("/etc/group", "root:x:0:\nnobody:x:65534:\ntests:x:1001:\n"),
        ] {
            tree.file(name, text.into(), "users that pjdfstest asks for")?;
        }
        let mut packed = Self { tree, commands: String::new() };
        packed.program_in("/bin", Path::new("/bin/busybox"))?;
        packed.run("file-size-limit", 60, "/T", CONTROL);
        Ok(packed)
    }

    /// Adds a program of the host, and the libraries that it is linked to.
    pub(crate) fn program(&mut self, path: &Path) -> Result<()> {
        self.program_in(TRUSTED, path)
    }

    fn program_in(&mut self, place: &str, path: &Path) -> Result<()> {
        let name = path.file_name().context("a program without a name")?.to_string_lossy();
        let content = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        self.tree.program(format!("{place}/{name}"), content, "a program of the suite")?;
        for library in libraries(path)? {
            self.library(&library)?;
        }
        Ok(())
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &str, text: &str) -> Result<()> {
        self.tree.file(path, text.into(), "what a program reads")
    }

    fn library(&mut self, path: &str) -> Result<()> {
        if self.tree.list().iter().any(|it| it.path == path) {
            return Ok(());
        }
        let above: Vec<_> = Path::new(path).ancestors().skip(1).collect();
        for directory in above.iter().rev().filter(|it| it.parent().is_some()) {
            let directory = directory.to_string_lossy().into_owned();
            if !self.tree.list().iter().any(|it| it.path == directory) {
                self.tree.directory(directory, "libraries")?;
            }
        }
        let content = fs::read(path).with_context(|| format!("reading {path}"))?;
        self.tree.program(path, content, "a library of a program")
    }

    /// Runs a command in a new directory of a mounted file system, with a deadline in
    /// seconds.
    pub(crate) fn run(&mut self, name: &str, seconds: u32, place: &str, command: &str) {
        self.commands += &format!("try {name} {seconds} {place} {command}\n");
    }
}

/// What the dynamic linker loads for a program; nothing for a static one.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let outcome = Command::new("ldd").arg(program).outcome()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let paths = said.split_ascii_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(|path| path.trim_end_matches(':').to_owned()).collect())
}

/// One of the two that are compared: a kernel, and a word for its command line, which may
/// be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    /// What it is called where it is told from the other, as in "in ring 0".
    pub(crate) name: &'static str,
    pub(crate) kernel: &'a Path,
    pub(crate) word: &'a str,
}

/// Runs a suite on a kernel, its disk formatted so.
pub(crate) fn run(side: Side, packed: &Packed, filesystem: &str) -> Result<Cases> {
    let room = tempfile::tempdir().context("making a directory")?;
    let disk = room.path().join("disk.raw");
    make_disk(&disk, filesystem, DISK)?;
    let mut guest = machine(side, packed, filesystem, &disk)?.boot()?;
    guest.wait_shutdown(DEADLINE).map_err(|error| anyhow!("{error:#}\n{}", guest.evidence()))?;
    let said = Command::new("debugfs").args(["-R", "cat /said"]).arg(&disk).output()?;
    let cases = cases::read(&String::from_utf8_lossy(&said))
        .map_err(|error| anyhow!("{error:#}\n{}", guest.evidence()))?;
    eprintln!("{} cases on {filesystem} in {} s", cases.len(), guest.age().as_secs());
    Ok(cases)
}

fn machine(side: Side, packed: &Packed, filesystem: &str, disk: &Path) -> Result<Machine> {
    let script =
        format!("FILESYSTEM={filesystem}\n{}{}finish\n", include_str!("guest.sh"), packed.commands);
    let mut tree = packed.tree.clone();
    tree.file("/script", script.into_bytes(), "what is run")?;
    let mut archive = Vec::new();
    tree.write(&mut archive)?;
    let initramfs = disk.with_file_name("initramfs.cpio");
    fs::write(&initramfs, archive).context("writing the initramfs")?;
    let start = Start::Kernel(Kernel {
        image: side.kernel.to_owned(),
        initramfs: Some(initramfs),
        command_line: format!(
            "console=ttyS0 panic=5 no_timer_check {} rdinit=/bin/busybox -- sh /script",
            side.word
        ),
    });
    let mut machine = Machine::new(start, accelerator()?, MEMORY);
    let mut disk = Disk::new(disk.to_owned(), DiskFormat::Raw);
    disk.is_kept = true;
    machine.disk = Some(disk);
    Ok(machine)
}
