//! Defects of archives, manifests and certificates.

use images::tar::{BLOCK, field};

use crate::package::{Files, Parts, archive};
use crate::table::Defect;

/// Writes the checksum of the header at `at` anew.
pub(crate) fn fix_checksum(archive: &mut [u8], at: usize) {
    let Some(header) = archive.get_mut(at..at + BLOCK) else { return };
    header[field::CHKSUM].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[field::CHKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// The good archive with the header of its first member changed.
fn header(place: std::ops::Range<usize>, bytes: &[u8]) -> Vec<u8> {
    let mut ova = Parts::good().ova();
    ova[place.start..place.start + bytes.len()].copy_from_slice(bytes);
    fix_checksum(&mut ova, 0);
    ova
}

/// An archive of the good package with its members changed.
fn members(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let mut members = Parts::good().members();
    change(&mut members);
    archive(&members)
}

/// The good archive with a member without content in front.
fn in_front(kind: u8) -> Vec<u8> {
    let mut ova = archive(&[("x".into(), Vec::new())])[..BLOCK].to_vec();
    ova[field::TYPEFLAG] = kind;
    fix_checksum(&mut ova, 0);
    ova.extend(Parts::good().ova());
    ova
}

/// The good package with this manifest.
fn manifest(change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let mut parts = Parts::good();
    parts.manifest = Some(change(&parts.manifest()));
    parts.ova()
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

fn certificate(text: &str) -> Vec<u8> {
    Parts { certificate: Some(text.to_owned()), ..Parts::good() }.ova()
}

pub(crate) fn defects() -> Vec<Defect> {
    let mut all = tar_defects();
    all.extend(member_defects());
    all.extend(manifest_defects());
    all
}

fn tar_defects() -> Vec<Defect> {
    let good = Parts::good().ova();
    let len = good.len();
    let of = |rules, bytes: Vec<u8>| Defect::of(rules, "a.ova", bytes);
    let mut gnu = good.clone();
    for at in (0..len - 2 * BLOCK).step_by(BLOCK) {
        if gnu[at..][field::MAGIC] == *b"ustar\0" {
            gnu[at + field::MAGIC.start..at + field::MAGIC.start + 8].copy_from_slice(b"ustar  \0");
            fix_checksum(&mut gnu, at);
        }
    }
    let mut large = header(field::SIZE, &[0x80, 0, 0, 0]);
    let size = Parts::good().descriptor.len() as u64;
    large[field::SIZE.start + 4..field::SIZE.end].copy_from_slice(&size.to_be_bytes());
    fix_checksum(&mut large, 0);
    let mut padded = good.clone();
    let end = BLOCK + Parts::good().descriptor.len();
    padded[end] = 1;
    vec![
        of("ova-not-tar", b"\x1f\x8b".to_vec()),
        of("ova-not-tar", Vec::new()),
        of("ova-truncated mf-stray ref-missing", good[..len - 3 * BLOCK].to_vec()),
        of("ova-checksum mf-missing ref-missing", {
            let mut bytes = good.clone();
            let second = end.next_multiple_of(BLOCK);
            bytes[second + field::MAGIC.start] ^= 1;
            bytes
        }),
        of("ova-gnu-format", gnu),
        of("ova-old-format", header(field::MAGIC, &[0; 6])),
        of("ova-pax", in_front(b'x')),
        of("ova-extension", in_front(b'L')),
        of("ova-member-kind", in_front(b'2')),
        of("ova-number", header(field::SIZE, b"9")),
        of("ova-large-member", large),
        of("ova-name ova-stray", members(|all| all.push(("../b".into(), vec![1])))),
        of("ova-name ova-stray", members(|all| all.push(("/etc/b".into(), vec![1])))),
        of("ova-name-dot", members(|all| all[0].0 = "./a.ovf".into())),
        of("ova-end", good[..len - 2 * BLOCK].to_vec()),
        of("ova-end", good[..len - BLOCK].to_vec()),
        of("ova-trailing", [good.as_slice(), b"more"].concat()),
        of("ova-padding", padded),
    ]
}

fn member_defects() -> Vec<Defect> {
    let of = |rules, bytes: Vec<u8>| Defect::of(rules, "a.ova", bytes);
    let further = |name: &str| (name.to_owned(), b"1".to_vec());
    let two = {
        let parts = Parts::good();
        let head = "<File ovf:href=\"b.iso\" ovf:id=\"b\" ovf:size=\"1\"/>\n    <File";
        let drive = "<Item><rasd:AddressOnParent>1</rasd:AddressOnParent>\
            <rasd:ElementName>CD</rasd:ElementName><rasd:HostResource>ovf:/file/b</rasd:HostResource>\
            <rasd:InstanceID>9</rasd:InstanceID><rasd:Parent>3</rasd:Parent>\
            <rasd:ResourceType>15</rasd:ResourceType></Item>\n      <vmw:Config";
        let text = parts.descriptor.replacen("<File", head, 1).replacen("<vmw:Config", drive, 1);
        let mut parts = Parts { descriptor: text, ..parts };
        let digest = host::digest_bytes(b"1");
        parts.manifest = Some(format!("{}SHA256(b.iso)= {digest}\n", parts.manifest()));
        parts
    };
    let mut right = two.members();
    right.insert(2, further("b.iso"));
    let mut wrong = two.members();
    wrong.push(further("b.iso"));
    let mut last = Parts::good().members();
    let manifest = last.remove(1);
    last.push(manifest);
    // The file in front of the other is in order, and so is a manifest at the end.
    for (what, members) in [("two files", &right), ("the manifest last", &last)] {
        let found = crate::package::broken(&mut Files::one("a.ova", archive(members)), "a.ova");
        assert!(found.is_empty(), "{what}: {found:?}");
    }
    vec![
        of(
            "ova-duplicate",
            members(|all| {
                let again = all[2].clone();
                all.push(again);
            }),
        ),
        of(
            "ova-many ova-stray",
            members(|all| {
                all.extend((0..1000).map(|number| further(&number.to_string())));
            }),
        ),
        of("ova-descriptor-first", members(|all| all.swap(0, 2))),
        of("ova-descriptor-first", archive(&[further("a.vmdk")])),
        of("ova-second-descriptor ova-stray", members(|all| all.push(further("b.ovf")))),
        of("ova-order", archive(&wrong)),
        of(
            "ova-order",
            members(|all| {
                let manifest = all.remove(1);
                all.push(manifest);
                all.push(further("a.cert"));
                all.swap(2, 3);
            }),
        )
        .with("ova-order cert-syntax"),
        of("ova-base-name", members(|all| all[1].0 = "b.mf".into())),
        of("ova-stray", members(|all| all.push(further("b")))),
    ]
}

impl Defect {
    fn with(self, rules: &'static str) -> Self {
        Self { rules, ..self }
    }
}

fn manifest_defects() -> Vec<Defect> {
    let of = |rules, bytes: Vec<u8>| Defect::of(rules, "a.ova", bytes);
    let without = |change: fn(&mut Files)| {
        let mut files = Parts::good().files();
        change(&mut files);
        files
    };
    vec![
        of("mf-missing", members(|all| drop(all.remove(1)))),
        of("mf-syntax", manifest(|text| text.replacen("SHA256(", "SHA256 ", 1))),
        of("mf-algorithm", manifest(|text| text.replacen("SHA256", "SHA2-256", 1))),
        of(
            "mf-sha512 mf-mixed mf-digest",
            manifest(|text| {
                let line = format!("SHA512(a.ovf)= {}\n", "0".repeat(128));
                format!("{line}{}", text.lines().nth(1).unwrap())
            }),
        ),
        of("mf-digest", manifest(|text| text.replacen("= ", "= 0", 1).replacen("0\n", "\n", 1)))
            .with("mf-digest-length"),
        of("mf-digest", {
            let mut parts = Parts::good();
            parts.manifest = Some(parts.manifest());
            parts.descriptor = parts.descriptor.replace("nothing", "something");
            parts.ova()
        }),
        of("mf-duplicate", manifest(|text| format!("{text}{text}"))),
        of("mf-unlisted", manifest(|text| text.lines().next().unwrap().to_owned())),
        of("mf-stray", manifest(|text| text.to_owned() + &text.replace("a.", "b."))),
        of("mf-stray", manifest(|text| text.to_owned() + &text.replace("a.", "../a."))),
        of(
            "mf-mixed mf-digest",
            manifest(|text| {
                let line = format!("SHA1(a.ovf)= {}\n", "0".repeat(40));
                format!("{line}{}", text.lines().nth(1).unwrap())
            }),
        ),
        of("mf-long", manifest(|text| text.to_owned() + &"\n".repeat(1 << 20))),
        of("cert-syntax", certificate("SHA256(a.mf)= 00\n")),
        of("cert-syntax", certificate(PEM)),
        of("cert-manifest", certificate(&format!("SHA256(b.mf)= 00\n{PEM}"))),
        Defect {
            rules: "cert-alone mf-missing",
            files: without(|files| {
                files.0.remove("a.mf");
                files.0.insert("a.cert".into(), format!("SHA256(a.mf)= 00\n{PEM}").into());
            }),
            name: "a.ovf",
        },
        Defect {
            rules: "ref-missing mf-stray",
            files: without(|files| drop(files.0.remove("a.vmdk"))),
            name: "a.ovf",
        },
    ]
}

#[test]
fn a_certificate_of_the_right_form_is_no_finding() {
    let text = images::ova::certificate("a.mf", &[1, 2], PEM);
    let found = crate::package::broken(&mut Files::one("a.ova", certificate(&text)), "a.ova");
    assert!(found.is_empty(), "{found:?}");
}
