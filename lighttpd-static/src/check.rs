//! The built server's own word on its configuration.
//!
//! `lighttpd -tt` goes through everything that a start does but for opening logs
//! and sockets. It ends with 0 even for a key that it does not know, so what
//! counts is that it says nothing at all. It runs on the build host: in a copy of
//! the configuration every path of the guest is moved below a private directory,
//! where a tree stands like the guest's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use host::{Command, failed};

use crate::syntax::{Assignment, Operator, Statements, SyntaxError, Token, What, tokens};
use crate::user::{PathKind, UserConfig, path_kind};
use crate::{CONFIG, DOCUMENT_ROOT, USER_CONFIG, WRITABLE};

/// The longest that the server takes to read its configuration.
const DEADLINE: Duration = Duration::from_secs(20);

/// Lets the server at `server` check the generated configuration and the user's
/// part. `scratch` is an empty directory.
///
/// # Errors
/// Refused, with the line, when the server objects to the user's part; failed
/// when it objects to ours.
pub fn check(server: &Path, config: &str, user: Option<&UserConfig>, scratch: &Path) -> Result<()> {
    let scratch = std::path::absolute(scratch)
        .with_context(|| format!("finding the directory {}", scratch.display()))?;
    let tree = Tree { root: scratch };
    for dir in WRITABLE.iter().chain([&DOCUMENT_ROOT]) {
        tree.directory(dir)?;
    }
    tree.copy(CONFIG, config)?;
    if let Some(user) = user {
        tree.copy(USER_CONFIG, user.text())?;
    }
    let outcome = Command::new(server)
        .args(["-tt", "-f"])
        .arg(tree.place(CONFIG))
        .current_dir(&tree.root)
        .deadline(DEADLINE)
        .outcome()?;
    let mut said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&outcome.stdout));
    let objections = messages(&said);
    match user.map(|user| (user, find(&objections, user, &tree))) {
        _ if objections.is_empty() && outcome.status.success() => Ok(()),
        Some((user, Some(place))) => Err(place.explain(user).into()),
        _ => {
            let what = format!("the server does not take its configuration ({})", outcome.status);
            let said = objections.join("\n    ");
            Err(failed(format!("{what}:\n    {said}")).into())
        }
    }
}

/// The private tree that stands for the guest's.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn directory(&self, path: &str) -> Result<()> {
        let place = self.place(path);
        fs::create_dir_all(&place).with_context(|| format!("creating {}", place.display()))
    }

    /// Writes a copy of a configuration file, its paths moved below the root.
    fn copy(&self, path: &str, text: &str) -> Result<()> {
        let place = self.place(path);
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent)?;
        }
        fs::write(&place, self.moved(text)?).with_context(|| format!("writing {}", place.display()))
    }

    fn moved(&self, text: &str) -> Result<String> {
        let explain = |error: SyntaxError| anyhow!("line {}: {}", error.line, error.what);
        let tokens = tokens(text).map_err(explain)?;
        let statements = Statements::parse(&tokens).map_err(explain)?;
        let paths = statements.assignments.iter().filter(|a| names_paths(a));
        let mut starts: Vec<usize> = paths
            .filter_map(Assignment::literals)
            .flatten()
            .chain(statements.includes)
            .filter(|token| token.what == What::String)
            .map(|token| token.start + 1)
            .collect();
        starts.sort_unstable();
        let (mut moved, mut copied) = (String::new(), 0);
        for start in starts {
            moved.push_str(&text[copied..start]);
            moved.push_str(&self.root.to_string_lossy());
            copied = start;
        }
        moved.push_str(&text[copied..]);
        Ok(moved)
    }
}

/// Whether a value names paths, and not URLs or machines.
fn names_paths(assignment: &Assignment) -> bool {
    let kind = path_kind(&assignment.key);
    kind.is_some_and(|kind| !matches!(kind, PathKind::Url | PathKind::Backend))
}

/// What the server said, without the times and the places in its source that it
/// begins with: `2026-01-01 00:00:00: (configfile.c.1287) `. Some of its messages
/// lack the end of their line, so that the next one begins behind them.
fn messages(said: &str) -> Vec<&str> {
    let mut messages = Vec::new();
    for line in said.lines() {
        let stamp = line.match_indices(": (").find_map(|(at, _)| {
            let start = at.checked_sub("2026-01-01 00:00:00".len())?;
            let is_time = |c: char| c.is_ascii_digit() || " -:".contains(c);
            line.get(start..at).filter(|time| time.chars().all(is_time)).map(|_| start)
        });
        let (before, after) = line.split_at(stamp.unwrap_or(line.len()));
        let after = after.split_once(") ").map_or(after, |(_, message)| message);
        messages.extend([before, after]);
    }
    // The limits of this process are the build host's matter.
    messages.retain(|message| !message.is_empty() && !message.starts_with("setrlimit()"));
    messages
}

/// Where in the user's part the server's objection comes from.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    message: String,
    hint: Option<String>,
}

