//! The paths that the user's part names, compared with what the image holds.

use std::net::IpAddr;

use anyhow::Result;
use host::Problem;

use super::{HIDDEN, PathKind, UserConfig, path_kind};
use crate::modules::Modules;
use crate::syntax::{Assignment, Token, What};
use crate::{DOCUMENT_ROOT, WRITABLE};

/// What a path of the image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

type LookUp<'a> = Box<dyn Fn(&str) -> Option<Kind> + 'a>;

/// What the guest will see, by absolute path without a slash at the end.
pub struct Image<'a> {
    look_up: LookUp<'a>,
}

impl<'a> Image<'a> {
    /// An image in which `look_up` finds what there is at a path.
    pub fn new(look_up: impl Fn(&str) -> Option<Kind> + 'a) -> Self {
        Self { look_up: Box::new(look_up) }
    }

    fn kind(&self, path: &str) -> Option<Kind> {
        let path = path.trim_end_matches('/');
        (self.look_up)(if path.is_empty() { "/" } else { path })
    }
}

pub(super) fn check(
    config: &UserConfig,
    assignments: &[Assignment],
    modules: &Modules,
    image: &Image,
) -> Result<()> {
    // Where a URL leads is then for lighttpd to say, request by request.
    let has_one_root = !assignments.iter().any(|a| a.key == "server.document-root")
        && !["alias", "evhost", "simple_vhost", "proxy", "rewrite", "redirect"]
            .iter()
            .any(|name| modules.has(name));
    for assignment in assignments {
        let Some(kind) = path_kind(&assignment.key) else { continue };
        if kind == PathKind::Url && !has_one_root {
            continue;
        }
        let Some(literals) = assignment.literals() else {
            let what = format!("the value of {} is computed", assignment.key);
            let hint = "write it as one string, so that it can be checked";
            return Err(config.problem(assignment.line, what).hint(hint).into());
        };
        if kind == PathKind::Backend {
            check_backend(config, assignment)?;
            continue;
        }
        for literal in literals.into_iter().filter(|token| token.what == What::String) {
            check_one(config, assignment, kind, literal, image)?;
        }
    }
    Ok(())
}

fn check_one(
    config: &UserConfig,
    assignment: &Assignment,
    kind: PathKind,
    token: &Token,
    image: &Image,
) -> Result<()> {
    let path = token.value();
    let at = |what: String| config.problem(token.line, what);
    let missing = |path: &str, what: &str| -> Problem {
        at(format!("{}: the image has no {what} {path}", assignment.key))
            .hint(format!("the site is in {DOCUMENT_ROOT}; name something that it holds"))
    };
    if !path.starts_with('/') {
        return Err(at(format!("{}: {path:?} is no absolute path", assignment.key)).into());
    }
    let is_there = |path: &str, wanted: Kind| image.kind(path) == Some(wanted);
    match kind {
        PathKind::File if !is_there(&path, Kind::File) => Err(missing(&path, "file").into()),
        PathKind::File => check_hidden(config, assignment, token, &path),
        PathKind::Directory if !is_there(&path, Kind::Directory) => {
            Err(missing(&path, "directory").into())
        }
        PathKind::Any if image.kind(&path).is_none() => {
            Err(missing(&path, "file or directory").into())
        }
        PathKind::Pattern => {
            let fixed = path.split('%').next().unwrap_or_default();
            let parent = fixed.rsplit_once('/').map_or("/", |(parent, _)| parent);
            let found = is_there(parent, Kind::Directory);
            if found { Ok(()) } else { Err(missing(parent, "directory").into()) }
        }
        PathKind::Prefix => {
            let found =
                (400..600).any(|status| is_there(&format!("{path}{status}.html"), Kind::File));
            let example = format!("{path}404.html");
            if found { Ok(()) } else { Err(missing(&example, "file such as").into()) }
        }
        PathKind::Url => {
            let url = path.split('?').next().unwrap_or_default();
            let file = format!("{DOCUMENT_ROOT}{url}");
            let found = image.kind(&file).is_some();
            if found { Ok(()) } else { Err(missing(&file, "file").into()) }
        }
        PathKind::Scratch if !is_writable(&path) => {
            Err(at(format!("{}: {path} cannot be written in the guest", assignment.key))
                .hint(format!("name a directory in {}", WRITABLE.join(" or ")))
                .into())
        }
        PathKind::Directory | PathKind::Any | PathKind::Scratch | PathKind::Backend => Ok(()),
    }
}

