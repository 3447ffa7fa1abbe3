//! `appliance lint`: what ESXi, vCenter, Workstation, Fusion and VirtualBox would
//! refuse or complain about in an OVA, an OVF or a VMDK, whoever made it.
//!
//! The file may be damaged or hostile. What is wrong with it ends in a finding; only
//! what cannot be read from the host at all is an error. Every byte is read a fixed
//! number of times, every compressed grain is decompressed once, and what is kept
//! of a file is bounded.

mod archive;
mod finding;
mod input;
mod manifest;
mod ovf;
mod text;
mod vmdk;
mod xml;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use host::refused;
use serde::Serialize;

use crate::report::{self, say};
use archive::{Archive, has_extension};
pub use finding::{Finding, Product, Rule, Severity, Source};
use finding::{Findings, Place};
use input::{Directory, len, read_at};
pub use input::{Input, Package};
use ovf::{Document, FileRef};

/// What lint says about a file.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Whether there is no error among the findings.
    pub passed: bool,
    /// What was found.
    pub findings: Vec<Finding>,
    /// How many more findings there are of a rule than are listed.
    pub more: std::collections::BTreeMap<&'static str, u64>,
}

/// Carries out `appliance lint`: ends with 1 if there is an error in the file.
///
/// # Errors
/// Refused when there is no such file, or it is none of those that lint knows.
pub fn command(file: Option<&Path>, list_rules: bool, json: bool) -> Result<ExitCode> {
    let Some(path) = file.filter(|_| !list_rules) else {
        let rules: Vec<_> = rules().collect();
        let text = if json { serde_json::to_string_pretty(&rules)? } else { text::table(&rules) };
        say!("{text}");
        return Ok(ExitCode::SUCCESS);
    };
    if !path.is_file() {
        return Err(refused(format!("{} is no file", path.display()))
            .hint("name an .ova, .ovf or .vmdk")
            .into());
    }
    let name = path.file_name().and_then(|name| name.to_str()).with_context(|| {
        refused(format!("the name {} is no UTF-8", path.display())).hint("rename the file")
    })?;
    let parent = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let report = lint(&mut Directory(parent), name)
        .with_context(|| format!("reading {}", path.display()))?;
    if json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report::print(&text::render(&report));
    }
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every rule, in the order of the groups.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let package = [archive::RULES, manifest::RULES, xml::RULES].into_iter().flatten().copied();
    package.chain(ovf::rules()).chain(vmdk::rules())
}

/// What a file is taken for.
enum Kind {
    Archive,
    Descriptor,
    Disk,
}

/// Checks the file `name` of a package, with those that it refers to.
///
/// # Errors
/// When the file is of no kind that is known, or cannot be read.
pub fn lint(package: &mut dyn Package, name: &str) -> Result<Report> {
    let mut findings = Findings::default();
    findings.file(name);
    match kind(package, name)? {
        Kind::Archive => lint_archive(package, name, &mut findings)?,
        Kind::Descriptor => lint_descriptor(package, name, &mut findings)?,
        Kind::Disk => vmdk::check_alone(package, name, &mut findings)?,
    }
    let (findings, more) = findings.finish();
    let passed = findings.iter().all(|finding| finding.rule.severity < Severity::Error);
    Ok(Report { file: name.to_owned(), passed, findings, more })
}

/// The kind of a file, by its extension or else its first bytes.
fn kind(package: &mut dyn Package, name: &str) -> Result<Kind> {
    let kinds = [("ova", Kind::Archive), ("ovf", Kind::Descriptor), ("vmdk", Kind::Disk)];
    if let Some((_, kind)) = kinds.into_iter().find(|(own, _)| has_extension(name, own)) {
        return Ok(kind);
    }
    let mut file = package.open(name)?.with_context(|| refused(format!("{name} is no file")))?;
    let head = read_at(file.as_mut(), 0, images::tar::BLOCK)?;
    if head.get(images::tar::field::MAGIC).is_some_and(|magic| magic.starts_with(b"ustar")) {
        return Ok(Kind::Archive);
    }
    if head.starts_with(&images::vmdk::MAGIC) || head.starts_with(b"# Disk Desc") {
        return Ok(Kind::Disk);
    }
    let start = String::from_utf8_lossy(&head);
    if start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<') {
        return Ok(Kind::Descriptor);
    }
    Err(refused(format!("{name} is neither OVA nor OVF nor VMDK"))
        .hint("name an .ova, .ovf or .vmdk")
        .into())
}

