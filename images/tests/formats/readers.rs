//! Readers that others wrote.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use host::Command;

/// Debian's Python, which its packages are for.
const PYTHON: &str = "/usr/bin/python3";
/// The package that Debian does not have, from PyPI.
const DISSECT: &str = "dissect.hypervisor==3.21";

/// A reader.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// qemu-img, and what it calls the format.
    Qemu(&'static str),
    /// python3-libvmdk
    Libvmdk,
    /// python3-libvhdi
    Libvhdi,
    /// dissect.hypervisor: a module of it, and how that opens a disk.
    Dissect(&'static str, &'static str),
}

const LIBVMDK: &str = "
import pyvmdk
disk = pyvmdk.handle()
disk.open(image)
disk.open_extent_data_files()
";

const LIBVHDI: &str = "
import pyvhdi
disk = pyvhdi.file()
disk.open(image)
";

/// What follows: the disk is copied.
const COPY: &str = "
read = getattr(disk, 'read_buffer', None) or disk.read
left = disk.get_media_size() if hasattr(disk, 'get_media_size') else disk.size
with open(back, 'wb') as file:
    while left > 0:
        data = read(min(left, 1 << 20))
        assert data, 'the disk ends early'
        file.write(data)
        left -= len(data)
";

/// Makes the readers ready that are not installed by the system.
pub(crate) fn prepare() {
    let place = environment();
    if !is_installed() {
        let made = Command::new(PYTHON).args(["-m", "venv"]).arg(&place).run().and_then(|_| {
            Command::new(place.join("bin/pip"))
                .args([
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--retries",
                    "0",
                    DISSECT,
                ])
                .deadline(Duration::from_secs(60))
                .run()
        });
        if let Err(error) = made {
            eprintln!("skipped: {DISSECT} cannot be installed: {error:#}");
        }
    }
}

/// The Python environment of the tests.
fn environment() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("python")
}

fn is_installed() -> bool {
    let import = ["-c", "import dissect.hypervisor"];
    Command::new(environment().join("bin/python")).args(import).run().is_ok()
}

impl Reader {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Qemu(_) => "qemu",
            Self::Libvmdk => "libvmdk",
            Self::Libvhdi => "libvhdi",
            Self::Dissect(..) => "dissect",
        }
    }

    /// Whether it can be used here.
    pub(crate) fn is_there(self) -> bool {
        !matches!(self, Self::Dissect(..)) || is_installed()
    }

    /// Whether it can read a disk of this length: dissect fails at the end of any
    /// VMDK, QEMU's too, that is no multiple of what it reads at once.
    pub(crate) fn takes(self, len: u64) -> bool {
        !matches!(self, Self::Dissect("vmdk", _)) || len.is_multiple_of(8192)
    }

    /// Reads an image and writes the disk in it to `back`.
    pub(crate) fn read(self, image: &Path, back: &Path) -> Result<()> {
        match self {
            Self::Qemu(format) => qemu(format, image, back),
            Self::Libvmdk => python(Path::new(PYTHON), LIBVMDK, image, back),
            Self::Libvhdi => python(Path::new(PYTHON), LIBVHDI, image, back),
            Self::Dissect(module, open) => {
                let open = format!(
                    "from dissect.hypervisor.disk.{module} import *\n\
                     file = open(image, 'rb')\ndisk = {open}\n"
                );
                python(&environment().join("bin/python"), &open, image, back)
            }
        }
    }
}

fn qemu(format: &str, image: &Path, back: &Path) -> Result<()> {
    let convert = ["convert", "-f", format, "-O", "raw"];
    Command::new("qemu-img").args(convert).args([image, back]).run()?;
    // The formats without structure have no check.
    if !matches!(format, "raw" | "vpc") {
        Command::new("qemu-img").args(["check", "-f", format]).arg(image).run()?;
    }
    Ok(())
}

fn python(python: &Path, open: &str, image: &Path, back: &Path) -> Result<()> {
    let program = format!("import sys\nimage, back = sys.argv[1:]\n{open}{COPY}");
    Command::new(python).args(["-c", &program]).args([image, back]).run().map(drop)
}
