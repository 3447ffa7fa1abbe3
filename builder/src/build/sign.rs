//! The signature of a package: with a key and a certificate of the user's, by
//! openssl.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use host::{Command, failed, refused};
use images::ova;

/// What begins a certificate in PEM (RFC 7468, section 5.1).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
/// What ends it.
const END: &str = "-----END CERTIFICATE-----";

/// What a package is signed with.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The private key.
    pub key: PathBuf,
    /// The certificate of its public key.
    pub certificate: PathBuf,
}

/// A key and the certificate that it fits.
pub(super) struct Signer<'a> {
    key: &'a Path,
    /// The certificate in PEM, and after it those of its issuers.
    pub(super) certificates: String,
}

impl<'a> Signer<'a> {
    /// Checks that there is a key of the right kind and a certificate, and that they
    /// belong together.
    ///
    /// # Errors
    /// Refused when they do not.
    pub(super) fn new(signing: &'a Signing) -> Result<Self> {
        let Signing { key, certificate: file } = signing;
        let public = public_key(key)?;
        let certified = ask(openssl(&["x509", "-noout", "-pubkey", "-in"]).arg(file), || {
            format!("--cert {}: openssl reads no certificate in it", file.display())
        })?;
        if certified != public {
            let what = format!(
                "--sign {}: the key does not fit the certificate {}",
                key.display(),
                file.display()
            );
            let hint = "name the certificate that was made for this key";
            return Err(refused(what).hint(hint).into());
        }
        let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let certificates = certificates(&String::from_utf8_lossy(&text));
        if certificates.is_empty() {
            let what = format!("--cert {}: the certificate is not in PEM", file.display());
            let hint = "convert it with `openssl x509 -in FILE -out CERT`";
            return Err(refused(what).hint(hint).into());
        }
        Ok(Self { key, certificates })
    }

    /// The text of the certificate file for a manifest.
    ///
    /// # Errors
    /// When openssl fails.
    pub(super) fn sign(&self, name: &str, manifest: &Path) -> Result<String> {
        let signature = openssl(&["dgst", "-sha256", "-passin", "pass:", "-sign"])
            .arg(self.key)
            .arg(manifest)
            .output()
            .with_context(|| format!("signing {name}"))?;
        if signature.is_empty() {
            return Err(failed(format!("openssl made no signature of {name}")).into());
        }
        Ok(ova::certificate(name, &signature, &self.certificates))
    }
}

/// The certificates of a text in PEM, without anything else that it holds, such as
/// the key.
fn certificates(text: &str) -> String {
    let mut found = String::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_end) {
        inside |= line == BEGIN;
        if inside {
            found.push_str(line);
            found.push('\n');
        }
        inside &= line != END;
    }
    found
}

/// The public key that belongs to a private one, in PEM.
fn public_key(key: &Path) -> Result<String> {
    // With an empty password openssl asks nobody for one.
    let read = || openssl(&["pkey", "-passin", "pass:", "-in"]).arg(key);
    let what = || format!("--sign {}: openssl reads no private key in it", key.display());
    let public = ask(read().arg("-pubout"), what)?;
    let described = ask(read().args(["-noout", "-text_pub"]), what)?;
    if !described.contains("Modulus:") {
        let what = format!("--sign {}: the key is none of RSA", key.display());
        let hint = "VMware's products verify signatures of RSA keys: make one with \
            `openssl genrsa -out key.pem 3072`";
        return Err(refused(what).hint(hint).into());
    }
    Ok(public)
}

fn openssl(arguments: &[&str]) -> Command<'static> {
    Command::new("openssl").args(arguments)
}

/// What a command says; refused as `what` when it fails on the user's file.
fn ask(command: Command<'_>, what: impl Fn() -> String) -> Result<String> {
    let outcome = command.outcome()?;
    if outcome.status.success() {
        return String::from_utf8(outcome.stdout).context("reading what openssl says");
    }
    let said = String::from_utf8_lossy(&outcome.stderr);
    let first = said.lines().next().unwrap_or_default();
    Err(refused(format!("{} ({first})", what()))
        .hint("name a file in PEM; a key must not be encrypted")
        .into())
}