fn lint_archive(package: &mut dyn Package, name: &str, findings: &mut Findings) -> Result<()> {
    let Some(mut file) = package.open(name)? else { return Ok(()) };
    let length = len(file.as_mut())?;
    let members = archive::members(file.as_mut(), length, findings)?;
    archive::check_names(&members, findings);
    let Some(descriptor) = members.iter().find(|member| has_extension(&member.name, "ovf")) else {
        if !members.is_empty() && !findings.has(&archive::FIRST) {
            findings.add(&archive::FIRST, Place::file(), "there is no descriptor");
        }
        return Ok(());
    };
    let text = |extension: &str| {
        let found = members.iter().find(|member| has_extension(&member.name, extension));
        found.map(|member| member.name.clone())
    };
    let texts = Texts { manifest: text("mf"), certificate: text("cert") };
    let mut archive = Archive { file: file.as_mut(), members: &members };
    let document = lint_package(&mut archive, &descriptor.name, &texts, findings)?;
    if let Some(document) = document {
        let names: Vec<String> =
            document.files.iter().filter_map(|file| file.name.clone()).collect();
        findings.file(name);
        archive::check_order(&members, &descriptor.name, &names, findings);
    }
    Ok(())
}

fn lint_descriptor(package: &mut dyn Package, name: &str, findings: &mut Findings) -> Result<()> {
    let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
    let mut existing = |extension: &str| -> Result<Option<String>> {
        let name = format!("{base}.{extension}");
        Ok(package.open(&name)?.is_some().then_some(name))
    };
    let texts = Texts { manifest: existing("mf")?, certificate: existing("cert")? };
    lint_package(package, name, &texts, findings).map(drop)
}

/// The names of the texts beside a descriptor.
struct Texts {
    manifest: Option<String>,
    certificate: Option<String>,
}

/// Checks a descriptor and everything that belongs to it.
fn lint_package(
    package: &mut dyn Package,
    name: &str,
    texts: &Texts,
    findings: &mut Findings,
) -> Result<Option<Document>> {
    findings.file(name);
    let text = read(package, name, xml::LONGEST)?;
    let document = xml::parse(&text, findings).and_then(|root| ovf::check(&root, findings));
    let mut files = vec![name.to_owned()];
    for file in document.iter().flat_map(|document| &document.files) {
        files.extend(file.name.clone());
    }
    match &texts.manifest {
        None => findings.add(&manifest::MISSING, Place::file(), "there is none"),
        Some(manifest) => {
            findings.file(manifest);
            let text = read(package, manifest, manifest::LONGEST)?;
            manifest::check(&text, package, &files, findings)?;
        }
    }
    if let Some(certificate) = &texts.certificate {
        findings.file(certificate);
        let text = read(package, certificate, manifest::LONGEST)?;
        manifest::check_certificate(&text, texts.manifest.as_deref(), findings);
    }
    if let Some(document) = &document {
        lint_files(package, name, document, findings)?;
    }
    Ok(document)
}

/// The beginning of a file, up to a number of bytes.
fn read(package: &mut dyn Package, name: &str, most: usize) -> Result<Vec<u8>> {
    match package.open(name)? {
        Some(mut file) => Ok(read_at(file.as_mut(), 0, most)?),
        None => Ok(Vec::new()),
    }
}

/// Checks the files that a descriptor refers to, each once.
fn lint_files(
    package: &mut dyn Package,
    descriptor: &str,
    document: &Document,
    findings: &mut Findings,
) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for file in &document.files {
        if let Some(name) = &file.name
            && seen.insert(name)
        {
            lint_file(package, descriptor, document, (file, name), findings)?;
        }
    }
    Ok(())
}

fn lint_file(
    package: &mut dyn Package,
    descriptor: &str,
    document: &Document,
    (file, name): (&FileRef, &str),
    findings: &mut Findings,
) -> Result<()> {
    findings.file(descriptor);
    if !file.is_plain {
        return Ok(());
    }
    let Some(mut content) = package.open(name)? else {
        findings.add(&ovf::MISSING, file.place(), finding::shown(name));
        return Ok(());
    };
    let length = len(content.as_mut())?;
    if let Some(size) = file.size.filter(|size| *size != length) {
        let found = format!("{size} bytes, the file has {length}");
        findings.add(&ovf::SIZE, file.place(), found);
    }
    if document.is_disk(file) {
        findings.file(name);
        if let Some(disk) = vmdk::check_packed(content.as_mut(), findings)? {
            findings.file(descriptor);
            ovf::check_file(document, file, &disk, findings);
        }
    }
    Ok(())
}
