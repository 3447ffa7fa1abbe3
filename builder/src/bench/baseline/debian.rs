//! Debian's kernels: which package is compared with, and what is taken out of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use host::{Command, Job, digest_file, failed};

use super::{Baselines, drivers};
use crate::cache::Inputs;
use crate::sources::Package;

/// The series that Debian 12 itself has.
const OWN_SERIES: &str = "6.1";
/// How long a kernel's hundred megabytes may take to unpack on a busy host.
const DEADLINE: Duration = Duration::from_secs(300);

/// One of Debian's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebianKernel {
    /// For virtual machines in clouds, of the appliance's own release.
    Cloud,
    /// For every machine, of the appliance's own release.
    Generic,
    /// For virtual machines in clouds, of Debian 12's own series.
    OldCloud,
    /// For every machine, of Debian 12's own series.
    OldGeneric,
}

/// A kernel taken out of its package.
pub(super) struct Unpacked {
    /// The package that it is from.
    pub package: Package,
    /// Its release, as `uname -r` says it.
    pub release: String,
    /// The bzImage.
    pub image: PathBuf,
    /// The modules that the machine's drivers are in, in the order of loading.
    pub modules: Vec<PathBuf>,
    /// How many modules the package has.
    pub modules_in_package: u64,
    /// What the package takes when installed, in bytes.
    pub installed: u64,
    /// The bytes of the package itself.
    pub packed: u64,
    /// The bytes of its configuration.
    pub configuration: u64,
}

impl DebianKernel {
    /// The short name of the subject.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloud => "stock-kernel",
            Self::Generic => "stock-generic",
            Self::OldCloud => "linux-6.1",
            Self::OldGeneric => "linux-6.1-generic",
        }
    }

    /// What the name of the package ends with.
    fn flavour(self) -> &'static str {
        match self {
            Self::Cloud | Self::OldCloud => "cloud-amd64",
            Self::Generic | Self::OldGeneric => "amd64",
        }
    }

    /// The series, as `6.12`, for an appliance with this release.
    fn series(self, release: &str) -> Result<&str> {
        if matches!(self, Self::OldCloud | Self::OldGeneric) {
            return Ok(OWN_SERIES);
        }
        let end = release.match_indices('.').nth(1).map(|(at, _)| at);
        release.get(..end.unwrap_or(release.len())).context("a kernel's release without a series")
    }

    /// Puts the packages of this kernel into an order: the best for a comparison
    /// with this release first. Those of other flavours are left out.
    pub(super) fn choose(self, release: &str, packages: Vec<Package>) -> Result<Vec<Package>> {
        let series = self.series(release)?;
        let prefix = prefix(series);
        let wanted = patch_level(release, series).filter(|_| series != OWN_SERIES);
        let distance = |package: &Package| {
            let level = patch_level(&package.version, series).unwrap_or_default();
            wanted.map_or(0, |wanted| wanted.abs_diff(level))
        };
        let fits = |package: &Package| {
            let middle = package.name.strip_prefix(&prefix).and_then(|rest| {
                rest.strip_suffix(self.flavour()).and_then(|middle| middle.strip_suffix('-'))
            });
            // Each part of `117+deb12` and `0-56` begins with a digit; a word there
            // is another flavour.
            let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
            middle.is_some_and(|middle| middle.split('-').all(is_number))
        };
        let mut packages: Vec<Package> = packages.into_iter().filter(fits).collect();
        // Stable: among equals the newest stays first.
        packages.sort_by_key(distance);
        Ok(packages)
    }
}

fn prefix(series: &str) -> String {
    format!("linux-image-{series}.")
}

