//! The report: one page, and the same as JSON, CSV and Markdown, each made from
//! [`Report`] alone.

mod csv;
mod document;
mod escape;
mod html;
mod markdown;
pub(crate) mod number;
mod outline;
pub mod profile;
pub mod quick;
mod sections;
mod svg;
pub mod thesis;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::data::{LAYOUT, Report};

/// The names of the files that [`write()`] makes.
pub const FILES: [&str; 4] = ["index.html", "report.json", "report.csv", "report.md"];

/// The page: self-contained, without a script.
pub fn html(report: &Report) -> String {
    html::page(&outline::outline(report))
}

/// The report as Markdown, without the plots.
pub fn markdown(report: &Report) -> String {
    markdown::text(&outline::outline(report))
}

/// Every figure in long format: subject, group, name, unit, value.
pub fn csv(report: &Report) -> String {
    csv::text(report)
}

/// The data as [`read()`] takes them.
///
/// # Errors
/// When a figure is no number: JSON has no way to say that.
pub fn json(report: &Report) -> Result<String> {
    let text = serde_json::to_string_pretty(report).context("writing the report as JSON")?;
    // An infinite figure is written as null, which no figure can be read from.
    parse(&text).context("reading back the report that was to be written")?;
    Ok(text + "\n")
}

/// Writes [`FILES`] into a directory that is made for them or holds an older report,
/// all or none.
///
/// # Errors
/// When something cannot be written, or the directory holds anything else.
pub fn write(report: &Report, dir: &Path) -> Result<()> {
    write_files(
        dir,
        FILES
            .into_iter()
            .zip([html(report), json(report)?, csv(report), markdown(report)])
            .collect(),
    )
}

/// Writes files into a directory that is made for them or holds older ones of the same
/// names and nothing else, all or none.
fn write_files(dir: &Path, files: Vec<(&str, String)>) -> Result<()> {
    refuse_other_files(dir, &files)?;
    let staged = host::StagedDir::new(dir)?;
    for (name, text) in files {
        let path = staged.path().join(name);
        fs::write(&path, text).map_err(|error| host::explain_io(error, &path))?;
    }
    staged.commit()
}

/// The directory is replaced as a whole, so it may hold nothing but a report.
fn refuse_other_files(dir: &Path, files: &[(&str, String)]) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    for entry in entries {
        let name = entry.with_context(|| format!("reading {}", dir.display()))?.file_name();
        if !files.iter().any(|(file, _)| name == *file) {
            let what = format!("{} holds {:?}, which is no part of a report", dir.display(), name);
            return Err(host::refused(what)
                .hint("name a directory that does not exist yet, or that holds only a report")
                .into());
        }
    }
    Ok(())
}

/// Reads `report.json` back.
///
/// # Errors
/// When it cannot be read, is no report, or is one of another layout.
pub fn read(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("reading {}", path.display()))
}

fn parse(text: &str) -> Result<Report> {
    #[derive(Deserialize)]
    struct Version {
        layout: u32,
    }
    let no_report = |error: serde_json::Error| {
        host::refused(format!("it is no report: {error}"))
            .hint("name a `report.json` that `appliance bench` wrote")
    };
    let Version { layout } = serde_json::from_str(text).map_err(no_report)?;
    if layout != LAYOUT {
        return Err(host::refused(format!(
            "its layout is {layout}, and this command knows {LAYOUT}"
        ))
        .hint("measure again with this command, or use the one that wrote it")
        .into());
    }
    Ok(serde_json::from_str(text).map_err(no_report)?)
}
