//! The user's part of the configuration.
//!
//! The server checks it at build time, on the build host. So everything is
//! refused before that which would run a program, read a file or take a variable
//! of the build host; and what the server could not tell about the guest is
//! checked against what the image holds.

mod keys;
mod paths;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use host::{Problem, refused};

use crate::modules::{Modules, ignored, owner_of};
use crate::syntax::{Assignment, Condition, Statements, SyntaxError, Token, What, tokens};
pub use keys::known_keys;
pub(crate) use keys::{Path as PathKind, path_kind};
use keys::{RESERVED, UNAVAILABLE};
pub use paths::{Image, Kind};

/// Names of password files that the generated configuration never serves.
pub(crate) const HIDDEN: &[&str] = &[".htpasswd", ".htdigest", ".htgroup"];

/// A configuration file of the user's that can be shown to the server.
#[derive(Clone, Debug)]
pub struct UserConfig {
    name: String,
    text: String,
}

impl UserConfig {
    /// Reads the file at `path`; messages call it `name`.
    ///
    /// # Errors
    /// Refused when the file is not readable, its syntax is wrong, or it holds
    /// something that cannot be in an appliance.
    pub fn read(path: &Path, name: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| refused(format!("{name}: {error}")))?;
        Self::new(name, bytes)
    }

    /// Takes the content of a file that messages call `name`.
    ///
    /// # Errors
    /// As [`UserConfig::read`].
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<Self> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            refused(format!("{name}:{line}: it is not UTF-8"))
        })?;
        let config = Self { name: name.to_owned(), text };
        let tokens = config.tokens()?;
        config.refuse_foreign(&tokens)?;
        let statements = config.statements(&tokens)?;
        for assignment in &statements.assignments {
            config.refuse_reserved(assignment)?;
        }
        for condition in &statements.conditions {
            config.refuse_named_socket(condition)?;
        }
        config.refuse_unread(&statements)?;
        Ok(config)
    }

    /// The file's content.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds a regular expression.
    pub fn has_expressions(&self) -> bool {
        // The file was parsed once already, when it was read.
        let Ok(tokens) = self.tokens() else { return false };
        let Ok(statements) = self.statements(&tokens) else { return false };
        statements.conditions.iter().any(|condition| condition.comparison.contains('~'))
            || statements.assignments.iter().any(|a| a.key == "dir-listing.exclude")
    }

    /// Compares it with what the appliance will hold.
    ///
    /// # Errors
    /// Refused when it configures a module that is not enabled or names a path
    /// that the image does not have.
    pub fn check(&self, modules: &Modules, image: &Image) -> Result<()> {
        let tokens = self.tokens()?;
        let Statements { assignments, .. } = self.statements(&tokens)?;
        for assignment in &assignments {
            match owner_of(&assignment.key) {
                Some(owner) if !modules.has(owner.name) => {
                    return Err(self
                        .problem(
                            assignment.line,
                            format!("{} needs a module that is not enabled", assignment.key),
                        )
                        .hint(format!("add \"{}\" to server.modules in appliance.toml", owner.name))
                        .into());
                }
                _ => {}
            }
        }
        paths::check(self, &assignments, modules, image)
    }

    pub(crate) fn tokens(&self) -> Result<Vec<Token<'_>>> {
        tokens(&self.text).map_err(|error| self.misspelt(error))
    }

    pub(crate) fn statements<'a>(&self, tokens: &'a [Token<'a>]) -> Result<Statements<'a>> {
        Statements::parse(tokens).map_err(|error| self.misspelt(error))
    }

    fn misspelt(&self, error: SyntaxError) -> anyhow::Error {
        self.problem(error.line, error.what).into()
    }

    pub(crate) fn problem(&self, line: usize, what: impl std::fmt::Display) -> Problem {
        refused(format!("{}:{line}: {what}", self.name))
    }

    fn refuse_foreign(&self, tokens: &[Token]) -> Result<()> {
        for token in tokens.iter().filter(|token| token.what == What::Word) {
            let problem = match token.text {
                "include_shell" => self
                    .problem(token.line, "include_shell would run a program on the build host")
                    .hint("run it yourself and put what it prints into the file"),
                "include" => self
                    .problem(token.line, "the image holds no file to include")
                    .hint("put the text of that file here"),
                word if starts_with_env(word) => self
                    .problem(token.line, format!("{word} would be a variable of the build host"))
                    .hint("write its value here; the guest has no environment"),
                _ => continue,
            };
            return Err(problem.into());
        }
        Ok(())
    }

    fn refuse_reserved(&self, assignment: &Assignment) -> Result<()> {
        let key = assignment.key.as_str();
        let reserved = RESERVED
            .iter()
            .find(|reserved| reserved.key == key && (assignment.global || !reserved.in_conditions));
        if let Some(reserved) = reserved {
            let what = format!("{key} is not for this file to set");
            return Err(self.problem(assignment.line, what).hint(reserved.instead).into());
        }
        if let Some(near) = ignored(key) {
            let problem = self.problem(assignment.line, format!("there is no key {key}"));
            return Err(problem.hint(format!("did you mean {near}?")).into());
        }
        if let Some((_, why)) = UNAVAILABLE.iter().find(|(start, _)| key.starts_with(start)) {
            let what = format!("{key} has no meaning in an appliance");
            return Err(self.problem(assignment.line, what).hint(*why).into());
        }
        Ok(())
    }

    /// The build host would look up the name, and the guest perhaps not find it.
    fn refuse_named_socket(&self, condition: &Condition) -> Result<()> {
        if condition.subject.text != "SERVER" {
            return Ok(());
        }
        let is_address = |text: &str| {
            let port = text.strip_prefix(':').map(str::parse::<u16>);
            text.parse::<SocketAddr>().is_ok() || matches!(port, Some(Ok(_)))
        };
        match condition.value {
            [value] if value.what == What::String && is_address(&value.value()) => Ok(()),
            _ => Err(self
                .problem(condition.subject.line, "a socket that is no address with a port")
                .hint("write it as one string, such as \"10.0.2.15:8080\", \"[::]:8080\" or \":8080\"")
                .into()),
        }
    }

    /// A word without a dot is a variable of the user's to lighttpd. One that
    /// nothing reads is a key that lacks its beginning.
    fn refuse_unread(&self, statements: &Statements) -> Result<()> {
        let read: BTreeSet<String> = statements
            .assignments
            .iter()
            .flat_map(|assignment| assignment.value)
            .chain(statements.conditions.iter().flat_map(|condition| condition.value))
            .filter(|token| token.what == What::Word)
            .map(|token| variable(&token.text.to_ascii_lowercase()))
            .collect();
        for assignment in &statements.assignments {
            let key = variable(&assignment.key);
            let Some(name) = key.strip_prefix("var.").filter(|_| !read.contains(&key)) else {
                continue;
            };
            return Err(self
                .problem(assignment.line, format!("`{name}` is a variable that nothing reads"))
                .hint(format!("is it a key such as server.{name}?"))
                .into());
        }
        Ok(())
    }
}

