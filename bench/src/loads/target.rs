//! What is loaded.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, Result};
use host::refused;
use qemu::Guest;

use crate::Subject;

/// A server, and what it has to answer.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is reached.
    pub address: SocketAddr,
    /// What its requests name as its host.
    pub host: String,
    /// The path that the loads ask for which ask but for one.
    pub page: String,
    /// Its paths, as they stand in a request, with what has to come.
    pub files: BTreeMap<String, Expected>,
}

/// What an answer has to be.
#[derive(Clone, Debug)]
pub enum Expected {
    /// This file of the host.
    File(PathBuf),
    /// Whatever the first answer was.
    First,
}

impl Target {
    /// A guest of the subject. Its page is `/` if there is an `index.html`, or else
    /// its first file.
    ///
    /// # Errors
    /// When the subject serves no file.
    pub fn of(subject: &Subject, guest: &Guest) -> Result<Self> {
        let file =
            |(path, content): (&String, &PathBuf)| (path.clone(), Expected::File(content.clone()));
        let mut files: BTreeMap<_, _> = subject.site.iter().map(file).collect();
        if let Some(index) = files.get("/index.html").cloned() {
            files.insert("/".to_owned(), index);
        }
        let page = files.keys().next().context("a subject without a file")?.clone();
        Ok(Self {
            address: guest.forwarded().unwrap_or(subject.address),
            host: subject.address.to_string(),
            page,
            files,
        })
    }

    /// A server that runs already, at `http://HOST[:PORT][/PATH]`. Nothing is known
    /// of its files: each later answer is compared with the first one.
    ///
    /// # Errors
    /// Refused when this is no such URL or its host is not found.
    pub fn at(url: &str) -> Result<Self> {
        let refuse = |why: &str| {
            refused(format!("`{url}` {why}")).hint("give a URL such as http://192.0.2.1:8080/page")
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        if scheme.eq_ignore_ascii_case("https") {
            return Err(refuse("asks for TLS, which would measure its cipher: only http")
                .hint("give the address of the same server without TLS")
                .into());
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(refuse("is no URL that begins with http://").into());
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        if host.is_empty() || host.contains('@') {
            return Err(refuse("names no host, or a user").into());
        }
        if path.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(refuse("has characters that have to be written as %XX").into());
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
        let address = with_port.to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = address.ok_or_else(|| refuse("names a host that is not found"))?;
        let page = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let files = [(page.clone(), Expected::First)].into();
        Ok(Self { address, host: host.to_owned(), page, files })
    }

    /// The request for a path.
    pub(super) fn request(&self, path: &str) -> Vec<u8> {
        let host = &self.host;
        let agent = "User-Agent: appliance-bench";
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{agent}\r\n\r\n").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::at("http://127.0.0.1").unwrap();
        assert_eq!(target.address, "127.0.0.1:80".parse().unwrap());
        assert_eq!((target.host.as_str(), target.page.as_str()), ("127.0.0.1", "/"));
        let target = Target::at("HTTP://[::1]:8080/a?b#c").unwrap();
        assert_eq!(target.address, "[::1]:8080".parse().unwrap());
        assert_eq!((target.host.as_str(), target.page.as_str()), ("[::1]:8080", "/a?b"));
        assert_eq!(Target::at("http://[::1]?x").unwrap().page, "/?x");
    }

    #[test]
    fn what_is_no_url_of_ours_is_refused() {
        for (url, why) in [
            ("https://127.0.0.1/", "only http"),
            ("127.0.0.1", "begins with http://"),
            ("http:///x", "no host"),
            ("http://me@127.0.0.1/", "a user"),
            ("http://127.0.0.1/a b", "%XX"),
            ("http://127.0.0.1:99999/", "not found"),
        ] {
            let error = Target::at(url).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
