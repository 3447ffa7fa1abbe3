//! The projects whose images are booted.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use appliance::spec::{FilesystemKind, Profile};
use appliance::target::Target;
use appliance::variant::Variant;
use kernel::{Measure, Tailor};

use crate::SWITCH;

/// The large file of a site on a disk, in bytes.
const BIG: usize = 20_000_000;
/// The path of the large file.
pub(crate) const BIG_NAME: &str = "big.bin";
/// The large file of a site in memory: it is there more than once while it is
/// unpacked.
const BIG_IN_RAM: usize = 1_000_000;

/// Whether the tests that take long run, too.
pub(crate) fn is_full() -> bool {
    std::env::var(SWITCH).is_ok_and(|value| value == "full")
}

/// Where a project's image keeps the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    Disk(FilesystemKind),
    Ram,
}

const IPV4: &str = r#""10.0.2.15/24""#;
const BOTH: &str = r#""10.0.2.15/24", "2001:db8::2/64""#;

/// A project: what is special in its `appliance.toml`, and what it is built for.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) target: Target,
    pub(crate) variant: Variant,
    pub(crate) keeping: Keeping,
    profile: Profile,
    /// What is left out of the kernel, if that is not the profile's.
    tailor: Option<Tailor>,
}

/// Every way to keep a site; the compiler asks for a new kind of file system here.
const KEEPINGS: [Keeping; 3] = {
    match FilesystemKind::Ext3 {
        FilesystemKind::Ext3 | FilesystemKind::Ext4 => {}
    }
    [Keeping::Disk(FilesystemKind::Ext3), Keeping::Disk(FilesystemKind::Ext4), Keeping::Ram]
};

/// Every profile but the usual one; the compiler asks for a new one here.
const PROFILES: [Profile; 2] = {
    match Profile::Fast {
        Profile::Fast | Profile::StockChecks | Profile::Hardened => {}
    }
    [Profile::StockChecks, Profile::Hardened]
};

/// Every target with every way to keep a site, of a real machine's one, and every other
/// variant and profile once, since each kernel takes minutes; those that are left out come
/// with the tests that take long, and with them a kernel that leaves nothing out.
pub(crate) static EVERY: LazyLock<Vec<Project>> = LazyLock::new(|| {
    let keepings = |target: &Target| match target {
        Target::Host if !is_full() => &KEEPINGS[..1],
        _ => &KEEPINGS[..],
    };
    let of = |target| keepings(target).iter().map(|keeping| Project::new(*target, *keeping));
    let usual = Target::ALL.iter().flat_map(of);
    let others = Variant::ALL.iter().filter(|variant| **variant != Variant::default());
    let others = others.flat_map(|variant| {
        let targets = if is_full() { Target::ALL } else { &[Target::Kvm] };
        targets.iter().map(|target| Project::of_variant(*target, *variant))
    });
    let profiles = PROFILES.map(Project::of_profile);
    let whole = is_full().then(Project::with_nothing_left_out);
    usual.chain(others).chain(profiles).chain(whole).collect()
});
/// With the server in ring 0.
pub(crate) static KML: LazyLock<Project> =
    LazyLock::new(|| Project::of_variant(Target::Kvm, Variant::Kml));
/// The usual image for VMware.
pub(crate) static VMWARE: LazyLock<Project> =
    LazyLock::new(|| Project::new(Target::Vmware, Keeping::Disk(FilesystemKind::Ext3)));
/// The image for a real machine.
pub(crate) static HOST: LazyLock<Project> =
    LazyLock::new(|| Project::new(Target::Host, Keeping::Disk(FilesystemKind::Ext3)));
/// The image for a real machine with the server in ring 0.
pub(crate) static HOST_KML: LazyLock<Project> =
    LazyLock::new(|| Project::of_variant(Target::Host, Variant::Kml));
/// With a kernel that protects itself, and a confined server.
pub(crate) static HARDENED: LazyLock<Project> =
    LazyLock::new(|| Project::of_profile(Profile::Hardened));
/// The usual image.
pub(crate) static EXT3: LazyLock<Project> =
    LazyLock::new(|| Project::new(Target::Kvm, Keeping::Disk(FilesystemKind::Ext3)));
/// The same with the other file system.
pub(crate) static EXT4: LazyLock<Project> =
    LazyLock::new(|| Project::new(Target::Kvm, Keeping::Disk(FilesystemKind::Ext4)));
/// Without a disk, and with an IPv6 address: one kernel less to compile than if
/// these were two.
pub(crate) static RAM: LazyLock<Project> =
    LazyLock::new(|| Project::new(Target::Kvm, Keeping::Ram));