fn starts_with_env(word: &str) -> bool {
    word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("env."))
}

fn variable(word: &str) -> String {
    if word.contains('.') { word.to_owned() } else { format!("var.{word}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn problem(error: &anyhow::Error) -> (String, String) {
        let problem = error.downcast_ref::<Problem>().unwrap();
        assert_eq!(problem.kind, host::Kind::Refused);
        (problem.what.clone(), problem.hint.clone().unwrap_or_default())
    }

    fn refusal(text: &str) -> (String, String) {
        problem(&UserConfig::new("my.conf", text.into()).unwrap_err())
    }

    #[test]
    fn what_is_the_build_hosts_is_refused() {
        for (text, line, word) in [
            ("server.tag = \"x\"\ninclude_shell \"date\"", 2, "run a program"),
            ("include \"/etc/passwd\"", 1, "no file to include"),
            ("server.tag = env.HOME", 1, "variable of the build host"),
            ("server.tag = Env.HOME", 1, "variable of the build host"),
            ("server.tag = \"a\\\\\" b\" + env.HOME", 1, "variable of the build host"),
        ] {
            let (what, _) = refusal(text);
            assert!(
                what.starts_with(&format!("my.conf:{line}: ")) && what.contains(word),
                "{what}"
            );
        }
    }

    #[test]
    fn what_is_set_elsewhere_is_refused_with_the_place() {
        for (text, hint) in [
            ("server.port = 81", "set server.port in appliance.toml"),
            ("SERVER.Port := 81", "set server.port in appliance.toml"),
            ("server.modules += ( \"mod_cgi\" )", "add the module to server.modules"),
            ("server.errorlog = \"|/bin/sh\"", "log.access"),
            ("server.username = \"www-data\"", "no users"),
            ("server.document-root = \"/srv/x\"", "put it into a condition"),
            ("$HTTP[\"host\"] == \"a\" { global { server.document-root = \"/\" } }", "server.root"),
            ("dir-listing.actvate = \"enable\"", "did you mean dir-listing.activate?"),
            ("ssl.engine = \"enable\"", "no TLS"),
            ("cgi.assign = ( \".pl\" => \"/usr/bin/perl\" )", "no program to run"),
        ] {
            let (_, found) = refusal(text);
            assert!(found.contains(hint), "{text}: {found}");
        }
        let inside = "$HTTP[\"host\"] == \"a\" { server.document-root = \"/srv/a\" }";
        UserConfig::new("my.conf", inside.into()).unwrap();
    }

    #[test]
    fn a_variable_that_nothing_reads_is_refused() {
        assert_eq!(refusal("port = 81").1, "is it a key such as server.port?");
        for text in [
            "name = \"x\"\nserver.tag = name",
            "host = \"a\"\n$HTTP[\"host\"] == host { server.tag = \"x\" }",
        ] {
            UserConfig::new("my.conf", text.into()).unwrap();
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_line() {
        let error = UserConfig::new("my.conf", b"a.b = 1\n\xff".to_vec()).unwrap_err();
        assert_eq!(problem(&error).0, "my.conf:2: it is not UTF-8");
        assert_eq!(refusal("server.tag = \"x").0, "my.conf:1: a string without its closing quote");
    }

    #[test]
    fn sockets_are_addresses() {
        let config = |socket: &str| {
            let text = format!("$SERVER[\"socket\"] == {socket} {{ server.tag = \"x\" }}");
            UserConfig::new("my.conf", text.into())
        };
        for socket in ["\"10.0.2.15:81\"", "\"[::]:81\"", "\":81\""] {
            config(socket).unwrap();
        }
        for socket in ["\"localhost:81\"", "\"/tmp/socket\"", "\"10.0.2.15\"", "\":81\" + \"0\""] {
            let (what, _) = problem(&config(socket).unwrap_err());
            assert_eq!(what, "my.conf:1: a socket that is no address with a port");
        }
    }

    #[test]
    fn expressions_are_seen() {
        let has = |text: &str| UserConfig::new("c", text.into()).unwrap().has_expressions();
        assert!(has("$HTTP[\"url\"] =~ \"x\" { server.tag = \"x\" }"));
        assert!(has("dir-listing.exclude = ( \"x\" )"));
        assert!(!has("server.tag = \"=~\" # =~"));
    }

    #[test]
    fn a_key_of_a_module_that_is_off_names_the_module() {
        let config =
            UserConfig::new("my.conf", b"\nexpire.url = ( \"\" => \"access 1 hours\" )".to_vec())
                .unwrap();
        let image = Image::new(|_| None);
        let error = config.check(&Modules::new([]).unwrap(), &image).unwrap_err();
        let (what, hint) = problem(&error);
        assert_eq!(what, "my.conf:2: expire.url needs a module that is not enabled");
        assert_eq!(hint, "add \"expire\" to server.modules in appliance.toml");
        config.check(&Modules::new(["expire"]).unwrap(), &image).unwrap();
    }
}
