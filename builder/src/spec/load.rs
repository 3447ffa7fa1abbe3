//! Reading `appliance.toml`, with errors that carry line and suggestion.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Problem, nearest, refused};

use super::Spec;

/// The name of the file in a project's directory.
const FILE_NAME: &str = "appliance.toml";

/// A specification and where it stands.
#[derive(Clone, Debug)]
pub struct Project {
    /// The file, as messages name it.
    pub file: PathBuf,
    /// The text of the file, for the lines of messages.
    pub text: String,
    /// What it says.
    pub spec: Spec,
}

impl Project {
    /// A path of the specification, which is relative to its file.
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(relative)
    }

    /// An error about a key: `FILE:LINE: key: what`.
    pub fn refuse(&self, section: &str, key: &str, what: &str) -> Problem {
        let key_name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        match line_of_key(&self.text, section, key) {
            Some(line) => refused(format!("{}:{line}: `{key_name}`: {what}", self.file.display())),
            None => refused(format!("{}: `{key_name}`: {what}", self.file.display())),
        }
    }
}

/// Reads the specification of a project, named by its directory or its file.
///
/// # Errors
/// Refused when there is no such file or it is not as it must be.
pub fn load(project: &Path) -> Result<Project> {
    let file = if project.is_dir() { project.join(FILE_NAME) } else { project.to_owned() };
    if !file.is_file() {
        return Err(refused(format!("there is no project at {}", file.display()))
            .hint("make one with `appliance new DIR`, or name a directory that holds an appliance.toml")
            .into());
    }
    let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| refused(format!("{} is no UTF-8 text", file.display())))?;
    let spec = parse(&text, &file)?;
    Ok(Project { file, text, spec })
}

fn parse(text: &str, file: &Path) -> Result<Spec, Problem> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        let message = error.message().trim_end();
        let problem = refused(format!("{}:{line}: {message}", file.display()));
        match suggestion(message) {
            Some(name) => problem.hint(format!("did you mean `{name}`?")),
            None => problem,
        }
    })
}

/// serde names what it did not know first and what it expected after it, each
/// between backticks.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    nearest(unknown, names).map(str::to_owned)
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line of `key` in `[section]`, however it is written: below its section, with
/// dots, or in an inline table; the section's line if the key has none of its own.
/// Only for messages: the file has been parsed by now.
fn line_of_key(text: &str, section: &str, key: &str) -> Option<usize> {
    let join = |table: &str, name: &str| match table {
        "" => name.to_owned(),
        table => format!("{table}.{name}"),
    };
    let wanted = join(section, key);
    let holds = |name: &str| wanted.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let mut current = String::new();
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let name = if let Some(name) = line.strip_prefix('[').and_then(|it| it.split(']').next()) {
            current = name.trim().to_owned();
            current.clone()
        } else {
            let Some((left, _)) = line.split_once('=') else { continue };
            join(&current, left.trim())
        };
        if name == wanted {
            return Some(index + 1);
        }
        if holds(&name) {
            found = Some((name.len(), index + 1)).max(found);
        }
    }
    found.map(|(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "name = 'x'\n[server]\nroot = 'site'\n[network]\naddresses = ['10.0.2.15/24']\n";

    fn problem(text: &str) -> String {
        let problem = parse(text, Path::new("a.toml")).unwrap_err();
        format!("{} | {}", problem.what, problem.hint.unwrap_or_default())
    }

    #[test]
    fn the_least_that_is_a_project() {
        let spec = parse(GOOD, Path::new("a.toml")).unwrap();
        assert_eq!(spec.server.port.0, 80);
        assert!(spec.disk.is_none());
    }

    #[test]
    fn an_unknown_key_has_its_line_and_a_suggestion() {
        let text = GOOD.replace("root = 'site'", "root = 'site'\nprot = 80");
        let said = problem(&text);
        assert!(said.starts_with("a.toml:4: unknown field `prot`"), "{said}");
        assert!(said.ends_with("did you mean `port`?"), "{said}");
    }

    #[test]
    fn a_wrong_type_has_its_line() {
        let said = problem(&GOOD.replace("root = 'site'", "root = 'site'\nport = 'http'"));
        assert!(said.starts_with("a.toml:4: "), "{said}");
        assert!(said.contains("expected a whole number"), "{said}");
    }

    #[test]
    fn a_value_out_of_range_has_its_line() {
        let said = problem(&GOOD.replace("root = 'site'", "root = 'site'\nport = 70000"));
        assert!(said.starts_with("a.toml:4: port 70000"), "{said}");
    }

    #[test]
    fn an_unknown_value_has_its_line_and_a_suggestion() {
        for (key, value, near) in [
            ("hardware-version", "vmx14", "vmx-14"),
            ("guest-id", "other4xlinux64", "other4xLinux64Guest"),
            ("firmware", "ufei", "uefi"),
        ] {
            let said = problem(&format!("{GOOD}[vmware]\n{key} = '{value}'\n"));
            assert!(said.starts_with("a.toml:7: unknown "), "{said}");
            assert!(said.ends_with(&format!("did you mean `{near}`?")), "{said}");
        }
    }

    #[test]
    fn a_missing_section_is_named() {
        let said = problem("name = 'x'\n[server]\nroot = 'site'\n");
        assert!(said.contains("network"), "{said}");
    }

    #[test]
    fn keys_are_found_by_section() {
        let text = "port = 1\n[server]\n# port\nport = 2\n[disk]\nsize='1M'\n";
        assert_eq!(line_of_key(text, "server", "port"), Some(4));
        assert_eq!(line_of_key(text, "disk", "absent"), Some(5));
        assert_eq!(line_of_key(text, "log", "access"), None);
        for text in [
            "[kernel]\n[kernel.tailor]\nvfs = true\n",
            "[kernel]\n\ntailor.vfs = true\n",
            "[kernel]\n\ntailor = { vfs = true }\n",
            "name = 'x'\n\nkernel.tailor.vfs = true\n",
        ] {
            assert_eq!(line_of_key(text, "kernel.tailor", "vfs"), Some(3), "{text}");
        }
    }
}
