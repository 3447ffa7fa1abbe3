//! A list of pages: a path or a URL of the appliance on each line. Empty lines and those
//! that begin with `#` are passed over.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Problem, nearest, refused};

use crate::manifest::Manifest;

/// The names and addresses under which an appliance serves.
pub(super) struct Hosts {
    /// In lower case.
    names: Vec<String>,
    port: u16,
}

impl Hosts {
    /// Those of a build.
    pub(super) fn of(manifest: &Manifest) -> Self {
        let network = &manifest.network;
        let addresses = network.addresses.iter().filter_map(|net| net.split('/').next());
        let addresses = addresses.map(|address| match address.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => address.to_owned(),
        });
        let names = [network.hostname.to_lowercase()].into_iter().chain(addresses).collect();
        Self { names, port: manifest.server.port }
    }

    /// Whether the part of a URL between `http://` and the path names the appliance.
    fn contain(&self, authority: &str) -> bool {
        let port = |(host, port): (&str, &str)| Some((host.to_owned(), port.parse().ok()?));
        let with_port = authority.rsplit_once(':').and_then(port);
        let (host, port) = with_port.unwrap_or_else(|| (authority.to_owned(), 80));
        port == self.port && self.names.contains(&host.to_lowercase())
    }
}

/// Reads a list: every page as it stands in a request, with its file, in the order of the
/// list. `site` has the files of the appliance by their paths in a URL.
///
/// # Errors
/// Refused when the file cannot be read as text, lists nothing, or names another host or
/// a page that the appliance does not have.
pub(super) fn read(
    file: &Path,
    hosts: &Hosts,
    site: &BTreeMap<String, PathBuf>,
) -> Result<Vec<(String, PathBuf)>> {
    let bytes = fs::read(file)
        .map_err(|error| refused(format!("reading {}: {error}", file.display())))
        .map_err(|problem| problem.hint("name a file with a path or a URL on each line"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| refused(format!("{} is no text in UTF-8", file.display())))?;
    let mut pages = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = || format!("{}, line {number}", file.display());
        let page = path(line, hosts).with_context(place)?;
        let content = content(page, site).with_context(place)?;
        pages.push((page.to_owned(), content.clone()));
    }
    if pages.is_empty() {
        return Err(refused(format!("{} lists no page", file.display()))
            .hint("write a path such as /index.html on each line")
            .into());
    }
    Ok(pages)
}

/// The path that a line asks for.
fn path<'a>(line: &'a str, hosts: &Hosts) -> Result<&'a str, Problem> {
    let line = line.split('#').next().unwrap_or_default();
    let path = match line.split_once("://") {
        None => line,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            if !hosts.contain(authority) {
                let names = hosts.names.join(", ");
                return Err(refused(format!("`{line}` is on another host than the appliance"))
                    .hint(format!("it serves as {names}, at port {}", hosts.port)));
            }
            if path.is_empty() { "/" } else { path }
        }
        Some(_) => {
            return Err(refused(format!("`{line}` is no URL that begins with http://")));
        }
    };
    if !path.starts_with('/') {
        return Err(refused(format!("`{line}` is neither a URL nor a path"))
            .hint("a path begins with a slash, a URL with http://"));
    }
    if path.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(refused(format!("`{line}` has characters that have to be written as %XX")));
    }
    Ok(path)
}

/// The file that a page is made of: its own, or the index of a folder.
fn content<'a>(page: &str, site: &'a BTreeMap<String, PathBuf>) -> Result<&'a PathBuf, Problem> {
    let path = page.split('?').next().unwrap_or_default();
    let index = || path.ends_with('/').then(|| site.get(&format!("{path}index.html"))).flatten();
    site.get(path).or_else(index).ok_or_else(|| {
        let problem = refused(format!("the appliance has no page {path}"));
        match nearest(path, site.keys().map(String::as_str)) {
            Some(near) => problem.hint(format!("did you mean {near}?")),
            None => problem.hint("`appliance inspect` shows its pages"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> Result<Vec<(String, PathBuf)>> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("pages");
        fs::write(&file, text)?;
        let names = ["hello", "10.0.0.2", "[fd00::2]"].map(str::to_owned).to_vec();
        let page = |path: &str| (path.to_owned(), PathBuf::from(format!("/site{path}")));
        let site = ["/index.html", "/a%20b/index.html", "/style.css"].map(page).into();
        read(&file, &Hosts { names, port: 8080 }, &site)
    }

    #[test]
    fn paths_and_urls_are_pages() {
        let list =
            b"# pages\n\n/style.css\r\n  http://10.0.0.2:8080\nHTTP://Hello:8080/style.css?v=1#x\n\
                     http://[fd00::2]:8080/a%20b/\n/style.css";
        let pages = read_text(list).unwrap();
        let paths: Vec<&str> = pages.iter().map(|(page, _)| page.as_str()).collect();
        assert_eq!(paths, ["/style.css", "/", "/style.css?v=1", "/a%20b/", "/style.css"]);
        assert_eq!(pages[1].1, PathBuf::from("/site/index.html"));
        assert_eq!(pages[2].1, PathBuf::from("/site/style.css"));
        assert_eq!(pages[3].1, PathBuf::from("/site/a%20b/index.html"));
    }

    #[test]
    fn what_is_no_page_of_the_appliance_is_refused() {
        let cases: [(&[u8], &str); 10] = [
            (b"", "lists no page"),
            (b"# nothing\n\n", "lists no page"),
            (b"\n/style.cs", "line 2: the appliance has no page /style.cs"),
            (b"http://192.0.2.1:8080/", "line 1: `http://192.0.2.1:8080/` is on another host"),
            (b"http://10.0.0.2/", "another host"),
            (b"http://me@10.0.0.2:8080/", "another host"),
            (b"https://10.0.0.2:8080/", "no URL that begins with http://"),
            (b"style.css", "neither a URL nor a path"),
            (b"/a b/", "%XX"),
            (b"\xff", "no text in UTF-8"),
        ];
        for (list, why) in cases {
            let error = read_text(list).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
            let problem = error.downcast_ref::<Problem>().unwrap();
            assert_eq!(problem.kind, host::Kind::Refused);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let hosts = Hosts { names: Vec::new(), port: 80 };
        let error = read(Path::new("/"), &hosts, &BTreeMap::new()).unwrap_err();
        assert_eq!(error.downcast_ref::<Problem>().unwrap().kind, host::Kind::Refused);
    }
}
