//! The initramfs with the program in place of PID 1.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bench_guest::wire::{MOUNT, PAGE, PROGRAM};
use host::{explain_io, write_atomically};
use initramfs::Tree;

use crate::subject::Support;

/// Writes the archive, with a page for a machine without a disk, and gives the path of
/// what is to be PID 1.
pub(super) fn write(
    archive: &Path,
    program: &Path,
    load_modules: &Path,
    support: &Support,
    page: Option<Vec<u8>>,
) -> Result<&'static str> {
    let mut tree = Tree::new();
    tree.console()?;
    tree.directory("/proc", "the kernel's list of disks")?;
    tree.directory("/tmp", "a file that is written")?;
    tree.directory(MOUNT, "the page that is read")?;
    if let Some(page) = page {
        add_page(&mut tree, page)?;
    }
    let first = if support.modules.is_empty() {
        tree.directory("/trusted", "programs in ring 0")?;
        tree.program(PROGRAM, read(program)?, "measures")?;
        PROGRAM
    } else {
        tree.program("/init", read(load_modules)?, "loads the modules")?;
        tree.program("/init.next", read(program)?, "measures")?;
        add_modules(&mut tree, support)?;
        "/init"
    };
    let mut bytes = Vec::new();
    tree.write(&mut bytes)?;
    write_atomically(archive, &bytes)?;
    Ok(first)
}

fn add_page(tree: &mut Tree, page: Vec<u8>) -> Result<()> {
    let ends = PAGE.match_indices('/').map(|(at, _)| at).skip(2);
    for end in ends {
        tree.directory(&PAGE[..end], "the way to the page")?;
    }
    tree.file(PAGE, page, "the page that is read")
}

fn add_modules(tree: &mut Tree, support: &Support) -> Result<()> {
    tree.directory("/modules", "the kernel's modules")?;
    let mut order = String::new();
    for module in &support.modules {
        let name = module.file_name().context("a module without a name")?;
        let name = name.to_str().context("a module whose name is no text")?;
        let place = format!("/modules/{name}");
        tree.file(&place, read(module)?, "a module")?;
        order.push_str(&place);
        order.push('\n');
    }
    tree.file("/modules/order", order.into_bytes(), "the order of loading")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| explain_io(error, path))
}
