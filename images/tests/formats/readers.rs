//! Readers that others wrote.

use std::path::Path;

use anyhow::Result;
use host::Command;

/// Debian's Python, which its packages are for.
const PYTHON: &str = "/usr/bin/python3";

/// A reader beside QEMU.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// python3-libvmdk
    Libvmdk,
}

const LIBVMDK: &str = "
import pyvmdk
disk = pyvmdk.handle()
disk.open(image)
disk.open_extent_data_files()
";

/// What follows: the disk is copied.
const COPY: &str = "
with open(back, 'wb') as file:
    left = disk.get_media_size()
    while left > 0:
        data = disk.read_buffer(min(left, 1 << 20))
        assert data, 'the disk ends early'
        file.write(data)
        left -= len(data)
";

impl Reader {
    /// Reads an image and writes the disk in it to `back`.
    pub(crate) fn read(self, image: &Path, back: &Path) -> Result<()> {
        let open = match self {
            Self::Libvmdk => LIBVMDK,
        };
        let program = format!("import sys\nimage, back = sys.argv[1:]\n{open}{COPY}");
        Command::new(PYTHON).args(["-c", &program]).args([image, back]).run().map(drop)
    }
}

/// Runs `qemu-img` with these arguments and files.
pub(crate) fn qemu_img(arguments: &[&str], files: &[&Path]) -> Result<Vec<u8>> {
    Command::new("qemu-img").args(arguments).args(files).run()
}