/// Without a disk and with an IPv6 address, the others: see [`asked`].
static HOST_RAM: LazyLock<Project> = LazyLock::new(|| Project::new(Target::Host, Keeping::Ram));
static KML_RAM: LazyLock<Project> = LazyLock::new(|| Project {
    name: format!("{}{}", RAM.name, Variant::Kml.suffix()),
    variant: Variant::Kml,
    ..Project::new(Target::Kvm, Keeping::Ram)
});

/// The images that everything is asked of: the usual one, and with the tests that take
/// long those for a real machine and with the server in ring 0.
pub(crate) fn asked() -> Vec<&'static Project> {
    let more: [&'static Project; 3] = [&KML, &HOST, &HOST_KML];
    std::iter::once(&*EXT3).chain(more.into_iter().filter(|_| is_full())).collect()
}

/// The same without a disk.
pub(crate) fn asked_in_ram() -> Vec<&'static Project> {
    let more: [&'static Project; 2] = [&KML_RAM, &HOST_RAM];
    std::iter::once(&*RAM).chain(more.into_iter().filter(|_| is_full())).collect()
}

impl Project {
    fn new(target: Target, keeping: Keeping) -> Self {
        let keeping_name = match keeping {
            Keeping::Disk(filesystem) => filesystem.name(),
            Keeping::Ram => "ram",
        };
        let name = format!("{}-{keeping_name}", target.name());
        let (variant, profile) = (Variant::Default, Profile::Fast);
        Self { name, target, variant, keeping, profile, tailor: None }
    }

    fn of_variant(target: Target, variant: Variant) -> Self {
        let usual = Self::new(target, Keeping::Disk(FilesystemKind::Ext3));
        Self { name: format!("{}{}", usual.name, variant.suffix()), variant, ..usual }
    }

    fn of_profile(profile: Profile) -> Self {
        let usual = Self::new(Target::Kvm, Keeping::Disk(FilesystemKind::Ext3));
        Self { name: profile.name().into(), profile, ..usual }
    }

    /// With security modules and users, and none of the patches.
    fn with_nothing_left_out() -> Self {
        let usual = Self::new(Target::Kvm, Keeping::Disk(FilesystemKind::Ext3));
        Self { name: "nothing-left-out".into(), tailor: Some(Tailor::default()), ..usual }
    }

    /// Writes the project into a directory.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let write = |path: &str, bytes: &[u8]| {
            let path = dir.join(path);
            let parent = path.parent().context("a file without a directory")?;
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
            fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
        };
        write("appliance.toml", self.toml().as_bytes())?;
        let big = if self.keeping == Keeping::Ram { BIG_IN_RAM } else { BIG };
        write(&format!("site/{BIG_NAME}"), &noise(big))?;
        write("site/index.html", b"<!DOCTYPE html>\n<title>It serves</title>\n")?;
        write("site/empty.txt", b"")?;
        write("site/of 4096 bytes.txt", &noise(4096))?;
        write("site/100%.txt", b"a percent sign that escapes nothing\n")?;
        write("site/déjà vu/?#&+=.html", b"<p>A name that has to be escaped.</p>\n")?;
        for number in 0..40 {
            let path = format!("site/many/{number}/page.html");
            write(&path, format!("<p>Page {number}.</p>\n").as_bytes())?;
        }
        Ok(())
    }

    fn toml(&self) -> String {
        let addresses = if self.keeping == Keeping::Ram { BOTH } else { IPV4 };
        let name = &self.name;
        let mut text = format!("name = \"{name}\"\n[server]\nroot = \"site\"\n");
        if self.keeping == Keeping::Ram {
            text.push_str("storage = \"ram\"\n");
        }
        let _ = write!(text, "[network]\naddresses = [{addresses}]\ngateways = [\"10.0.2.2\"]\n");
        if let Keeping::Disk(filesystem) = self.keeping {
            let _ = write!(text, "[disk]\nfilesystem = \"{}\"\n", filesystem.name());
        }
        let _ = write!(text, "[kernel]\nprofile = \"{}\"\n", self.profile.name());
        if let Some(tailor) = self.tailor {
            let measures = Measure::ALL.map(|it| format!("{it} = {}\n", tailor.has(it)));
            let _ = write!(text, "[kernel.tailor]\n{}", measures.concat());
        }
        text
    }
}

/// Bytes without a pattern that a mistake in block or packet sizes could hide in
/// (xorshift32).
fn noise(length: usize) -> Vec<u8> {
    let mut state: u32 = 2_463_534_242;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(length).collect()
}
