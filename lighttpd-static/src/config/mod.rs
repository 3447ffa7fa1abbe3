//! The configuration file of the server, as text that its user can read.

mod mime;

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::modules::Modules;
use crate::user::HIDDEN;
use crate::{CONSOLE, DOCUMENT_ROOT, USER_CONFIG, WRITABLE};

pub use mime::content_type;

/// What is served for a directory, the first that is there.
pub const INDEX_FILES: &[&str] = &["index.html", "index.htm"];

/// File descriptors: what the kernel allows a process without being asked.
const MAX_FDS: u32 = 1024;
/// Connections at a time, each with its socket and the file that is sent, and
/// some descriptors left over. A busy one takes some 20 kB of memory, and the
/// smallest guest has 32 MB; further ones wait until one of these ends.
const MAX_CONNECTIONS: u32 = 480;
/// Seconds without a byte from a client in the middle of a request.
const READ_IDLE: u32 = 30;
/// Seconds without a byte that a client takes of a response.
const WRITE_IDLE: u32 = 60;
/// The largest body of a request in kB. Nothing here reads one but a proxy, and
/// large ones would fill the memory.
const MAX_REQUEST: u32 = 1024;

/// What `mod_deflate` compresses: types that begin so.
const COMPRESSED: &[&str] = &[
    "text/",
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/xml",
    "application/xhtml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "image/svg+xml",
];

/// What the configuration follows from.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The addresses to listen on, at least one; unspecified ones stand for all
    /// addresses of their family.
    pub listen: &'a [IpAddr],
    /// The TCP port.
    pub port: u16,
    /// The modules of the server.
    pub modules: &'a Modules,
    /// The files of the site; their names decide over the content types.
    pub files: &'a [&'a str],
    /// Whether there is a part of the user's.
    pub user: bool,
}

impl Settings<'_> {
    /// The text of the configuration file.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# Generated configuration of the server. Add to it with server.config in\n\
             # appliance.toml; the keys are explained at\n\
             # https://redmine.lighttpd.net/projects/lighttpd/wiki/Docs_ConfigurationOptions\n",
        );
        self.modules(&mut out);
        self.sockets(&mut out);
        self.site(&mut out);
        limits(&mut out);
        self.module_settings(&mut out);
        if self.user {
            section(&mut out, "What server.config of appliance.toml names");
            line(&mut out, &format!("include {}", quoted(USER_CONFIG)));
        }
        out
    }

    fn modules(&self, out: &mut String) {
        section(
            out,
            "All that is built in. The order matters: mod_indexfile before mod_staticfile",
        );
        list(out, "server.modules", self.modules.plugins().map(quoted));
        set(out, "server.compat-module-load", "\"disable\"");
    }

    fn sockets(&self, out: &mut String) {
        section(out, "Where clients find it");
        set(out, "server.port", &self.port.to_string());
        for (index, address) in self.listen.iter().enumerate() {
            let host = match address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            };
            if index == 0 {
                set(out, "server.bind", &quoted(&host));
            } else {
                let socket = quoted(&format!("{host}:{}", self.port));
                line(out, &format!("$SERVER[\"socket\"] == {socket} {{ }}"));
            }
        }
        section(out, "HTTP/2 without TLS, at once or after an upgrade");
        let features = ["server.h2proto", "server.h2c"].map(|name| pair(name, "enable"));
        list(out, "server.feature-flags", features);
        set(out, "server.tag", "\"lighttpd\"");
    }

    fn site(&self, out: &mut String) {
        section(out, "The site");
        set(out, "server.document-root", &quoted(DOCUMENT_ROOT));
        list(out, "index-file.names", INDEX_FILES.iter().map(|name| quoted(name)));
        section(out, "The longest suffix counts, \"\" is everything else");
        let types = mime::table(self.files.iter().copied());
        list(out, "mimetype.assign", types.iter().map(|(suffix, kind)| pair(suffix, kind)));
    }

    fn module_settings(&self, out: &mut String) {
        let mut of = |name: &str, why: &str, settings: &dyn Fn(&mut String)| {
            if self.modules.has(name) {
                section(out, why);
                settings(out);
            }
        };
        of("auth", "Passwords are not served", &|out| {
            list(out, "url.access-deny", HIDDEN.iter().map(|name| quoted(name)));
        });
        of("deflate", "What is worth compressing", &|out| {
            list(out, "deflate.mimetypes", COMPRESSED.iter().map(|kind| quoted(kind)));
            list(out, "deflate.allowed-encodings", ["gzip", "deflate"].map(quoted));
        });
        of("status", "Server status", &|out| set(out, "status.status-url", "\"/server-status\""));
        of("ssi", "Server-side includes; the guest has no program to run", &|out| {
            list(out, "ssi.extension", [quoted(".shtml")]);
            set(out, "ssi.exec", "\"disable\"");
        });
        of("dirlisting", "Directories without an index file", &|out| {
            set(out, "dir-listing.activate", "\"enable\"");
            set(out, "dir-listing.encoding", "\"utf-8\"");
        });
        of("accesslog", "A line for each request", &|out| {
            set(out, "accesslog.filename", &quoted(CONSOLE));
        });
    }
}

