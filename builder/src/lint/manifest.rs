//! Manifest and certificate of a package (DSP0243, "OVF Package Structure").

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::finding::{ALL, ESXI, Findings, Place, SERVERS, Source, VMWARE, rules, shown};
use super::input::{Input, Package};

const PACKAGE: Source = Source::Specification("DSP0243 1.1.0, OVF Package Structure");

rules! {
    MISSING = "mf-missing": Warning, VMWARE,
        Source::Behaviour("ovftool says \"No manifest file found\" (fedora-coreos-tracker issue 391)"),
        "the package has a manifest",
        "make one: `openssl sha256` writes its lines for descriptor and disks";
    SYNTAX = "mf-syntax": Error, ALL,
        Source::Behaviour("vCenter says \"Invalid OVF manifest entry\" (gns3-vm issue 96)"),
        "every line is `SHA256(NAME)= DIGEST`",
        "write the line so; newer openssl says SHA2-256, which has to be SHA256";
    ALGORITHM = "mf-algorithm": Error, ALL, PACKAGE,
        "the algorithm is SHA1, SHA256 or SHA512",
        "make the manifest again with SHA256";
    ALGORITHM_512 = "mf-sha512": Warning, SERVERS,
        Source::Behaviour("open-vmdk's mkova.sh takes SHA512 for vmx-15 and later only"),
        "digests are SHA256 for hosts before ESXi 7.0",
        "make the manifest again with SHA256, unless no host is older";
    DIGEST = "mf-digest": Error, ALL,
        Source::Behaviour("vCenter says \"The checksum(s) from the provided manifest file do not match the content of file(s)\" (Broadcom's article 407022)"),
        "every digest is that of the file",
        "make the manifest again, if the file is what it has to be; otherwise copy the file again";
    LENGTH = "mf-digest-length": Error, ALL, PACKAGE,
        "a digest has as many hexadecimal digits as its algorithm",
        "make the manifest again";
    DUPLICATE = "mf-duplicate": Warning, ALL, PACKAGE,
        "every file has one line",
        "remove the other";
    UNLISTED = "mf-unlisted": Warning, SERVERS,
        Source::Behaviour("ovftool says \"No manifest entry found for\", ESXi's client refuses (gns3-vm issue 96)"),
        "the descriptor and every file of its references have a line",
        "add the line";
    STRAY = "mf-stray": Error, ALL, PACKAGE,
        "every file that has a line is in the package",
        "remove the line, or add the file";
    MIXED = "mf-mixed": Warning, VMWARE, PACKAGE,
        "all digests are of one algorithm",
        "make the manifest again with SHA256";
    LONG = "mf-long": Error, ALL, Source::Limit("1 MiB of a manifest is read, and of a certificate"),
        "a manifest is short",
        "make the manifest again";
    CERTIFICATE = "cert-syntax": Error, VMWARE, PACKAGE,
        "a certificate file is a line with the signature of the manifest and a certificate in PEM",
        "sign again: `ovftool --privateKey`, or `appliance build --sign`";
    CERTIFICATE_NAME = "cert-manifest": Error, VMWARE, PACKAGE,
        "the signature in a certificate file is that of the package's manifest",
        "sign the manifest of this package";
    CERTIFICATE_ALONE = "cert-alone": Error, ESXI, PACKAGE,
        "there is no certificate without a manifest",
        "add the manifest that it signs";
}

/// The longest manifest, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn digest(self, file: &mut dyn Input) -> Result<String> {
        match self {
            Self::Sha1 => digest::<Sha1>(file),
            Self::Sha256 => digest::<Sha256>(file),
            Self::Sha512 => digest::<Sha512>(file),
        }
    }
}

