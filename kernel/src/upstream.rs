//! The files of a source tree that patches change, as they are without patches.
//!
//! A tree follows its patches: where they change, each file is written only if what is
//! in it becomes another, so that make compiles what depends on a change and nothing
//! else. For that the files are kept as the tarball had them. Nothing here has to be
//! done in one step: whatever was interrupted is done by the next call.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use host::{explain_io, write_atomically};

/// Where the files are kept, below the tree.
const KEPT: &str = ".upstream";
/// The list of all files that patches have changed or made, below the tree.
const LIST: &str = ".patched";

/// The files of a tree that patches have changed.
pub(crate) struct Upstream<'a> {
    tree: &'a Path,
    /// Their paths below the tree. Of one that the patches made nothing is kept.
    patched: BTreeSet<String>,
}

impl<'a> Upstream<'a> {
    pub(crate) fn of(tree: &'a Path) -> Result<Self> {
        let list = read(&tree.join(LIST))?.unwrap_or_default();
        let patched = String::from_utf8_lossy(&list).lines().map(str::to_owned).collect();
        Ok(Self { tree, patched })
    }

    /// Keeps these files, before they are changed for the first time.
    pub(crate) fn keep(&mut self, paths: &BTreeSet<String>) -> Result<()> {
        for path in paths.difference(&self.patched) {
            if let Some(content) = read(&self.tree.join(path))? {
                write(&self.kept(path), &content)?;
            }
        }
        self.patched.extend(paths.iter().cloned());
        self.write_list()
    }

    /// Copies these files as they are without patches.
    pub(crate) fn copy(&self, paths: &BTreeSet<String>, to: &Path) -> Result<()> {
        for path in paths {
            if let Some(content) = read(&self.kept(path))? {
                write(&to.join(path), &content)?;
            }
        }
        Ok(())
    }

    /// Takes over these files, patched; every other becomes what it is without patches.
    pub(crate) fn replace(&mut self, paths: &BTreeSet<String>, from: &Path) -> Result<()> {
        for path in &self.patched {
            let source = if paths.contains(path) { from.join(path) } else { self.kept(path) };
            let place = self.tree.join(path);
            match (read(&source)?, read(&place)?) {
                (new, old) if new == old => {}
                (Some(new), _) => write(&place, &new)?,
                (None, _) => fs::remove_file(&place).map_err(|error| explain_io(error, &place))?,
            }
        }
        self.patched.clone_from(paths);
        self.write_list()
    }

    fn kept(&self, path: &str) -> PathBuf {
        self.tree.join(KEPT).join(path)
    }

    fn write_list(&self) -> Result<()> {
        let list: String = self.patched.iter().map(|path| format!("{path}\n")).collect();
        write_atomically(&self.tree.join(LIST), list.as_bytes())
    }
}

/// A file's content, if there is one.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain_io(error, path)),
    }
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| explain_io(error, parent))?;
    }
    write_atomically(path, content)
}