fn limits(out: &mut String) {
    section(out, "For a small machine: connections at a time, seconds, kB of a request's body");
    set(out, "server.max-connections", &MAX_CONNECTIONS.to_string());
    set(out, "server.max-fds", &MAX_FDS.to_string());
    set(out, "server.max-read-idle", &READ_IDLE.to_string());
    set(out, "server.max-write-idle", &WRITE_IDLE.to_string());
    set(out, "server.max-request-size", &MAX_REQUEST.to_string());
    list(out, "server.upload-dirs", [quoted(WRITABLE[0])]);
    section(out, "How it works with the kernel");
    set(out, "server.event-handler", "\"linux-sysepoll\"");
    set(out, "server.network-backend", "\"sendfile\"");
    set(out, "server.stat-cache-engine", "\"simple\"");
    section(out, "A connection is accepted when its request is there, or after a second");
    set(out, "server.defer-accept", "1");
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn section(out: &mut String, why: &str) {
    let _ = write!(out, "\n# {why}.\n");
}

fn set(out: &mut String, key: &str, value: &str) {
    line(out, &format!("{key} = {value}"));
}

fn list(out: &mut String, key: &str, elements: impl IntoIterator<Item = String>) {
    line(out, &format!("{key} = ("));
    for element in elements {
        line(out, &format!("  {element},"));
    }
    line(out, ")");
}

fn pair(name: &str, value: &str) -> String {
    format!("{} => {}", quoted(name), quoted(value))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{Statements, tokens};

    fn text(listen: &[&str], modules: &[&str]) -> String {
        let listen: Vec<IpAddr> = listen.iter().map(|address| address.parse().unwrap()).collect();
        let modules = Modules::new(modules.iter().copied()).unwrap();
        let settings = Settings {
            listen: &listen,
            port: 80,
            modules: &modules,
            files: &["index.html", "x.tar.gz"],
            user: true,
        };
        settings.text()
    }

    #[test]
    fn it_is_what_lighttpd_reads() {
        let text =
            text(&["0.0.0.0"], &["deflate", "auth", "status", "ssi", "dirlisting", "accesslog"]);
        let tokens = tokens(&text).unwrap();
        let keys: Vec<_> =
            Statements::parse(&tokens).unwrap().assignments.into_iter().map(|a| a.key).collect();
        let mut sorted = keys.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), keys.len(), "a key is set twice");
        assert!(keys.contains(&"url.access-deny".into()) && keys.contains(&"ssi.exec".into()));
        assert!(text.ends_with("include \"/etc/lighttpd/user.conf\"\n"));
    }

    #[test]
    fn every_address_gets_a_socket() {
        let text = text(&["10.0.2.15", "fd00::1", "::"], &[]);
        for wanted in [
            "server.port = 80\nserver.bind = \"10.0.2.15\"\n",
            "$SERVER[\"socket\"] == \"[fd00::1]:80\" { }\n",
            "$SERVER[\"socket\"] == \"[::]:80\" { }\n",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn every_file_has_a_type() {
        let text = text(&["0.0.0.0"], &[]);
        assert!(text.contains("\".html\" => \"text/html; charset=utf-8\","));
        assert!(text.contains("\".gz\" => \"application/gzip\","));
        assert!(text.contains("\"\" => \"application/octet-stream\","));
    }
}
