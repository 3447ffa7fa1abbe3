//! Debian's kernel below the appliance's own server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench::{Subject, Support};
use host::{digest_file, write_atomically};
use initramfs::Tree;
use qemu::{Kernel, Machine, Start};

use super::debian::{DebianKernel, Unpacked};
use super::{Baselines, disk_of, sizes};
use crate::cache::Inputs;
use crate::run;

/// Memory in MiB: enough for a kernel with everything.
const MEMORY: u32 = 256;
/// What `load-modules` starts when it is done, and the list that it reads first.
const NEXT: &str = "/init.next";
const ORDER: &str = "/modules/order";

impl Baselines<'_> {
    /// Debian's kernel with our server and PID 1, the same disk and the same
    /// command line; `mitigations=off` is added to it unless `mitigated`.
    ///
    /// # Errors
    /// When its package cannot be had or has no driver for the machine;
    /// [`super::NotCached`].
    pub fn stock_kernel(&self, kernel: DebianKernel, mitigated: bool) -> Result<Subject> {
        let unpacked = self.unpack_kernel(self.kernel_package(kernel)?)?;
        let initramfs = self.stock_initramfs(&unpacked)?;
        let support = Support { modules: unpacked.modules.clone() };
        let mut machine = self.stock_machine_of(&unpacked.image, &initramfs)?;
        let (mut name, mut mitigations) = (kernel.name().to_owned(), "on");
        if !mitigated {
            name.push_str("-unmitigated");
            mitigations = "off";
            add_argument(&mut machine, "mitigations=off");
        }
        let symbols = self.kernel_symbols(&machine, &support)?;
        let loaded = unpacked.modules.len() as u64;
        let parts = [("vmlinuz", &unpacked.image), ("initramfs.cpio", &initramfs)];
        let parts = parts.map(|(name, path)| (name.to_owned(), path.clone()));
        let mut sizes = sizes(parts.into_iter().chain(disk_of(&machine)))?;
        sizes.insert("package".to_owned(), unpacked.installed);
        Ok(Subject {
            name,
            title: format!(
                "the appliance's server on Debian's kernel {} ({}), mitigations {mitigations}",
                unpacked.release, unpacked.package.version
            ),
            kernel: unpacked.release,
            machine,
            tap: run::tap(&self.manifest)?,
            support,
            address: self.address()?,
            symbols,
            disk_uuid: self.disk_uuid(),
            site: self.site()?,
            sizes,
            figures: BTreeMap::from([
                ("modules".to_owned(), unpacked.modules_in_package),
                ("modules_loaded".to_owned(), loaded),
                ("configuration_bytes".to_owned(), unpacked.configuration),
                ("package_bytes".to_owned(), unpacked.packed),
            ]),
        })
    }

    /// The appliance's machine with another kernel.
    fn stock_machine_of(&self, image: &Path, initramfs: &Path) -> Result<Machine> {
        let start = Start::Kernel(Kernel {
            image: image.to_owned(),
            initramfs: Some(initramfs.to_owned()),
            command_line: self.manifest.cmdline.clone(),
        });
        Ok(Machine { start, memory: MEMORY, ..self.machine()? })
    }

    /// The appliance's initramfs behind one that loads modules.
    fn stock_initramfs(&self, unpacked: &Unpacked) -> Result<PathBuf> {
        let original = self.out.join("initramfs.cpio");
        let mut inputs = self.loader_inputs(&unpacked.modules)?;
        inputs.insert("initramfs".to_owned(), digest_file(&original)?.to_string());
        let what = "write the initramfs for Debian's kernel";
        let out = self.step("bench-initramfs", what, include_str!("kernel.rs"), inputs, |job| {
            let mut tree = self.initramfs()?;
            tree.rename("/init", NEXT)?;
            self.add_loader(&mut tree, &unpacked.modules)?;
            write(&tree, &job.out.join("initramfs.cpio"))
        })?;
        Ok(out.join("initramfs.cpio"))
    }

    /// The appliance's initramfs.
    pub(super) fn initramfs(&self) -> Result<Tree> {
        let path = self.out.join("initramfs.cpio");
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Tree::read(bytes.as_slice()).with_context(|| format!("reading {}", path.display()))
    }

    /// What [`Self::add_loader`] depends on.
    pub(super) fn loader_inputs(&self, modules: &[PathBuf]) -> Result<Inputs> {
        let mut inputs = Inputs::new();
        inputs.insert("load-modules".to_owned(), digest_file(&self.load_modules)?.to_string());
        for (number, module) in modules.iter().enumerate() {
            inputs.insert(format!("module {number}"), digest_file(module)?.to_string());
        }
        Ok(inputs)
    }

    /// Adds the modules and what loads them as `/init`.
    pub(super) fn add_loader(&self, tree: &mut Tree, modules: &[PathBuf]) -> Result<()> {
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
        tree.program("/init", read(&self.load_modules)?, "loads modules, then starts the next")?;
        tree.directory("/modules", "modules of the kernel")?;
        let mut order = String::new();
        for module in modules {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            let path = format!("/modules/{name}");
            tree.file(&path, read(module)?, "a module")?;
            order.push_str(&format!("{path}\n"));
        }
        tree.file(ORDER, order.into(), "the order in which they are loaded")
    }
}

/// Writes an archive.
pub(super) fn write(tree: &Tree, to: &Path) -> Result<()> {
    let mut archive = Vec::new();
    tree.write(&mut archive)?;
    write_atomically(to, &archive)
}

/// Adds an argument to the command line of a kernel that is started directly.
pub(super) fn add_argument(machine: &mut Machine, argument: &str) {
    if let Start::Kernel(kernel) = &mut machine.start {
        kernel.command_line.push(' ');
        kernel.command_line.push_str(argument);
    }
}