fn is_writable(path: &str) -> bool {
    !path.split('/').any(|part| part == "..")
        && WRITABLE.iter().any(|root| {
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// The build host would look up a name, and the server does so once, when it
/// starts; what is on the guest itself is nobody's to answer.
fn check_backend(config: &UserConfig, assignment: &Assignment) -> Result<()> {
    for element in assignment.value.windows(3).filter(|three| three[1].text == "=>") {
        let at =
            |what: &str| config.problem(element[0].line, format!("{}: {what}", assignment.key));
        let value = element[2].value();
        match element[0].value().as_str() {
            "host" if value.parse::<IpAddr>().is_err() => {
                let what = format!("the host {value:?} is no address");
                return Err(at(&what).hint("name the machine by its IPv4 or IPv6 address").into());
            }
            "socket" | "bin-path" => {
                return Err(at("the guest runs no other program to talk to")
                    .hint("name a machine by \"host\" and \"port\"")
                    .into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// A file of passwords in the site must have a name that is never served.
fn check_hidden(
    config: &UserConfig,
    assignment: &Assignment,
    token: &Token,
    path: &str,
) -> Result<()> {
    let is_served = path.strip_prefix(DOCUMENT_ROOT).is_some_and(|rest| rest.starts_with('/'));
    if !is_served || HIDDEN.iter().any(|end| path.ends_with(end)) {
        return Ok(());
    }
    let what =
        format!("{}: everybody could read {path}, which is part of the site", assignment.key);
    let hint =
        format!("give it a name that ends with {}, which is never served", HIDDEN.join(", "));
    Err(config.problem(token.line, what).hint(hint).into())
}

#[cfg(test)]
mod tests {
    use super::super::tests::problem;
    use super::*;

    fn image(path: &str) -> Option<Kind> {
        match path {
            "/" | "/srv" | "/srv/a" | "/srv/errors" => Some(Kind::Directory),
            "/srv/404.html" | "/srv/errors/403.html" | "/srv/a/.htpasswd" | "/srv/users" => {
                Some(Kind::File)
            }
            _ => None,
        }
    }

    fn verdict(text: &str) -> Result<()> {
        let modules = Modules::new(["alias", "auth", "evhost", "deflate", "simple_vhost"]).unwrap();
        UserConfig::new("c", text.into()).unwrap().check(&modules, &Image::new(image))
    }

    #[test]
    fn paths_that_the_image_has_pass() {
        for text in [
            "$HTTP[\"host\"] == \"a\" { server.document-root = \"/srv/a/\" }",
            "alias.url = ( \"/not/there\" => \"/srv/a/\", \"/e\" => \"/srv/404.html\" )",
            "auth.backend.htpasswd.userfile = \"/srv/a/.htpasswd\"",
            "server.errorfile-prefix = \"/srv/errors/\"",
            "evhost.path-pattern = \"/srv/%0/\"",
            "deflate.cache-dir = \"/tmp/deflate\"",
        ] {
            verdict(text).unwrap();
        }
    }

    #[test]
    fn paths_that_it_has_not_are_refused() {
        for (text, said) in [
            (
                "$HTTP[\"host\"] == \"a\" { server.document-root = \"/srv/404.html\" }",
                "c:1: server.document-root: the image has no directory /srv/404.html",
            ),
            (
                "alias.url = ( \"/x\" =>\n \"/x\" )",
                "c:2: alias.url: the image has no file or directory /x",
            ),
            ("alias.url = ( \"/x\" => var.CWD )", "c:1: the value of alias.url is computed"),
            ("alias.url = ( \"/x\" => \"srv\" )", "c:1: alias.url: \"srv\" is no absolute path"),
            (
                "auth.backend.plain.userfile = \"/etc/passwd\"",
                "c:1: auth.backend.plain.userfile: the image has no file /etc/passwd",
            ),
            (
                "auth.backend.plain.userfile = \"/srv/users\"",
                "c:1: auth.backend.plain.userfile: everybody could read /srv/users, which is part of the site",
            ),
            (
                "server.errorfile-prefix = \"/srv/e-\"",
                "c:1: server.errorfile-prefix: the image has no file such as /srv/e-404.html",
            ),
            (
                "evhost.path-pattern = \"/www/%0\"",
                "c:1: evhost.path-pattern: the image has no directory /www",
            ),
            (
                "deflate.cache-dir = \"/srv/z\"",
                "c:1: deflate.cache-dir: /srv/z cannot be written in the guest",
            ),
            (
                "deflate.cache-dir = \"/tmp/../x\"",
                "c:1: deflate.cache-dir: /tmp/../x cannot be written in the guest",
            ),
        ] {
            assert_eq!(problem(&verdict(text).unwrap_err()).0, said);
        }
    }

    #[test]
    fn backends_are_addresses_of_other_machines() {
        let modules = Modules::new(["proxy"]).unwrap();
        let check = |element: &str| {
            let text = format!("proxy.server = ( \"\" => ( ( {element}, \"port\" => 80 ) ) )");
            UserConfig::new("c", text.into()).unwrap().check(&modules, &Image::new(image))
        };
        check("\"host\" => \"192.0.2.1\"").unwrap();
        check("\"host\" => \"2001:db8::1\"").unwrap();
        for (element, said) in [
            (
                "\"host\" => \"backend.test\"",
                "c:1: proxy.server: the host \"backend.test\" is no address",
            ),
            ("\"host\" => name", "c:1: the value of proxy.server is computed"),
            (
                "\"socket\" => \"/run/x\"",
                "c:1: proxy.server: the guest runs no other program to talk to",
            ),
        ] {
            assert_eq!(problem(&check(element).unwrap_err()).0, said);
        }
    }

    #[test]
    fn an_error_page_must_be_there_where_that_can_be_told() {
        let check = |text: &str, modules: &[&str]| {
            let modules = Modules::new(modules.iter().copied()).unwrap();
            UserConfig::new("c", text.into()).unwrap().check(&modules, &Image::new(image))
        };
        check("server.error-handler-404 = \"/404.html?x\"", &[]).unwrap();
        check("server.error-handler-404 = \"/no.html\"", &["alias"]).unwrap();
        let error = check("server.error-handler-404 = \"/no.html\"", &[]).unwrap_err();
        assert_eq!(
            problem(&error).0,
            "c:1: server.error-handler-404: the image has no file /srv/no.html"
        );
    }
}
