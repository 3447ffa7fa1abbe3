//! Our tables against lighttpd's source.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use lighttpd_static::{MODULES, Modules, known_keys};

pub(crate) fn compare(tarball: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new("tar")
        .args(["--extract", "--strip-components=1", "--file"])
        .arg(tarball)
        .arg("--directory")
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    let src = dir.path().join("src");
    let sources: BTreeMap<String, String> = src
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "c"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned())
        })
        .collect();
    let makefile = fs::read_to_string(src.join("Makefile.am")).unwrap();
    let (_, of_static) = makefile.split_once("if LIGHTTPD_STATIC\n").unwrap();
    let modules = Modules::new(MODULES.iter().map(|module| module.name)).unwrap();
    for plugin in modules.plugins() {
        assert!(sources[plugin].contains(&format!("int {plugin}_plugin_init")), "{plugin}");
        assert!(of_static.contains(&format!("  {plugin}.c")), "{plugin} is not built statically");
    }
    for module in MODULES {
        let own = &sources[&format!("mod_{}", module.name)];
        for key in module.keys {
            assert!(own.contains(&format!("\"{key}")), "{} has no {key}", module.name);
        }
    }
    for key in known_keys() {
        let quoted = format!("\"{key}\"");
        assert!(sources.values().any(|source| source.contains(&quoted)), "nothing reads {key}");
    }
}
