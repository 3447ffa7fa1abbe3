//! The command: exit status, text and JSON.

use std::process::{Command, Output};

use serde_json::Value;

use crate::package::Parts;

fn lint(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_appliance")).arg("lint").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_status_tells_errors_from_wrong_use() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let good = write("a.ova", &Parts::good().ova());
    let run = lint(&[&good]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(text(&run.stdout).ends_with("a.ova: 0 errors, 0 warnings, 2 notes\n"));

    let cut = write("b.ova", &Parts::good().ova()[..3000]);
    let run = lint(&[&cut, "--json"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["passed"], false);
    let finding = &report["findings"][0];
    for key in ["id", "severity", "products", "rule", "source", "mend", "file", "place", "found"] {
        assert!(!finding[key].is_null(), "{key} in {finding}");
    }

    let other = write("c", b"hello");
    for wrong in [&[other.as_str()][..], &["/nonexistent.ova"], &["/dev/null"], &[]] {
        let run = lint(wrong);
        assert_eq!(run.status.code(), Some(2), "{wrong:?}: {}", text(&run.stdout));
        assert!(!run.stderr.is_empty());
    }
    // A file is known by its content too.
    let unnamed = write("d", &crate::package::disk());
    assert_eq!(lint(&[&unnamed]).status.code(), Some(0));
}

#[test]
fn the_rules_can_be_listed() {
    let run = lint(&["--rules", "--json"]);
    let rules: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(rules.as_array().unwrap().len(), appliance::lint::rules().count());
    let run = lint(&["--rules"]);
    assert!(text(&run.stdout).contains("ova-descriptor-first"));
}
