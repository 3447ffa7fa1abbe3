//! The modules that a server can be built with.
//!
//! lighttpd has more: those that start programs (cgi, fastcgi, scgi, rrdtool) or
//! know users (userdir) have nothing to work with in a guest that holds a kernel
//! and one server, those that write (webdav) have nowhere to, and those that need
//! a data base, a script language or TLS would need a library more.

use std::collections::BTreeSet;

use anyhow::Result;
use host::{nearest, refused};

use crate::Library;

/// A module by the name that `server.modules` of `appliance.toml` knows.
#[derive(Debug)]
pub struct Module {
    /// Its name: lighttpd's without `mod_`.
    pub name: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    /// How the keys of its configuration begin.
    pub keys: &'static [&'static str],
    /// lighttpd's modules that it consists of.
    plugins: &'static [&'static str],
    /// The library that it needs.
    library: Option<Library>,
    /// Whether every server has it.
    always: bool,
}

const fn module(
    name: &'static str,
    plugins: &'static [&'static str],
    keys: &'static [&'static str],
    doc: &'static str,
) -> Module {
    Module { name, doc, keys, plugins, library: None, always: false }
}

impl Module {
    const fn needs(mut self, library: Library) -> Self {
        self.library = Some(library);
        self
    }

    const fn always(mut self) -> Self {
        self.always = true;
        self
    }
}

/// All modules, in the order in which lighttpd has to call them: what changes or
/// gates a request before what answers it (doc/config/modules.conf of lighttpd),
/// mod_indexfile before mod_staticfile, and the log last.
pub const MODULES: &[Module] = &[
    module(
        "extforward",
        &["mod_extforward"],
        &["extforward."],
        "takes the client's address from a trusted proxy's header",
    ),
    module(
        "rewrite",
        &["mod_rewrite"],
        &["url.rewrite"],
        "answers a URL with the content of another, by regular expressions",
    )
    .needs(Library::Pcre2),
    module(
        "access",
        &["mod_access"],
        &["url.access-"],
        "refuses or allows URLs by the end of their names",
    ),
    module(
        "auth",
        &["mod_auth", "mod_authn_file"],
        &["auth."],
        "asks for a password that a file of the site knows",
    ),
    module(
        "redirect",
        &["mod_redirect"],
        &["url.redirect"],
        "sends clients to another URL, by regular expressions",
    )
    .needs(Library::Pcre2),
    module(
        "setenv",
        &["mod_setenv"],
        &["setenv."],
        "adds or sets headers of requests and responses",
    ),
    module("alias", &["mod_alias"], &["alias."], "serves a directory under another URL"),
    module(
        "evhost",
        &["mod_evhost"],
        &["evhost."],
        "finds the directory of a host name by a pattern",
    ),
    module(
        "simple_vhost",
        &["mod_simple_vhost"],
        &["simple-vhost."],
        "serves each host name from the directory of that name",
    ),
    module("expire", &["mod_expire"], &["expire."], "tells clients how long to keep what they got"),
    module(
        "deflate",
        &["mod_deflate"],
        &["deflate.", "compress."],
        "compresses text for clients that accept it",
    )
    .needs(Library::Zlib),
    module(
        "status",
        &["mod_status"],
        &["status."],
        "shows the server's state under /server-status, to everybody",
    ),
    module(
        "indexfile",
        &["mod_indexfile"],
        &["index-file.", "server.indexfiles"],
        "answers for a directory with its index.html",
    )
    .always(),
    module(
        "ssi",
        &["mod_ssi"],
        &["ssi."],
        "fills in server-side includes in .shtml files, without running programs",
    ),
    module("proxy", &["mod_proxy"], &["proxy."], "passes requests on to another HTTP server"),
    module(
        "dirlisting",
        &["mod_dirlisting"],
        DIR_LISTING,
        "lists a directory that has no index file",
    ),
    module("staticfile", &["mod_staticfile"], &["static-file."], "serves files").always(),
    module(
        "accesslog",
        &["mod_accesslog"],
        &["accesslog."],
        "writes a line for each request to the console, every four seconds",
    ),
];