#[cfg(test)]
pub(super) mod tests {
    use host::Problem;

    use super::*;

    /// A directory with `key.pem` and `cert.pem` that belong together.
    pub(in crate::build) fn pair(algorithm: &str) -> (tempfile::TempDir, Signing) {
        let dir = tempfile::tempdir().unwrap();
        let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
        openssl(&["req", "-x509", "-nodes", "-subj", "/CN=test", "-newkey", algorithm])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"].iter().filter(|_| algorithm == "ec"))
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .run()
            .unwrap();
        (dir, Signing { key, certificate })
    }

    fn refusal(signing: &Signing) -> String {
        let Err(error) = Signer::new(signing) else { panic!("{signing:?} was taken") };
        let problem = error.downcast::<Problem>().unwrap();
        assert_eq!(problem.kind, host::Kind::Refused);
        problem.what
    }

    /// Whether openssl finds the signature of a certificate file to be the manifest's.
    fn verifies(dir: &Path, text: &str, manifest: &str) -> bool {
        let (first, pem) = text.split_once('\n').unwrap();
        let digits = first.strip_prefix("SHA256(a.mf)= ").unwrap();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let signature: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
        fs::write(dir.join("signature"), signature).unwrap();
        fs::write(dir.join("manifest"), manifest).unwrap();
        let public = openssl(&["x509", "-noout", "-pubkey"]).input(pem).output().unwrap();
        fs::write(dir.join("public.pem"), public).unwrap();
        let verify = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature"];
        let outcome = openssl(&verify).arg("manifest").current_dir(dir).outcome().unwrap();
        outcome.status.success()
    }

    #[test]
    fn openssl_verifies_a_signature() {
        let (dir, mut signing) = pair("rsa:2048");
        // A file with the key in front of the certificate gives only the latter away.
        let both =
            [&signing.key, &signing.certificate].map(|path| fs::read_to_string(path).unwrap());
        let certificate = both[1].clone();
        signing.certificate = dir.path().join("both.pem");
        fs::write(&signing.certificate, both.concat()).unwrap();
        let signer = Signer::new(&signing).unwrap();
        assert_eq!(signer.certificates, certificate);
        let manifest = dir.path().join("a.mf");
        fs::write(&manifest, "SHA256(a.ovf)= 00\n").unwrap();
        let text = signer.sign("a.mf", &manifest).unwrap();
        assert_eq!(text, signer.sign("a.mf", &manifest).unwrap());
        assert!(verifies(dir.path(), &text, "SHA256(a.ovf)= 00\n"));
        assert!(!verifies(dir.path(), &text, "SHA256(a.ovf)= 01\n"));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let (dir, good) = pair("rsa:2048");
        let (_other_dir, other) = pair("rsa:2048");
        let mixed = Signing { certificate: other.certificate, ..good.clone() };
        assert!(refusal(&mixed).contains("the key does not fit the certificate"));
        let swapped =
            Signing { key: good.certificate.clone(), certificate: good.certificate.clone() };
        assert!(refusal(&swapped).contains("openssl reads no private key"));
        let missing = Signing { certificate: dir.path().join("missing"), ..good.clone() };
        assert!(refusal(&missing).contains("openssl reads no certificate"));
        let (_ec_dir, elliptic) = pair("ec");
        assert!(refusal(&elliptic).contains("the key is none of RSA"));
        let encrypted = dir.path().join("encrypted.pem");
        openssl(&["rsa", "-aes128", "-passout", "pass:secret", "-in"])
            .arg(&good.key)
            .arg("-out")
            .arg(&encrypted)
            .run()
            .unwrap();
        assert!(refusal(&Signing { key: encrypted, ..good.clone() }).contains("no private key"));
        let binary = dir.path().join("cert.der");
        openssl(&["x509", "-outform", "der", "-in"])
            .arg(&good.certificate)
            .arg("-out")
            .arg(&binary)
            .run()
            .unwrap();
        let binary = Signing { certificate: binary, ..good };
        assert!(refusal(&binary).contains("the certificate is not in PEM"));
    }
}
