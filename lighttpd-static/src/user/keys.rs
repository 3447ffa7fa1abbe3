//! What keys of lighttpd's configuration mean for an appliance.

/// A key that the user's part cannot set, and what to do instead.
pub(super) struct Reserved {
    pub(super) key: &'static str,
    /// Whether it can be set inside of a condition.
    pub(super) in_conditions: bool,
    pub(super) instead: &'static str,
}

const fn reserved(key: &'static str, instead: &'static str) -> Reserved {
    Reserved { key, in_conditions: false, instead }
}

const NO_USERS: &str =
    "leave it out: the guest's kernel knows no users, and the server is all that it runs";
const LOG: &str = "leave it out: errors go to the console, and with log.access = \"console\" in appliance.toml requests do too";

/// Keys that follow from `appliance.toml` or from what the guest is. Those that
/// name logs could start a program besides (`"|program"`).
pub(super) const RESERVED: &[Reserved] = &[
    reserved("server.port", "set server.port in appliance.toml"),
    reserved("server.bind", "set network.addresses in appliance.toml"),
    reserved("server.use-ipv6", "set network.addresses in appliance.toml"),
    reserved("server.modules", "add the module to server.modules in appliance.toml"),
    Reserved {
        key: "server.document-root",
        in_conditions: true,
        instead: "set server.root in appliance.toml, or put it into a condition",
    },
    reserved(
        "server.upload-dirs",
        "leave it out: the only directories that can be written are in memory",
    ),
    reserved("server.pid-file", "leave it out: the guest starts and stops the server without it"),
    reserved("server.username", NO_USERS),
    reserved("server.groupname", NO_USERS),
    reserved("server.chroot", "leave it out: the guest holds nothing but the server and the site"),
    reserved("server.errorlog", LOG),
    reserved("server.breakagelog", LOG),
    reserved("server.errorlog-use-syslog", LOG),
    reserved("server.syslog-facility", LOG),
    reserved("accesslog.filename", LOG),
    reserved("accesslog.use-syslog", LOG),
    reserved("accesslog.syslog-level", LOG),
    reserved("server.core-files", "leave it out: the guest has nowhere to keep them"),
    reserved("server.systemd-socket-activation", "leave it out: the guest has no systemd"),
    reserved("server.compat-module-load", "add the modules to server.modules in appliance.toml"),
    reserved(
        "dir-listing.cache",
        "leave it out: the site does not change, the page cache holds it",
    ),
    reserved("ssi.exec", "leave it out: the guest has no program to run"),
];

/// How keys begin that only lighttpd's modules know which no appliance has, and
/// why.
pub(super) const UNAVAILABLE: &[(&str, &str)] = &[
    ("ssl.", "this server speaks no TLS; put a proxy that does in front of it"),
    ("cgi.", "the guest has no program to run; module proxy passes requests on to another machine"),
    (
        "fastcgi.",
        "the guest has no program to run; module proxy passes requests on to another machine",
    ),
    (
        "scgi.",
        "the guest has no program to run; module proxy passes requests on to another machine",
    ),
    ("ajp13.", "module proxy passes requests on to another machine"),
    ("sockproxy.", "module proxy passes requests on to another machine"),
    ("wstunnel.", "module proxy passes requests on to another machine"),
    ("userdir.", "the guest knows no users"),
    ("webdav.", "the site cannot be written"),
    ("rrdtool.", "the guest has no program to run"),
    ("magnet.", "this server has no Lua"),
    (
        "vhostdb.",
        "this server has no data base; modules evhost and simple_vhost find hosts by name",
    ),
    ("maxminddb.", "this server has no data base"),
    ("auth.backend.ldap.", "only files of passwords are built in"),
];

/// What a path in a key's value has to be, or what is there in place of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// A file of the image.
    File,
    /// A directory of the image.
    Directory,
    /// A file or a directory of the image.
    Any,
    /// A pattern; what comes before its first `%` is a directory of the image.
    Pattern,
    /// The beginning of file names, to which lighttpd adds `404.html`.
    Prefix,
    /// In a directory that can be written.
    Scratch,
    /// A file below the document root, named by its URL.
    Url,
    /// No paths: servers on other machines, by address.
    Backend,
}

/// The keys that name paths of the guest or other machines.
const PATHS: &[(&str, Path)] = &[
    ("server.document-root", Path::Directory),
    ("server.upload-dirs", Path::Scratch),
    ("server.errorfile-prefix", Path::Prefix),
    ("server.error-handler-404", Path::Url),
    ("server.error-handler", Path::Url),
    ("alias.url", Path::Any),
    ("auth.backend.htpasswd.userfile", Path::File),
    ("auth.backend.htdigest.userfile", Path::File),
    ("auth.backend.plain.userfile", Path::File),
    ("auth.backend.plain.groupfile", Path::File),
    ("evhost.path-pattern", Path::Pattern),
    ("simple-vhost.server-root", Path::Directory),
    ("deflate.cache-dir", Path::Scratch),
    ("compress.cache-dir", Path::Scratch),
    ("proxy.server", Path::Backend),
];

/// What the paths in a key's value have to be, if it names paths.
pub(crate) fn path_kind(key: &str) -> Option<Path> {
    PATHS.iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind)
}

/// Every key that is named here whole.
pub fn known_keys() -> impl Iterator<Item = &'static str> {
    RESERVED.iter().map(|reserved| reserved.key).chain(PATHS.iter().map(|(key, _)| *key))
}
