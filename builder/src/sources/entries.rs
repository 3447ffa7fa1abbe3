//! The package archives that this system is set up with, as sources.list(5)
//! describes them: lines of `*.list` and paragraphs of `*.sources`.
//!
//! Those that are Debian's are kept, word by word, except that packages and
//! source packages are wanted of each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// How the names of the files with Debian's own keys begin
/// (package debian-archive-keyring).
const DEBIAN_KEYRING: &str = "debian-archive-";

/// The text of the two files that name Debian's archives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// One archive a line, for a `.list` file.
    pub(super) lines: String,
    /// A paragraph for each, for a `.sources` file.
    pub(super) paragraphs: String,
}

impl Entries {
    /// Reads the main list and the directory of further ones.
    ///
    /// # Errors
    /// When one of them is there and cannot be read.
    pub(super) fn of_system(list: &Path, parts: &Path) -> Result<Self> {
        let mut entries = Self::default();
        for path in std::iter::once(list.to_owned()).chain(files_in(parts)?) {
            let text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text.with_context(|| format!("reading {}", path.display()))?,
            };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("list") => text.lines().for_each(|line| entries.add_line(line)),
                Some("sources") => entries.add_paragraphs(&text),
                _ => {}
            }
        }
        Ok(entries)
    }

    /// Whether no archive was found.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.paragraphs.is_empty()
    }

    fn add_line(&mut self, line: &str) {
        let Some(rest) = without_type(line.split('#').next().unwrap_or_default()) else { return };
        let (options, archive) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            Some((options, archive)) => (options, archive),
            None => ("", rest),
        };
        let mut words = archive.split_whitespace();
        let (uri, suite) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let signed_by =
            options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        if !is_debian(uri, suite, words, signed_by) {
            return;
        }
        for kind in ["deb", "deb-src"] {
            let line = format!("{kind} {rest}\n");
            // Stock lists name each archive twice, once for each kind.
            if !self.lines.contains(&line) {
                self.lines.push_str(&line);
            }
        }
    }

    fn add_paragraphs(&mut self, text: &str) {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for paragraph in lines.split(|line| line.trim().is_empty()) {
            let value = |name: &str| field(paragraph, name).unwrap_or_default();
            let components = value("Components");
            let signed_by = value("Signed-By");
            let signed_by = signed_by.split_whitespace().next();
            let disabled = ["no", "false", "0", "off", "without", "disable"];
            if disabled.contains(&value("Enabled").to_lowercase().as_str())
                || !is_debian(
                    &value("URIs"),
                    &value("Suites"),
                    components.split_whitespace(),
                    signed_by,
                )
            {
                continue;
            }
            for line in paragraph.iter().filter(|line| !is_field(line, "Types")) {
                self.paragraphs.push_str(line);
                self.paragraphs.push('\n');
            }
            self.paragraphs.push_str("Types: deb deb-src\n\n");
        }
    }
}

fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let listing = match dir.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing,
    };
    let paths = listing.and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut paths = paths.with_context(|| format!("reading {}", dir.display()))?;
    paths.sort();
    Ok(paths)
}

/// What stands behind the type of an entry's line.
fn without_type(line: &str) -> Option<&str> {
    let (kind, rest) = line.trim().split_once(char::is_whitespace)?;
    ["deb", "deb-src"].contains(&kind).then(|| rest.trim_start())
}

fn is_field(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
}

/// The value of a field with its continuation lines.
fn field(paragraph: &[&str], name: &str) -> Option<String> {
    let first = paragraph.iter().position(|line| is_field(line, name))?;
    let more = paragraph[first + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
    let value = paragraph[first].split_once(':').map(|(_, value)| value)?;
    Some(more.fold(value.trim().to_owned(), |value, line| format!("{value} {}", line.trim())))
}

/// Whether an archive can be Debian's: one with the component `main`, on no disc,
/// and with no file of keys that is somebody else's.
fn is_debian<'a>(
    uri: &str,
    suite: &str,
    mut components: impl Iterator<Item = &'a str>,
    signed_by: Option<&str>,
) -> bool {
    let foreign = |keys: &str| {
        let name = Path::new(keys).file_name().unwrap_or_default();
        keys.starts_with('/') && !name.to_string_lossy().starts_with(DEBIAN_KEYRING)
    };
    !uri.starts_with("cdrom:")
        && !suite.is_empty()
        && components.any(|component| component == "main")
        && !signed_by.is_some_and(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(files: &[(&str, &str)]) -> Entries {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Entries::of_system(&dir.path().join("main.list"), &dir.path().join("none")).unwrap();
        Entries::of_system(&dir.path().join("missing.list"), dir.path()).unwrap()
    }

    #[test]
    fn lines_are_kept_with_their_options_and_asked_for_sources() {
        let text = "# comment\n\
            deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://m.example/debian bookworm main contrib # why\n\
            deb http://m.example/sec bookworm-security main\n\
            deb-src http://m.example/sec bookworm-security main\n\
            deb cdrom:[Debian 12]/ bookworm main\n\
            deb [signed-by=/etc/apt/keyrings/other.gpg] https://other.example/ stable main\n\
            deb https://flat.example/ ./\n";
        let expected = "deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://m.example/debian bookworm main contrib\n\
            deb-src [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://m.example/debian bookworm main contrib\n\
            deb http://m.example/sec bookworm-security main\n\
            deb-src http://m.example/sec bookworm-security main\n";
        assert_eq!(entries(&[("a.list", text)]).lines, expected);
    }

    #[test]
    fn paragraphs_are_kept_word_by_word_except_their_types() {
        let text = "Types: deb\n# a snapshot\nURIs: mirror+file:///etc/apt/mirrors/a.list\n\
            Suites: bookworm\n bookworm-updates\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb\nURIs: https://other.example\nSuites: nodistro\nComponents: main\n\
            Signed-By: /usr/share/keyrings/other.gpg\n\n\
            Enabled: no\nTypes: deb\nURIs: http://m.example\nSuites: trixie\nComponents: main\n";
        let expected = "URIs: mirror+file:///etc/apt/mirrors/a.list\n\
            Suites: bookworm\n bookworm-updates\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\nTypes: deb deb-src\n\n";
        let found = entries(&[("debian.sources", text), ("old.sources.disabled", text)]);
        assert_eq!(found, Entries { lines: String::new(), paragraphs: expected.to_owned() });
    }

    #[test]
    fn keys_that_stand_in_the_file_itself_are_kept() {
        let text = "types: deb\nuris: http://m.example\nsuites: bookworm\ncomponents: main\n\
            signed-by:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n";
        let found = entries(&[("debian.sources", text)]).paragraphs;
        assert!(found.contains("signed-by:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"));
    }
}
