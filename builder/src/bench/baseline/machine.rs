//! A whole Debian: its kernel and initrd, systemd, the services of a plain
//! installation, and Debian's lighttpd with the same site at the same address.
//!
//! mmdebstrap installs the packages and fakeroot lets mke2fs see their owners, so
//! that nothing here takes root. What is not Debian's own is what is configured in
//! [`super::overlay`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bench::{Subject, Support};
use host::{Command, Job, digest_file, failed, find_program};
use qemu::{Disk, DiskBus, DiskFormat, Kernel, Machine, Nic, Start};

use super::super::subjects;
use super::debian::DebianKernel;
use super::kernel::add_argument;
use super::overlay::{self, Overlay};
use super::{Baselines, sizes, symbols};
use crate::cache::{Inputs, key};
use crate::run;

/// Memory in MiB.
const MEMORY: u32 = 512;
/// How long the installation may take over a slow line on a busy host.
const DEADLINE: Duration = Duration::from_secs(3600);
/// How long it takes to write a file system of a gigabyte.
const DISK_DEADLINE: Duration = Duration::from_secs(600);
/// The programs that it takes, each with its package.
const PROGRAMS: [(&str, &str); 3] =
    [("mmdebstrap", "mmdebstrap"), ("fakeroot", "fakeroot"), ("mke2fs", "e2fsprogs")];

/// What debootstrap installs, in the words of apt-patterns(7).
const PLAIN: &str = "?or(?essential,?priority(required),?priority(important))";
/// What a system cannot do without.
const SMALLEST: &str = "?or(?essential,?priority(required))";

/// What a machine has installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// A plain installation: cron, a DHCP client, a mail daemon and the rest.
    Plain,
    /// The same without what a web server does not need.
    Pruned,
}

impl Packages {
    /// The short name of the subject.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "stock-machine",
            Self::Pruned => subjects::PRUNED,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Plain => "a plain Debian with systemd, cron, a mail daemon and lighttpd",
            Self::Pruned => "Debian with systemd and lighttpd alone",
        }
    }

    /// What is installed, beside the kernel.
    fn wanted(self) -> &'static [&'static str] {
        const SERVING: [&str; 6] =
            [SMALLEST, "systemd-sysv", "ifupdown", "iproute2", "udev", "lighttpd"];
        const WITH_SERVICES: [&str; 7] = [
            PLAIN,
            "systemd-sysv",
            "ifupdown",
            "cron",
            "isc-dhcp-client",
            "exim4-daemon-light",
            "lighttpd",
        ];
        match self {
            Self::Plain => &WITH_SERVICES,
            Self::Pruned => &SERVING,
        }
    }

    /// Whether what Debian recommends is installed too, as its installer does.
    fn recommended(self) -> bool {
        self == Self::Plain
    }
}

/// An installed system, ready to boot.
struct Installed {
    dir: PathBuf,
    release: String,
    /// Packages, as apt lists them.
    packages: Vec<String>,
}