/// The number behind the series, in a release or a package's version.
fn patch_level(version: &str, series: &str) -> Option<u32> {
    let rest = version.strip_prefix(series)?.strip_prefix('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

impl Baselines<'_> {
    /// The package of a kernel.
    pub(super) fn kernel_package(&self, kernel: DebianKernel) -> Result<Package> {
        let release = &self.manifest.kernel;
        let series = kernel.series(release)?;
        let listed = self.fetched(self.fetcher.packages(&prefix(series)))?;
        let package = kernel.choose(release, listed)?.into_iter().next().ok_or_else(|| {
            let (prefix, flavour) = (prefix(series), kernel.flavour());
            failed(format!("the mirrors have no package {prefix}…-{flavour}"))
                .hint("use a mirror that has it, or measure without this baseline")
                .into()
        });
        let package = self.fetched(package)?;
        let same = patch_level(&package.version, series) == patch_level(release, series);
        if series != OWN_SERIES && !same {
            self.progress.notice(&format!(
                "the mirrors have no Linux {release} of Debian's: {} is compared with",
                package.version
            ));
        }
        Ok(package)
    }

    /// Takes what the machine needs out of a kernel's package.
    pub(super) fn unpack_kernel(&self, package: Package) -> Result<Unpacked> {
        let archive = self.fetched(self.fetcher.package(&package))?;
        let drivers = drivers::of(&self.manifest, &self.machine()?);
        let inputs = Inputs::from([
            ("package".to_owned(), digest_file(&archive)?.to_string()),
            ("drivers".to_owned(), drivers.join(" ")),
        ]);
        let release = package.name.trim_start_matches("linux-image-").to_owned();
        let what = format!("unpack Debian's kernel {release}");
        let recipe = concat!(include_str!("debian.rs"), include_str!("drivers.rs"));
        let out = self.long_step("bench-kernel", &what, recipe, inputs, |job| {
            unpack(job, &archive, &release, &drivers)
        })?;
        let number =
            |name: &str| -> Result<u64> { Ok(fs::read_to_string(out.join(name))?.trim().parse()?) };
        let order = fs::read_to_string(out.join("order")).context("reading the modules' order")?;
        Ok(Unpacked {
            package,
            image: out.join("vmlinuz"),
            modules: order.lines().map(|name| out.join("modules").join(name)).collect(),
            modules_in_package: number("modules-in-package").context("counting modules")?,
            installed: number("installed-bytes").context("reading the package's size")?,
            packed: archive.metadata().context("reading the package's own size")?.len(),
            configuration: number("configuration-bytes").context("reading its configuration")?,
            release,
        })
    }
}

fn unpack(job: &Job, archive: &Path, release: &str, drivers: &[&str]) -> Result<()> {
    let tree = job.scratch.join("tree");
    let command = |name: &str| Command::new(name).log(&job.log).deadline(DEADLINE);
    command("dpkg-deb").arg("-x").arg(archive).arg(&tree).run()?;
    let image = tree.join(format!("boot/vmlinuz-{release}"));
    fs::copy(&image, job.out.join("vmlinuz"))
        .with_context(|| format!("the package holds no {}", image.display()))?;

    command("depmod").arg("-b").arg(&tree).arg(release).run()?;
    let modules = drivers::in_order(&tree, release, drivers, job)?;
    let place = job.out.join("modules");
    fs::create_dir(&place).with_context(|| format!("creating {}", place.display()))?;
    let names: Result<Vec<String>> =
        modules.iter().map(|module| drivers::unpack(module, &place)).collect();
    let list: String = names?.iter().map(|name| format!("{name}\n")).collect();
    fs::write(job.out.join("order"), list).context("writing the modules' order")?;

    let configuration = tree.join(format!("boot/config-{release}"));
    let bytes = configuration
        .metadata()
        .with_context(|| format!("the package holds no {}", configuration.display()))?
        .len();
    fs::write(job.out.join("configuration-bytes"), bytes.to_string())
        .context("writing the size of the configuration")?;

    let all = drivers::count(&tree.join("lib/modules"))?;
    fs::write(job.out.join("modules-in-package"), all.to_string()).context("counting modules")?;
    let size = command("dpkg-deb").arg("-f").arg(archive).arg("Installed-Size").output()?;
    let kibibytes: u64 = String::from_utf8_lossy(&size).trim().parse().context("Installed-Size")?;
    fs::write(job.out.join("installed-bytes"), (kibibytes * 1024).to_string())
        .context("writing the package's size")
}