/// Written out, since lighttpd says nothing of unknown keys that begin so.
const DIR_LISTING: &[&str] = &[
    "dir-listing.activate",
    "dir-listing.auto-layout",
    "dir-listing.cache",
    "dir-listing.encode-header",
    "dir-listing.encode-readme",
    "dir-listing.encoding",
    "dir-listing.exclude",
    "dir-listing.external-css",
    "dir-listing.external-js",
    "dir-listing.hide-dotfiles",
    "dir-listing.hide-header-file",
    "dir-listing.hide-readme-file",
    "dir-listing.set-footer",
    "dir-listing.show-header",
    "dir-listing.show-readme",
    "server.dir-listing",
];

/// The modules of one server, in the order of [`MODULES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modules(BTreeSet<usize>);

impl Modules {
    /// The modules that every server has and those named.
    ///
    /// # Errors
    /// Refused when there is no module of a name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut chosen: BTreeSet<usize> =
            (0..MODULES.len()).filter(|index| MODULES[*index].always).collect();
        for name in names {
            let index = MODULES.iter().position(|module| module.name == name);
            chosen.insert(index.ok_or_else(|| unknown(name))?);
        }
        let mut modules = Self(chosen);
        if modules.has("auth") {
            // Passwords lie in files of the site, which must not be served.
            modules.0.extend(MODULES.iter().position(|module| module.name == "access"));
        }
        Ok(modules)
    }

    /// Whether the module of this name is among them.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|module| module.name == name)
    }

    /// The modules, in the order in which lighttpd calls them.
    pub fn iter(&self) -> impl Iterator<Item = &'static Module> {
        self.0.iter().map(|index| &MODULES[*index])
    }

    /// The names that lighttpd knows them by, in that order.
    pub fn plugins(&self) -> impl Iterator<Item = &'static str> {
        self.iter().flat_map(|module| module.plugins.iter().copied())
    }

    /// The libraries that they need.
    pub fn libraries(&self) -> BTreeSet<Library> {
        self.iter().filter_map(|module| module.library).collect()
    }
}

/// The module whose configuration a key belongs to.
pub(crate) fn owner_of(key: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.keys.iter().any(|start| key.starts_with(start)))
}

/// What is like a key of a module's that does not exist and that lighttpd would
/// ignore in silence.
pub(crate) fn ignored(key: &str) -> Option<&'static str> {
    let is_ignored = key.starts_with("dir-listing.") && !DIR_LISTING.contains(&key);
    is_ignored.then(|| nearest(key, DIR_LISTING.iter().copied()).unwrap_or(DIR_LISTING[0]))
}

fn unknown(name: &str) -> anyhow::Error {
    let names = || MODULES.iter().map(|module| module.name);
    let bare = name.strip_prefix("mod_").unwrap_or(name);
    let mut hint = String::new();
    if let Some(near) = nearest(bare, names()) {
        hint = format!("did you mean \"{near}\"? ");
    }
    let mut all: Vec<&str> = names().collect();
    all.sort_unstable();
    hint.push_str(&format!("the modules are {}", all.join(", ")));
    refused(format!("there is no module \"{name}\"")).hint(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_the_tables_whatever_the_users() {
        let modules = Modules::new(["accesslog", "redirect", "rewrite"]).unwrap();
        let plugins: Vec<_> = modules.plugins().collect();
        assert_eq!(
            plugins,
            ["mod_rewrite", "mod_redirect", "mod_indexfile", "mod_staticfile", "mod_accesslog"]
        );
        assert_eq!(modules.libraries(), [Library::Pcre2].into());
    }

    #[test]
    fn passwords_bring_the_module_that_hides_them() {
        assert!(Modules::new(["auth"]).unwrap().has("access"));
        assert!(!Modules::new([]).unwrap().has("access"));
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let error = Modules::new(["mod_redirekt"]).unwrap_err();
        let problem = error.downcast_ref::<host::Problem>().unwrap();
        assert_eq!(problem.what, "there is no module \"mod_redirekt\"");
        let hint = problem.hint.as_ref().unwrap();
        assert!(hint.starts_with("did you mean \"redirect\"? the modules are access, "), "{hint}");
    }

    #[test]
    fn keys_have_one_owner() {
        for (index, module) in MODULES.iter().enumerate() {
            for key in module.keys {
                let owner = owner_of(key).unwrap();
                assert_eq!(owner.name, MODULES[index].name, "{key}");
            }
        }
        assert!(owner_of("server.tag").is_none());
    }
}
