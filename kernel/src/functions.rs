//! Which folder of the source a function of a compiled kernel comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use host::Command;

use crate::compile::BUILD;

/// The archives whose objects a kernel without modules is linked from
/// (scripts/link-vmlinux.sh).
const ARCHIVES: [&str; 3] = ["vmlinux.a", "lib/lib.a", "arch/x86/lib/lib.a"];

/// The folders that functions come from, by name: `net/ipv4` of `tcp_sendmsg`. Of a
/// name that several files have, every folder.
pub type Folders = BTreeMap<String, BTreeSet<String>>;

/// The folders of the functions in the objects that `tree` was compiled to last; nothing
/// if it was not, or is of another release. With `map`, a `System.map`, only if it
/// belongs to that compile.
///
/// The lock on the tree is not needed: an archive that is about to be replaced gives no
/// wrong folder, but none.
///
/// # Errors
/// When `nm` is missing or the user interrupts.
pub fn folders(tree: &Path, release: &str, map: Option<&str>) -> Result<Option<Folders>> {
    let build = tree.join(BUILD);
    let reads = |file: &str| fs::read_to_string(build.join(file)).ok();
    let is_release =
        reads("include/config/kernel.release").is_some_and(|text| text.trim() == release);
    let is_ours = map.is_none_or(|map| reads("System.map").is_some_and(|text| text == map));
    let archives: Vec<&str> =
        ARCHIVES.into_iter().filter(|archive| build.join(archive).is_file()).collect();
    if !is_release || !is_ours || archives.is_empty() {
        return Ok(None);
    }
    let command = Command::new("nm").args(["--print-file-name", "--defined-only"]).args(archives);
    let symbols = command
        .current_dir(&build)
        .output()
        .with_context(|| format!("reading the objects in {}", build.display()))?;
    let mut folders = Folders::new();
    for (name, folder) in String::from_utf8_lossy(&symbols).lines().filter_map(function) {
        folders.entry(name.to_owned()).or_default().insert(folder.to_owned());
    }
    Ok(Some(folders))
}

/// The name and the folder of a line of nm's, `ARCHIVE:FOLDER/OBJECT:ADDRESS KIND NAME`,
/// if it tells a function.
fn function(line: &str) -> Option<(&str, &str)> {
    let (place, symbol) = line.rsplit_once(':')?;
    let (_, object) = place.split_once(':')?;
    let (folder, _) = object.rsplit_once('/')?;
    let mut words = symbol.split_whitespace();
    let (_, kind, name) = (words.next()?, words.next()?, words.next()?);
    matches!(kind, "t" | "T" | "w" | "W").then_some((name, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_the_folder_of_its_object() {
        let line = "vmlinux.a:net/ipv4/tcp.o:0000000000000040 T tcp_sendmsg";
        assert_eq!(function(line), Some(("tcp_sendmsg", "net/ipv4")));
        let weak = "lib/lib.a:arch/x86/lib/memcpy_64.o:0000000000000000 W memcpy";
        assert_eq!(function(weak), Some(("memcpy", "arch/x86/lib")));
        for line in ["", "vmlinux.a:", "vmlinux.a:init/main.o:0000000000000000 d loops"] {
            assert_eq!(function(line), None, "{line}");
        }
    }
}
