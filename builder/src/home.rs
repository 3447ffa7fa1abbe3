//! The repository, whose fragments, patches and sources a build reads.

use std::path::{Path, PathBuf};

/// Set by the launcher to the repository's directory.
const HOME_VARIABLE: &str = "APPLIANCE_HOME";
/// Where the cache is, if not below the user's cache directory.
const CACHE_VARIABLE: &str = "APPLIANCE_CACHE";

/// Set by the launcher to the name that the user called it by.
const COMMAND_VARIABLE: &str = "APPLIANCE_COMMAND";

/// What the user types to call this program.
pub fn command_name() -> String {
    std::env::var(COMMAND_VARIABLE).unwrap_or_else(|_| "appliance".into())
}

/// The repository: what the launcher says, else where this program was built.
pub fn repository() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os(HOME_VARIABLE).map_or_else(built, PathBuf::from)
}

/// The cache: `$APPLIANCE_CACHE`, or `appliance` below the user's cache directory
/// (XDG Base Directory Specification), or below the repository for a user
/// without a home.
pub fn cache() -> PathBuf {
    let variable =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    variable(CACHE_VARIABLE)
        .or_else(|| variable("XDG_CACHE_HOME").map(|dir| dir.join("appliance")))
        .or_else(|| variable("HOME").map(|dir| dir.join(".cache/appliance")))
        .unwrap_or_else(|| repository().join("build/cache"))
}