impl Baselines<'_> {
    /// A Debian that serves the appliance's site.
    ///
    /// # Errors
    /// When a package or a program for its preparation cannot be had;
    /// [`super::NotCached`].
    pub fn stock_machine(&self, packages: Packages) -> Result<Subject> {
        let installed = self.installed(packages)?;
        let file = |name: &str| installed.dir.join(name);
        let command_line = format!("root=/dev/vda ro net.ifnames=0 {}", self.manifest.cmdline);
        let start = Start::Kernel(Kernel {
            image: file("vmlinuz"),
            initramfs: Some(file("initrd.img")),
            command_line,
        });
        let disk = Disk { bus: DiskBus::Virtio, ..Disk::new(file("disk.raw"), DiskFormat::Raw) };
        let appliance = self.machine()?;
        let machine = Machine {
            network: appliance.network.clone(),
            nic: Nic::Virtio,
            disk: Some(disk),
            ..Machine::new(start, self.accelerator.clone(), MEMORY)
        };
        let (symbols, modules_loaded) = self.machine_symbols(&machine, &installed)?;
        let number = |name: &str| -> Result<u64> {
            fs::read_to_string(file(name))?
                .trim()
                .parse()
                .with_context(|| format!("reading {name}"))
        };
        let parts =
            [("vmlinuz", "vmlinuz"), ("initramfs.cpio", "initrd.img"), ("disk", "disk.raw")];
        let mut sizes = sizes(parts.map(|(name, path)| (name.to_owned(), file(path))))?;
        sizes.insert("packages".to_owned(), number("installed-bytes")?);
        Ok(Subject {
            name: packages.name().to_owned(),
            title: format!("{}, kernel {}", packages.title(), installed.release),
            kernel: installed.release,
            machine,
            tap: run::tap(&self.manifest)?,
            support: Support::default(),
            address: self.address()?,
            symbols,
            disk_uuid: None,
            site: self.site()?,
            sizes,
            figures: BTreeMap::from([
                ("packages".to_owned(), installed.packages.len() as u64),
                ("modules_loaded".to_owned(), modules_loaded),
            ]),
        })
    }

    /// The disk with everything installed, and the kernel and initrd beside it.
    fn installed(&self, packages: Packages) -> Result<Installed> {
        let kernel = self.kernel_package(DebianKernel::Cloud)?;
        let release = kernel.name.trim_start_matches("linux-image-").to_owned();
        let mut wanted: Vec<String> = packages.wanted().iter().map(|it| (*it).into()).collect();
        wanted.push(format!("{}={}", kernel.name, kernel.version));
        let found = self.fetched(self.fetcher.closure(&wanted, packages.recommended()))?;
        let system = Inputs::from([("packages".to_owned(), found.join("\n"))]);
        let arguments = arguments(packages, &wanted);
        let overlay = Overlay::new(&self.manifest, &self.site()?)?;
        let inputs = Inputs::from([
            ("system".to_owned(), key(&system)),
            ("arguments".to_owned(), arguments.join("\n")),
            ("overlay".to_owned(), overlay.digest()?),
            ("mke2fs".to_owned(), digest_file(&program("mke2fs")?)?.to_string()),
        ]);
        let (name, what) = (packages.name(), "make the disk of a Debian");
        let dir = match self.found(name, what, SCRIPT, &inputs) {
            Some(dir) => dir,
            None => {
                let system = self.system(packages, &arguments, system)?;
                self.long_step(name, what, SCRIPT, inputs, |job| make_disk(job, &system, &overlay))?
            }
        };
        Ok(Installed { dir, release, packages: found })
    }

    /// The file tree of a Debian, as a tarball.
    fn system(&self, packages: Packages, arguments: &[String], inputs: Inputs) -> Result<PathBuf> {
        PROGRAMS.iter().try_for_each(|(name, _)| program(name).map(drop))?;
        let name = format!("{}-system", packages.name());
        let count = inputs["packages"].lines().count() as u64;
        let what = format!("install {count} packages of Debian");
        let out = self.long_step(&name, &what, &arguments.join("\n"), inputs, |job| {
            let mut done = 0;
            let Job { log, out, progress, .. } = job;
            Command::new("mmdebstrap")
                .args(arguments)
                // No suite: the lists of archives name theirs.
                .arg("")
                .arg(out.join("system.tar"))
                .args(self.fetcher.archives()?)
                .log(log)
                .deadline(DEADLINE)
                .on_line(|line| {
                    if line.starts_with("Setting up ") {
                        done += 1;
                        progress(done, Some(count));
                    }
                })
                .run()?;
            Ok(())
        })?;
        Ok(out.join("system.tar"))
    }

    /// `System.map`, and how many modules are loaded once the server serves.
    fn machine_symbols(&self, machine: &Machine, installed: &Installed) -> Result<(PathBuf, u64)> {
        let digest = |name: &str| -> Result<String> {
            Ok(digest_file(&installed.dir.join(name))?.to_string())
        };
        let inputs = Inputs::from([
            ("disk".to_owned(), digest("disk.raw")?),
            ("initrd".to_owned(), digest("initrd.img")?),
        ]);
        let what = "ask the Debian for its kernel's symbols";
        let out =
            self.long_step("stock-machine-symbols", what, symbols::RECIPE, inputs, |job| {
                let mut machine = machine.clone();
                add_argument(&mut machine, overlay::SYMBOLS_ARGUMENT);
                symbols::list(machine, symbols::Modules::Move, &job.out)
            })?;
        symbols::read(&out)
    }
}

/// What mmdebstrap is told, except where from and where to.
fn arguments(packages: Packages, wanted: &[String]) -> Vec<String> {
    // Lists of what is not wanted here are long.
    const SETTINGS: [&str; 2] = [
        "--aptopt=Acquire::Languages \"none\"",
        "--aptopt=Acquire::IndexTargets::deb-src::Sources::DefaultEnabled \"false\"",
    ];
    const FORM: [&str; 4] =
        ["--mode=auto", "--variant=custom", "--format=tar", "--dpkgopt=force-unsafe-io"];
    let recommended = packages.recommended();
    let recommends = format!("--aptopt=APT::Install-Recommends \"{recommended}\"");
    let includes = wanted.iter().map(|package| format!("--include={package}"));
    let fixed = FORM.iter().chain(&SETTINGS).map(|argument| (*argument).to_owned());
    fixed.chain([recommends, "--verbose".to_owned()]).chain(includes).collect()
}

/// Unpacks the system, adds what is ours, and makes a file system of it.
fn make_disk(job: &Job, system: &Path, overlay: &Overlay) -> Result<()> {
    let (tree, own) = (job.scratch.join("tree"), job.scratch.join("own"));
    for dir in [&tree, &own] {
        fs::create_dir(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    overlay.write(&own)?;
    Command::new("fakeroot")
        .args(["sh", "-euc", SCRIPT, "sh"])
        .args([system, &tree, &own, &job.out])
        .log(&job.log)
        .deadline(DISK_DEADLINE)
        .run()?;
    Ok(())
}

/// With the owners that fakeroot remembers for as long as it lives. A quarter of
/// the file system stays free, and 64 MB at least.
const SCRIPT: &str = r#"
system=$1 tree=$2 own=$3 out=$4
tar -xf "$system" -C "$tree" --exclude=./dev/*
cp -R --remove-destination "$own/." "$tree"
cp "$tree"/boot/vmlinuz-* "$out/vmlinuz"
cp "$tree"/boot/initrd.img-* "$out/initrd.img"
size=$(du -sk --apparent-size "$tree" | cut -f 1)
echo $((size * 1024)) >"$out/installed-bytes"
blocks=$((size + size / 4 + 65536))
mke2fs -q -t ext4 -b 4096 -E lazy_itable_init=0 -d "$tree" "$out/disk.raw" "${blocks}k"
"#;

/// A program that a preparation needs.
fn program(name: &str) -> Result<PathBuf> {
    find_program(name).ok_or_else(|| {
        let package = PROGRAMS.iter().find(|(program, _)| *program == name);
        let package = package.map_or(name, |(_, package)| package);
        failed(format!("the program `{name}` is not installed; a Debian is prepared with it"))
            .hint(format!("install the package {package}, or measure without this baseline"))
            .into()
    })
}
