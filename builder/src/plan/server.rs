//! The server's part of a plan.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::Result;
use host::Problem;
use lighttpd_static::{
    DOCUMENT_ROOT, Image, Kind, Modules, SERVER, Settings, TRUSTED_SERVER, UserConfig, WRITABLE,
};

use super::Network;
use crate::disk::site::{EntryKind, Site};
use crate::spec::{AccessLog, Project};
use crate::variant::Variant;

/// The server program of an appliance.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its path in the guest.
    pub path: &'static str,
    /// The TCP port.
    pub port: u16,
    /// What it is built with.
    pub modules: Modules,
    /// The user's part of its configuration.
    pub user_config: Option<UserConfig>,
    /// The text of its generated configuration.
    pub config: String,
}

pub(super) fn plan(
    project: &Project,
    variant: Variant,
    network: &Network,
    site: &Site,
) -> Result<Server> {
    let port = project.spec.server.port.0;
    let modules = modules(project)?;
    let user_config = user_config(project)?;
    if let Some(user) = &user_config {
        user.check(&modules, &Image::new(|path| look_up(site, path)))?;
    }
    let listen = listen(network);
    let files: Vec<String> = site
        .entries()
        .iter()
        .filter(|entry| entry.kind != EntryKind::Directory)
        .map(|entry| entry.path.to_string_lossy().into_owned())
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let settings = Settings {
        listen: &listen,
        port,
        modules: &modules,
        files: &files,
        user: user_config.is_some(),
    };
    let config = settings.text();
    let path = match variant {
        Variant::Default => SERVER,
        Variant::Kml => TRUSTED_SERVER,
    };
    Ok(Server { path, port, modules, user_config, config })
}

fn modules(project: &Project) -> Result<Modules> {
    let spec = &project.spec;
    let asked = spec.server.modules.iter().map(String::as_str);
    let log = (spec.log.access == AccessLog::Console).then_some("accesslog");
    Modules::new(asked.chain(log)).map_err(|error| match error.downcast::<Problem>() {
        Ok(problem) => {
            let hint = problem.hint.unwrap_or_default();
            project.refuse("server", "modules", &problem.what).hint(hint).into()
        }
        Err(error) => error,
    })
}

fn user_config(project: &Project) -> Result<Option<UserConfig>> {
    let Some(path) = &project.spec.server.config else { return Ok(None) };
    let file = project.path(path);
    if !file.is_file() {
        let what = format!("there is no file {}", file.display());
        return Err(project.refuse("server", "config", &what).into());
    }
    UserConfig::read(&file, &file.display().to_string()).map(Some)
}

/// Every address of the families that the appliance has one of: the loopback too,
/// where PID 1 asks whether the server is ready.
fn listen(network: &Network) -> Vec<IpAddr> {
    let v4 = network.has_ipv4().then_some(Ipv4Addr::UNSPECIFIED.into());
    let v6 = network.has_ipv6().then_some(Ipv6Addr::UNSPECIFIED.into());
    v4.into_iter().chain(v6).collect()
}

/// What the guest has at a path that a configuration can name.
fn look_up(site: &Site, path: &str) -> Option<Kind> {
    if WRITABLE.contains(&path) || path == DOCUMENT_ROOT {
        return Some(Kind::Directory);
    }
    let below = Path::new(path).strip_prefix(DOCUMENT_ROOT).ok()?;
    match entry(site, below)? {
        EntryKind::Directory => Some(Kind::Directory),
        EntryKind::File { .. } => Some(Kind::File),
        // A link leads to a place inside of the site; one step is followed.
        EntryKind::Link { target } => {
            let place = below.parent().unwrap_or(Path::new("")).join(target);
            let is_directory = *entry(site, &place)? == EntryKind::Directory;
            Some(if is_directory { Kind::Directory } else { Kind::File })
        }
    }
}

fn entry<'a>(site: &'a Site, path: &Path) -> Option<&'a EntryKind> {
    site.entries().iter().find(|entry| entry.path == path).map(|entry| &entry.kind)
}
