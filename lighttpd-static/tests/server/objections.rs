//! What the server says of a configuration, and what becomes of it.

use std::path::Path;

use host::{Kind, Problem};
use lighttpd_static::{Modules, Settings, UserConfig, check};

use crate::Row;
use crate::site::LOCALHOST;

pub(crate) const TESTS: &[Row] = &[
    ("ours_is_taken", None, ours),
    ("ours_is_refused_when_a_module_is_not_built_in", None, missing_module),
    ("the_users_part_is_taken", None, users),
    ("objections_have_their_line", None, objections),
    ("what_would_run_a_program_is_refused", None, programs),
];

fn verdict(server: &Path, modules: &[&str], user: Option<&str>) -> anyhow::Result<()> {
    let modules = Modules::new(modules.iter().copied())?;
    let settings = Settings {
        listen: &[LOCALHOST, "::1".parse()?],
        port: 80,
        modules: &modules,
        files: &["index.html"],
        user: user.is_some(),
    };
    let user = user.map(|text| UserConfig::new("my.conf", text.into())).transpose()?;
    let scratch = tempfile::tempdir()?;
    check(server, &settings.text(), user.as_ref(), scratch.path())
}

fn ours(server: &Path) {
    verdict(server, &[], None).unwrap();
}

fn missing_module(server: &Path) {
    let modules = Modules::new([]).unwrap();
    let settings =
        Settings { listen: &[LOCALHOST], port: 80, modules: &modules, files: &[], user: false };
    let text = settings.text().replace("mod_staticfile", "mod_none");
    let scratch = tempfile::tempdir().unwrap();
    let error = check(server, &text, None, scratch.path()).unwrap_err();
    let problem = error.downcast_ref::<Problem>().unwrap();
    assert_eq!(problem.kind, Kind::Failed);
    assert!(problem.what.contains("mod_none"), "{}", problem.what);
}

fn users(server: &Path) {
    for text in [
        "",
        "# nothing",
        "server.tag := \"x\"\nserver.max-connections := 10",
        "name = \"a\"\n$HTTP[\"host\"] == name { server.document-root = \"/srv/a\" }",
        "server.error-handler-404 = \"/404.html\"",
        "server.tag := \"last line without its end\"\n",
    ] {
        verdict(server, &[], Some(text)).unwrap();
    }
}

fn objections(server: &Path) {
    for (text, line, said, hinted) in [
        ("\n\nserver.no-such-key = 1", 3, "unknown config-key: server.no-such-key", ""),
        ("$HTTP[\"host\"] == \"a\" {\n server.foo = 1\n}", 2, "server.foo", ""),
        ("\nserver.tag = \"a\"\n\n# end\n\n", 2, "Duplicate config variable", "`server.tag := …`"),
        ("server.tag := ( \"a\" )\n", 1, "server.tag should have been a string", ""),
        ("server.tag := \"x\" \"y\"\n", 1, "`\"y\"` where a key", ""),
        ("server.max-connections := \"many\"", 1, "expected a short: server.max-connections", ""),
        ("\nserver.tag := no.such\n\n", 2, "Undefined config variable: no.such", ""),
        ("\n$HTTP[\"nothing\"] == \"a\" { server.tag = \"x\" }\n", 2, "$HTTP[\"nothing\"]", ""),
        ("$HTTP[\"remote-ip\"] == \"300.1.1.1\" {\nserver.tag = \"\" }", 1, "invalid IP addr", ""),
        ("x = ( \"a\" )\nx += \"b\"\nserver.tag := x", 2, "cannot merge", ""),
        ("\nserver.stat-cache-engine := \"magic\"\n", 2, "stat-cache-engine", ""),
    ] {
        let error = verdict(server, &[], Some(text)).expect_err(text);
        let problem = error.downcast_ref::<Problem>().unwrap_or_else(|| panic!("{text}: {error}"));
        let start = format!("my.conf:{line}: ");
        assert!(problem.what.starts_with(&start), "{text:?}: {}", problem.what);
        assert!(problem.what.contains(said), "{text:?}: {}", problem.what);
        assert!(!problem.what.contains("/tmp"), "{text:?}: {}", problem.what);
        assert_eq!(problem.kind, Kind::Refused, "{text:?}");
        let hint = problem.hint.as_deref().unwrap_or_default();
        assert!(hint.contains(hinted), "{text:?}: {hint}");
    }
}

/// Each of these makes the server run the command, so ours must not let it see
/// them.
fn programs(server: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let mark = scratch.path().join("mark");
    let file = scratch.path().join("file.conf");
    let command = format!("include_shell \"touch {}\"", mark.display());
    for text in [
        "COMMAND",
        "# comment\rCOMMAND",
        "a.b = 1 COMMAND",
        "a.b = 1,COMMAND",
        "a.b = \"\\\\\" # in the string\" COMMAND",
        "a.b = \"line\n\" COMMAND",
        "$HTTP[\"host\"] == \"a\" { COMMAND }",
        "$HTTP[\"host\"] == \"a\" {\n}COMMAND",
        "a.b = ( \"c\" => ( 1\n) ) COMMAND",
        "\u{a0}COMMAND",
    ] {
        let text = text.replace("COMMAND", &command) + "\n";
        std::fs::write(&file, &text).unwrap();
        std::process::Command::new(server).args(["-t", "-f"]).arg(&file).output().unwrap();
        assert!(mark.exists(), "the server does not run it: {text}");
        std::fs::remove_file(&mark).unwrap();
        let error = UserConfig::new("my.conf", text.clone().into()).expect_err(&text);
        assert!(error.to_string().contains("include_shell would run a program"), "{error}");
    }
}
