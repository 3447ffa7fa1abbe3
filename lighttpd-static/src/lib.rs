//! The static web server: its recipe, its modules and its configuration.
//!
//! [`recipe`] builds musl, the optional libraries and lighttpd. [`Modules`] are
//! what a server consists of beyond its core. [`Settings`] become the configuration
//! file, [`UserConfig`] is what the user adds to it, and [`check`] lets the built
//! server itself judge both.

mod check;
mod config;
mod modules;
pub mod recipe;
mod syntax;
mod user;

use std::collections::BTreeSet;

pub use check::check;
pub use config::{INDEX_FILES, Settings, content_type};
pub use modules::{MODULES, Module, Modules};
pub use recipe::Library;
pub use user::{Image, Kind, UserConfig, known_keys};

/// The server in the guest.
pub const SERVER: &str = "/sbin/lighttpd";
/// The server in a guest whose kernel runs it in ring 0.
pub const TRUSTED_SERVER: &str = "/trusted/lighttpd";
/// Its generated configuration in the guest.
pub const CONFIG: &str = "/etc/lighttpd/lighttpd.conf";
/// The user's part of the configuration in the guest.
pub const USER_CONFIG: &str = "/etc/lighttpd/user.conf";
/// Where the guest has the site.
pub const DOCUMENT_ROOT: &str = "/srv";
/// The server's arguments: in the foreground, errors to standard error.
pub const ARGUMENTS: &[&str] = &["-D", "-f", CONFIG];
/// The directories of the guest that can be written; they are kept in memory.
pub const WRITABLE: &[&str] = &["/tmp", "/run"];
/// Where the guest's access log goes.
const CONSOLE: &str = "/dev/console";

/// The libraries that the server needs for its modules and for the user's part
/// of the configuration.
pub fn libraries(modules: &Modules, user: Option<&UserConfig>) -> BTreeSet<Library> {
    let mut libraries = modules.libraries();
    if user.is_some_and(UserConfig::has_expressions) {
        libraries.insert(Library::Pcre2);
    }
    libraries
}