impl Place {
    fn explain(self, user: &UserConfig) -> host::Problem {
        let problem = user.problem(self.line, self.message);
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

fn find(objections: &[&str], user: &UserConfig, tree: &Tree) -> Option<Place> {
    let tokens = user.tokens().ok()?;
    let Statements { assignments, .. } = user.statements(&tokens).ok()?;
    let root = tree.root.to_string_lossy();
    let named = format!("source: {} line: ", tree.place(USER_CONFIG).display());
    let stop = objections.iter().find_map(|objection| objection.strip_prefix(named.as_str()));
    let messages: Vec<String> = objections
        .iter()
        .filter(|objection| !objection.starts_with("source: "))
        .map(|objection| objection.replace(&*root, ""))
        .collect();
    for message in &messages {
        let line = match stop {
            Some(stop) => stopped_at(stop, &tokens),
            None => line_of(message, &assignments, &tokens),
        };
        if let Some(line) = line {
            let hint = hint(message, &assignments);
            return Some(Place { line, message: message.clone(), hint });
        }
    }
    let message = stop?.split_once(' ')?.1.to_owned();
    Some(Place { line: stopped_at(stop?, &tokens)?, message, hint: None })
}

/// The line of the statement at which the server stopped to read, from
/// `2 pos: 0 parser failed somehow near here: (EOL)`. At the end of a line it has
/// skipped the empty ones behind it already.
fn stopped_at(stop: &str, tokens: &[Token]) -> Option<usize> {
    let line: usize = stop.split_once(' ')?.0.parse().ok()?;
    if !stop.ends_with(": (EOL)") {
        return Some(line);
    }
    let mut before = tokens.iter().rev().filter(|token| token.what != What::End);
    before.find(|token| token.line < line).map(|token| token.line)
}

/// The line that sets the longest key which an objection names, or that holds a
/// string which it quotes.
fn line_of(objection: &str, assignments: &[Assignment], tokens: &[Token]) -> Option<usize> {
    let lower = objection.to_ascii_lowercase();
    let by_key = assignments
        .iter()
        .filter(|assignment| names(&lower, &assignment.key))
        .max_by_key(|assignment| assignment.key.len());
    if let Some(assignment) = by_key {
        return Some(assignment.line);
    }
    let strings = tokens.iter().filter(|token| token.what == What::String && token.text != "\"\"");
    strings
        .map(|token| (token.value(), token.line))
        .filter(|(value, _)| {
            value.len() > 2 && objection.contains(value.as_str()) || objection.ends_with(value)
        })
        .max_by_key(|(value, _)| value.len())
        .map(|(_, line)| line)
}

/// Whether a text holds a key, and not only as a part of another word.
fn names(text: &str, key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(key).any(|(at, _)| {
        let after = text[at + key.len()..].strip_prefix('.').unwrap_or(&text[at + key.len()..]);
        !text[..at].ends_with(|c: char| is_part(c) || c == '.') && !after.starts_with(is_part)
    })
}

fn hint(objection: &str, assignments: &[Assignment]) -> Option<String> {
    let key = objection
        .strip_prefix("Duplicate config variable in conditional ")
        .and_then(|rest| rest.rsplit_once(": "))
        .map(|(_, key)| key.to_ascii_lowercase())?;
    let set = assignments.iter().find(|a| a.key == key && a.operator == Operator::Set)?;
    Some(format!(
        "it has a value already: write `{0} := …` to replace it or `{0} += …` to add to it",
        set.key
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_origin_is_dropped() {
        let said = "2026-11-22 22:56:20: (configfile.c.1287) WARNING: unknown config-key: a.b (ignored)\n\
                    Duplicate: (x) y\n\
                    error comp_key $HTTP[\"x\"] == \"a\"2026-11-22 22:56:20: (configfile.c.2164) source: x";
        assert_eq!(
            messages(said),
            [
                "WARNING: unknown config-key: a.b (ignored)",
                "Duplicate: (x) y",
                "error comp_key $HTTP[\"x\"] == \"a\"",
                "source: x"
            ]
        );
    }

    #[test]
    fn the_end_of_a_line_is_before_the_next_token() {
        let tokens = tokens("a.b = 1\n\n# comment\nc.d = 2\n").unwrap();
        assert_eq!(stopped_at("4 pos: 0 parser failed somehow near here: (EOL)", &tokens), Some(1));
        assert_eq!(stopped_at("5 pos: 0 parser failed somehow near here: (EOL)", &tokens), Some(4));
        assert_eq!(stopped_at("4 pos: 3 parser failed somehow near here: x", &tokens), Some(4));
    }

    #[test]
    fn paths_move_and_lines_stay() {
        let tree = Tree { root: "/t".into() };
        let text = "server.document-root = \"/srv\" # \"/srv\"\nserver.tag = \"/srv\"\n\
                    alias.url = ( \"/u\" => \"/srv/u\",\n\"/v\" => \"/srv/v\" )\n\
                    server.error-handler-404 = \"/404\"\ninclude \"/etc/user.conf\"\n";
        assert_eq!(
            tree.moved(text).unwrap(),
            "server.document-root = \"/t/srv\" # \"/srv\"\nserver.tag = \"/srv\"\n\
             alias.url = ( \"/u\" => \"/t/srv/u\",\n\"/v\" => \"/t/srv/v\" )\n\
             server.error-handler-404 = \"/404\"\ninclude \"/t/etc/user.conf\"\n"
        );
    }

    #[test]
    fn a_key_is_named_whole() {
        assert!(names("unknown config-key: server.foo (ignored)", "server.foo"));
        assert!(names("server.foo.", "server.foo"));
        assert!(!names("server.foo-bar", "server.foo"));
        assert!(!names("server.foo.bar", "server.foo"));
        assert!(!names("x.server.foo", "server.foo"));
    }
}
