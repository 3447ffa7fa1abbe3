//! OVA packages (DMTF DSP0243 1.1.0, section 5): a descriptor, a manifest, perhaps a
//! certificate, and the files that the descriptor refers to, in one tar archive.
//!
//! Readers take a package as it comes, without going back, so that the order is
//! part of the format (section 5.3).

use std::fmt::Write as _;
use std::io::{Read, Write};

use anyhow::Result;

use crate::tar::{self, Ownership};

/// A file of a package.
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its length in bytes.
    pub len: u64,
    /// What it holds.
    pub content: &'a mut dyn Read,
}

/// What a package holds.
pub struct Package<'a> {
    /// The OVF descriptor.
    pub descriptor: Member<'a>,
    /// The digests of descriptor and files, as [`manifest`] makes it.
    pub manifest: Member<'a>,
    /// The signature of the manifest, as [`certificate`] makes it.
    pub certificate: Option<Member<'a>>,
    /// The files, in the order of the descriptor's references.
    pub files: Vec<Member<'a>>,
}

/// Writes a package; every file in it belongs to root and has the same time, in
/// seconds since 1970. Gives back what it was written to.
///
/// # Errors
/// When a file is too large for a tar archive, or something cannot be read or
/// written.
pub fn write<W: Write>(out: W, package: Package<'_>, time: u32) -> Result<W> {
    let Package { descriptor, manifest, certificate, files } = package;
    let mut archive = tar::Writer::new(out, Ownership { id: 0, name: "root", mode: 0o644, time });
    let members = [descriptor, manifest].into_iter().chain(certificate).chain(files);
    for mut member in members {
        archive.file(member.name, member.len, &mut member.content)?;
    }
    Ok(archive.finish()?)
}

/// The text of a manifest: the SHA-256 digest of each file, by name, in
/// hexadecimal digits (DSP0243, section 5.1, with SHA-256 as VMware's products
/// write it since vSphere 6.5).
pub fn manifest<'a>(digests: impl IntoIterator<Item = (&'a str, String)>) -> String {
    digests.into_iter().fold(String::new(), |mut text, (name, digest)| {
        let _ = writeln!(text, "SHA256({name})= {digest}");
        text
    })
}

/// The text of a certificate file: the signature of the manifest's SHA-256 digest
/// (PKCS #1 v1.5), and the certificate in PEM (DSP0243, section 5.1; ovftool writes
/// and reads it so).
pub fn certificate(manifest_name: &str, signature: &[u8], pem: &str) -> String {
    let digits = signature.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    format!("SHA256({manifest_name})= {digits}\n{}\n", pem.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_in_order() {
        let mut contents: [&[u8]; 4] = [b"disk", b"descriptor", b"certificate", b"manifest"];
        let [disk, descriptor, certificate, manifest] = &mut contents;
        let package = Package {
            files: vec![Member { name: "a.vmdk", len: 4, content: disk }],
            descriptor: Member { name: "a.ovf", len: 10, content: descriptor },
            certificate: Some(Member { name: "a.cert", len: 11, content: certificate }),
            manifest: Member { name: "a.mf", len: 8, content: manifest },
        };
        let bytes = write(Vec::new(), package, 0).unwrap();
        let names: Vec<&[u8]> = bytes.chunks(1024).map(|entry| &entry[..6]).collect();
        let expected: [&[u8]; 5] = [b"a.ovf\0", b"a.mf\0\0", b"a.cert", b"a.vmdk", &[0; 6]];
        assert_eq!(names, expected);
    }

    #[test]
    fn texts_beside_the_descriptor() {
        assert_eq!(manifest([("a.ovf", "00ff".into())]), "SHA256(a.ovf)= 00ff\n");
        let text = certificate("a.mf", &[0, 255], "-----BEGIN\n\n");
        assert_eq!(text, "SHA256(a.mf)= 00ff\n-----BEGIN\n");
    }
}
