//! `appliance new`: a first project, which is `examples/hello` under a new name.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use host::{StagedDir, refused};

use crate::home;
use crate::report::say;
use crate::spec::Hostname;

/// The files of a new project by path.
const FILES: &[(&str, &str)] = &[
    ("appliance.toml", include_str!("../../examples/hello/appliance.toml")),
    ("site/index.html", include_str!("../../examples/hello/site/index.html")),
    ("site/style.css", include_str!("../../examples/hello/site/style.css")),
];

/// Carries out `appliance new` and says what comes next.
///
/// # Errors
/// As [`create`].
pub fn command(dir: &Path) -> Result<ExitCode> {
    create(dir)?;
    let dir = dir.display();
    say!("made {dir}/appliance.toml and a sample site in {dir}/site");
    say!("build it with:    {} build {dir}", home::command_name());
    Ok(ExitCode::SUCCESS)
}

/// Makes a project in `dir`, which must be empty or not there.
///
/// # Errors
/// Refused when `dir` holds something or its name cannot name an appliance.
pub fn create(dir: &Path) -> Result<()> {
    let occupied = dir.symlink_metadata().is_ok()
        && !dir.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if occupied {
        return Err(refused(format!("{} exists and is not an empty directory", dir.display()))
            .hint("name a new directory")
            .into());
    }
    let name = name_of(dir)?;
    let staged = StagedDir::new(dir)?;
    for (path, text) in FILES {
        let path = staged.path().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        let text = text.replace("\"hello\"", &format!("\"{name}\""));
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    staged.commit()
}

fn name_of(dir: &Path) -> Result<Hostname> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    name.parse().map_err(|error| {
        refused(format!("the directory's name becomes the appliance's, but {error}")).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;

    #[test]
    fn a_new_project_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("shop");
        create(&project).unwrap();
        let project = spec::load(&project).unwrap();
        assert_eq!(project.spec.name.as_str(), "shop");
        assert!(project.path(&project.spec.server.root).join("index.html").is_file());
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(create(dir.path()).unwrap_err().to_string().contains("not an empty directory"));
    }
}