fn digest<D: Digest>(file: &mut dyn Input) -> Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        host::check_interrupt()?;
        match file.read(&mut buffer).context("reading a file of the package")? {
            0 => break,
            count => digest.update(&buffer[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A line of a manifest.
struct Entry<'a> {
    algorithm: &'a str,
    name: &'a str,
    digest: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (algorithm, rest) = line.split_once('(')?;
        let (name, digest) = rest.rsplit_once(')')?;
        let digest = digest.strip_prefix('=')?.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (algorithm.chars().all(plain) && !digest.is_empty()).then_some(Self {
            algorithm,
            name,
            digest,
        })
    }
}

/// Checks a manifest. `files` are the descriptor and what it refers to.
pub(super) fn check(
    text: &[u8],
    package: &mut dyn Package,
    files: &[String],
    findings: &mut Findings,
) -> Result<()> {
    if text.len() >= LONGEST {
        findings.add(&LONG, Place::file(), "more than 1 MiB");
        return Ok(());
    }
    let text = String::from_utf8_lossy(text);
    let mut entries = BTreeMap::new();
    let mut algorithms = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let place = || Place::line(number);
        if line.trim().is_empty() {
            continue;
        }
        let Some(entry) = Entry::parse(line.trim_end()) else {
            findings.add(&SYNTAX, place(), shown(line));
            continue;
        };
        let Some(algorithm) = algorithm(&entry, number, findings) else { continue };
        algorithms.push(algorithm);
        if entries.insert(entry.name, (algorithm, entry.digest, number)).is_some() {
            findings.add(&DUPLICATE, place(), shown(entry.name));
        }
    }
    if algorithms.windows(2).any(|pair| pair[0] != pair[1]) {
        findings.add(&MIXED, Place::file(), "more than one algorithm");
    }
    for (name, (algorithm, digest, line)) in &entries {
        compare(package, (name, *algorithm, digest, *line), findings)?;
    }
    for file in files.iter().filter(|file| !entries.contains_key(file.as_str())) {
        if !findings.has(&SYNTAX) && !findings.has(&ALGORITHM) {
            findings.add(&UNLISTED, Place::file(), shown(file));
        }
    }
    Ok(())
}

fn algorithm(entry: &Entry<'_>, line: usize, findings: &mut Findings) -> Option<Algorithm> {
    let place = || Place::line(line);
    let Some(algorithm) = Algorithm::from_name(entry.algorithm) else {
        findings.add(&ALGORITHM, place(), shown(entry.algorithm));
        return None;
    };
    if algorithm == Algorithm::Sha512 && !findings.has(&ALGORITHM_512) {
        findings.add(&ALGORITHM_512, place(), "SHA512");
    }
    Some(algorithm)
}

fn compare(
    package: &mut dyn Package,
    (name, algorithm, digest, line): (&str, Algorithm, &str, usize),
    findings: &mut Findings,
) -> Result<()> {
    let place = || Place::line(line).element(name);
    if digest.len() != algorithm.digits() || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        findings.add(&LENGTH, place(), format!("\"{}\"", shown(digest)));
        return Ok(());
    }
    let Some(mut file) = package.open(name)? else {
        findings.add(&STRAY, place(), "no such file");
        return Ok(());
    };
    let own = algorithm.digest(file.as_mut())?;
    if !own.eq_ignore_ascii_case(digest) {
        findings.add(&DIGEST, place(), format!("the file's is {own}"));
    }
    Ok(())
}

/// Checks the form of a certificate file; whether the signature is good, `openssl`
/// can say.
pub(super) fn check_certificate(text: &[u8], manifest: Option<&str>, findings: &mut Findings) {
    if text.len() >= LONGEST {
        findings.add(&LONG, Place::file(), "more than 1 MiB");
        return;
    }
    let text = String::from_utf8_lossy(text);
    let first = text.lines().next().unwrap_or_default();
    let entry = Entry::parse(first.trim_end());
    let pem =
        text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----");
    let entry = entry.filter(|entry| entry.digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match (entry, manifest) {
        (None, _) => findings.add(&CERTIFICATE, Place::line(1), shown(first)),
        (_, None) => findings.add(&CERTIFICATE_ALONE, Place::file(), "no manifest"),
        (Some(entry), Some(manifest)) if entry.name != manifest => {
            findings.add(&CERTIFICATE_NAME, Place::line(1), shown(entry.name));
        }
        _ if !pem => findings.add(&CERTIFICATE, Place::file(), "no certificate in PEM"),
        _ => {}
    }
}
