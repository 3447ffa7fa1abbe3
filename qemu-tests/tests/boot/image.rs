//! Images, built through the builder once for all tests.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use appliance::build::{self, Request, build};
use appliance::disk::Format;
use appliance::manifest::Manifest;
use appliance::progress::Progress;
use appliance::run::Firmware;
use appliance::sources::FetchOptions;
use appliance::target::Target;
use appliance::{check, home, run};
use clap::ValueEnum;
use qemu::{Disk, Guest, Machine, Start};

use crate::project::Project;

/// How long a guest may take to serve, on a busy host without KVM.
pub(crate) const BOOT: Duration = Duration::from_secs(120);
/// How long a guest may take to shut down after the power button.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(2);

/// A built image.
pub(crate) struct Image {
    pub(crate) out: PathBuf,
    pub(crate) target: Target,
    pub(crate) manifest: Manifest,
    /// The directory that it serves.
    pub(crate) site: PathBuf,
    /// What was asked of the builder.
    request: Request,
}

/// The image of a project, built when it is first asked for.
pub(crate) fn of(project: &'static Project) -> Result<&'static Image> {
    static BUILT: Mutex<Vec<(String, Result<&Image, String>)>> = Mutex::new(Vec::new());
    // One at a time: a compile keeps every processor busy.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = built.iter().find(|(name, _)| *name == project.name).map(|(_, image)| image);
    let image = match known {
        Some(image) => image.clone(),
        None => {
            let image = make(project).map_err(|error| format!("{error:#}"));
            let image = image.map(|image| &*Box::leak(Box::new(image)));
            built.push((project.name.clone(), image.clone()));
            image
        }
    };
    image.map_err(|error| anyhow!("building the image `{}`: {error}", project.name))
}

fn make(project: &Project) -> Result<Image> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boot").join(&project.name);
    let source = dir.join("project");
    host::remove_tree(&source)?;
    project.write(&source)?;
    let request = Request {
        project: source.clone(),
        target: project.target,
        variant: project.variant,
        out: Some(dir.join("out")),
        formats: Format::value_variants().to_vec(),
        signing: None,
        fetch: FetchOptions::default(),
        cache: home::cache(),
    };
    eprintln!("building the image `{}`", project.name);
    let built = build(&request, &Progress::new(false))?;
    Ok(Image {
        out: built.out,
        target: project.target,
        manifest: built.manifest,
        site: source.join("site"),
        request,
    })
}

impl Image {
    /// The machine that the image is made for, with the least memory.
    pub(crate) fn machine(&self, firmware: Firmware) -> Result<Machine> {
        run::machine(&self.out, &self.manifest, firmware, run::accelerator()?)
    }

    /// The same, started directly, with more words on its kernel's command line.
    pub(crate) fn machine_with_words(&self, words: &str) -> Result<Machine> {
        let mut machine = self.machine(Firmware::Direct)?;
        let Start::Kernel(kernel) = &mut machine.start else { bail!("the start is not direct") };
        kernel.command_line.push_str(&format!(" {words}"));
        Ok(machine)
    }

    /// Compiles a program against the C library that its server is linked with: it makes
    /// no call at its start that the server does not make.
    pub(crate) fn compile(&self, sources: &[PathBuf], program: &Path) -> Result<()> {
        let musl = build::c_library(&self.request, &Progress::silent())?;
        host::Command::new("gcc")
            .arg(format!("-specs={}", musl.join("musl.specs").display()))
            .arg(format!("--sysroot={}", musl.display()))
            .args(["-static", "-no-pie", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(program)
            .args(sources)
            .run()
            .with_context(|| format!("compiling {}", program.display()))?;
        Ok(())
    }

    /// The image's disk in a format.
    pub(crate) fn disk(&self, format: Format) -> Disk {
        Disk::new(self.out.join(format.file_name()), format.in_qemu())
    }

    /// Where it serves, as seen in its own network.
    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let port = self.manifest.server.port;
        let parse = |text: &String| {
            let (address, _) = text.split_once('/').context("an address without prefix length")?;
            Ok(SocketAddr::new(address.parse::<IpAddr>()?, port))
        };
        self.manifest.network.addresses.iter().map(parse).collect()
    }

    /// Checks that a guest of the image gives back every file, byte for byte.
    pub(crate) fn compare(&self, guest: &Guest, address: SocketAddr) -> Result<()> {
        ensure!(!self.manifest.site.is_empty(), "the manifest lists no file of the site");
        let differences = check::differences(guest, address, &self.manifest.site)?;
        ensure!(differences.is_empty(), "not every file came back:\n{}", differences.join("\n"));
        Ok(())
    }
}

/// Where a guest in a user network can be reached.
pub(crate) fn forwarded(guest: &Guest) -> Result<SocketAddr> {
    guest.forwarded().context("no port is forwarded")
}
