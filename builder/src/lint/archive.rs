//! The archive of an OVA: a tar file in the USTAR format (POSIX.1-2017, `pax`), as
//! DSP0243 asks for it ("Distribution as a Single File").

use std::collections::BTreeSet;

use anyhow::Result;
use images::tar::{BLOCK, field};
use images::{ByteRange, Part};

use super::finding::{
    ALL, DESKTOP, Findings, Place, SERVERS, Source, VIRTUALBOX, VMWARE, rules, shown,
};
use super::input::{Input, Package, is_inside, read_at};

const USTAR: Source = Source::Specification("POSIX.1-2017, pax, ustar Interchange Format");
const SINGLE: Source = Source::Specification("DSP0243 1.1.0, Distribution as a Single File");

rules! {
    NOT_TAR = "ova-not-tar": Error, ALL, SINGLE,
        "an OVA is a tar archive that is not compressed",
        "pack the files with `tar --format=ustar -cf`";
    TRUNCATED = "ova-truncated": Error, ALL, USTAR,
        "every member is complete",
        "copy the file again; it was cut";
    CHECKSUM = "ova-checksum": Error, ALL, USTAR,
        "the checksum of every header is right",
        "copy the file again, or pack it again";
    FORMAT_GNU = "ova-gnu-format": Note, ALL, SINGLE,
        "the archive has the format USTAR",
        "nothing, since VMware's own open-vmdk packs with GNU tar too; `tar --format=ustar` keeps to the letter";
    FORMAT_OLD = "ova-old-format": Warning, ALL, SINGLE,
        "the headers say `ustar`",
        "pack it again with `tar --format=ustar`";
    PAX = "ova-pax": Warning, VMWARE, SINGLE,
        "the archive has no pax headers",
        "pack it again with `tar --format=ustar`";
    EXTENSION = "ova-extension": Warning, ALL, SINGLE,
        "the archive has no GNU extensions (long names, sparse files, labels)",
        "pack it again with `tar --format=ustar` and short names";
    KIND = "ova-member-kind": Error, ALL, SINGLE,
        "every member is a regular file",
        "pack the files themselves, without links and directories";
    NUMBER = "ova-number": Error, ALL, USTAR,
        "sizes are octal numbers",
        "pack it again; the header is damaged";
    LARGE = "ova-large-member": Warning, VIRTUALBOX, USTAR,
        "a member of USTAR has less than 8 GiB",
        "split the disk, or ship OVF and VMDK as single files; GNU's binary sizes are read by VMware's tools only";
    NAME = "ova-name": Error, ALL,
        Source::Specification("DSP0243 1.1.0, File References: relative to the descriptor"),
        "the name of a member stays within the package",
        "pack the files from their own directory, without `..` and leading slashes";
    NAME_DOT = "ova-name-dot": Warning, VMWARE, SINGLE,
        "the names of members are those of the references, without `./`",
        "pack with `tar -cf NAME.ova NAME.ovf NAME.mf …` instead of `tar -cf NAME.ova .`";
    DUPLICATE = "ova-duplicate": Error, ALL, SINGLE,
        "no two members have the same name",
        "pack each file once";
    MANY = "ova-many": Error, ALL, Source::Limit("1,000 members are read"),
        "a package has few members",
        "pack only what the descriptor refers to";
    END = "ova-end": Warning, ALL, USTAR,
        "the archive ends with two blocks of zeros",
        "copy the file again, or pack it again";
    TRAILING = "ova-trailing": Warning, ALL, USTAR,
        "nothing but zeros follows the end",
        "cut the file there";
    PADDING = "ova-padding": Note, ALL, USTAR,
        "members are padded with zeros",
        "nothing; readers skip it";
    FIRST = "ova-descriptor-first": Error, ALL,
        Source::Specification("DSP0243 1.1.0, Distribution as a Single File; ovftool says \"Did not find an .ovf file at the beginning of the OVA package\""),
        "the first member is the descriptor",
        "pack the descriptor first, then the manifest, then the disks";
    SECOND = "ova-second-descriptor": Error, ALL, SINGLE,
        "there is one descriptor",
        "pack one package into one archive";
    ORDER = "ova-order": Warning, SERVERS, SINGLE,
        "manifest and certificate follow the descriptor or end the archive, with the files in the order of the references between",
        "pack descriptor, manifest, certificate and then the files in the order of References";
    BASE_NAME = "ova-base-name": Warning, VMWARE,
        Source::Specification("DSP0243 1.1.0, OVF Package Structure"),
        "manifest and certificate are called as the descriptor is",
        "rename them to the name of the descriptor with .mf and .cert, and make the digests again";
    STRAY = "ova-stray": Warning, DESKTOP, SINGLE,
        "every member is the descriptor, its manifest or certificate, or in its references",
        "leave the file out, or add a File to References";
}

/// How many members are read.
const MOST: usize = 1000;

/// A file in an archive.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) range: ByteRange,
}

/// Reads the members of an archive of `len` bytes.
pub(super) fn members(
    file: &mut dyn Input,
    len: u64,
    findings: &mut Findings,
) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut at = 0_u64;
    loop {
        host::check_interrupt()?;
        let block = read_at(file, at, BLOCK)?;
        if block.len() < BLOCK {
            missing_end(at, &block, findings);
            break;
        }
        if block.iter().all(|byte| *byte == 0) {
            end(file, at, len, findings)?;
            break;
        }
        if !checksum_fits(&block) {
            let rule = if at == 0 { &NOT_TAR } else { &CHECKSUM };
            findings.add(rule, Place::offset(at), start(&block));
            break;
        }
        if members.len() == MOST {
            findings.add(&MANY, Place::offset(at), format!("more than {MOST} members"));
            break;
        }
        let Some(size) = size(&block, at, findings) else { break };
        let range = ByteRange { start: at + BLOCK as u64, len: size };
        let Some(next) = range.end().filter(|end| *end <= len) else {
            let found = format!("{} has {size} bytes, the file {len}", shown(&name(&block)));
            findings.add(&TRUNCATED, Place::offset(at), found);
            break;
        };
        if let Some(member) = member(&block, at, range, findings) {
            members.push(member);
        }
        at = padding(file, next, findings)?;
    }
    Ok(members)
}

fn missing_end(at: u64, block: &[u8], findings: &mut Findings) {
    if at == 0 {
        findings.add(&NOT_TAR, Place::offset(0), start(block));
    } else {
        findings.add(&END, Place::offset(at), "the file ends there");
    }
}

/// What a block that is no header looks like.
fn start(block: &[u8]) -> String {
    match block {
        [0x1f, 0x8b, ..] => "gzip data".to_owned(),
        [b'P', b'K', ..] => "a ZIP archive".to_owned(),
        [0xfd, b'7', ..] => "xz data".to_owned(),
        [] => "nothing".to_owned(),
        _ => "no header of a member".to_owned(),
    }
}

/// The sum of all bytes with the checksum's own taken for spaces.
fn checksum_fits(block: &[u8]) -> bool {
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = block[field::CHKSUM].iter().map(|byte| u64::from(*byte)).sum();
    octal(&block[field::CHKSUM]) == Some(sum - own + 8 * u64::from(b' '))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}

fn size(block: &[u8], at: u64, findings: &mut Findings) -> Option<u64> {
    let place = || Place::offset(at + field::SIZE.start as u64).element("size");
    let bytes = &block[field::SIZE];
    if bytes[0] == 0x80 && bytes[1..4] == [0; 3] {
        let size = u64::from_be_bytes(bytes[4..12].try_into().ok()?);
        findings.add(&LARGE, place(), format!("{size} bytes"));
        return Some(size);
    }
    let size = octal(bytes);
    if size.is_none() {
        findings.add(&NUMBER, place(), shown(&String::from_utf8_lossy(bytes)));
    }
    size
}

/// The name with its prefix.
fn name(block: &[u8]) -> String {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let (name, prefix) = (text(&block[field::NAME]), text(&block[field::PREFIX]));
    let posix = &block[field::MAGIC] == b"ustar\0";
    if posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }
}

/// The file that a header announces, if it is one.
fn member(block: &[u8], at: u64, range: ByteRange, findings: &mut Findings) -> Option<Member> {
    let name = name(block);
    match &block[field::MAGIC] {
        b"ustar\0" => {}
        b"ustar " if findings.has(&FORMAT_GNU) => {}
        b"ustar " => findings.add(&FORMAT_GNU, Place::offset(at), "the header of GNU tar"),
        _ => findings.add(&FORMAT_OLD, Place::offset(at), format!("{} has none", shown(&name))),
    }
    let found = || format!("type {:?} of {}", char::from(block[field::TYPEFLAG]), shown(&name));
    match block[field::TYPEFLAG] {
        b'0' | 0 => {}
        b'x' | b'g' => {
            findings.add(&PAX, Place::offset(at), found());
            return None;
        }
        b'A'..=b'Z' => {
            findings.add(&EXTENSION, Place::offset(at), found());
            return None;
        }
        _ => {
            findings.add(&KIND, Place::offset(at), found());
            return None;
        }
    }
    let plain = name.strip_prefix("./").unwrap_or(&name);
    if !is_inside(plain) {
        findings.add(&NAME, Place::offset(at), shown(&name));
    } else if plain != name {
        findings.add(&NAME_DOT, Place::offset(at), shown(&name));
    }
    Some(Member { name: plain.to_owned(), range })
}

/// Looks at what fills the last block of a member; gives where the next starts.
fn padding(file: &mut dyn Input, from: u64, findings: &mut Findings) -> Result<u64> {
    let next = from.next_multiple_of(BLOCK as u64);
    let bytes = read_at(file, from, usize::try_from(next - from)?)?;
    if bytes.iter().any(|byte| *byte != 0) {
        findings.add(&PADDING, Place::offset(from), "other bytes than zeros");
    }
    Ok(next)
}

/// Looks at what follows the first block of zeros.
fn end(file: &mut dyn Input, at: u64, len: u64, findings: &mut Findings) -> Result<()> {
    let second = at + BLOCK as u64;
    let block = read_at(file, second, BLOCK)?;
    if block.len() < BLOCK || block.iter().any(|byte| *byte != 0) {
        findings.add(&END, Place::offset(at), "one block of zeros");
        return Ok(());
    }
    let mut from = second;
    while from < len {
        host::check_interrupt()?;
        let bytes = read_at(file, from, 1 << 16)?;
        if let Some(place) = bytes.iter().position(|byte| *byte != 0) {
            let found = format!("{} bytes more", len - from - place as u64);
            findings.add(&TRAILING, Place::offset(from + place as u64), found);
            break;
        }
        from += (bytes.len() as u64).max(1);
    }
    Ok(())
}

/// Checks the names of members among each other.
pub(super) fn check_names(members: &[Member], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for member in members {
        if !seen.insert(&member.name) {
            let place = Place::offset(member.range.start - BLOCK as u64);
            findings.add(&DUPLICATE, place, shown(&member.name));
        }
    }
    let descriptors = || members.iter().filter(|member| has_extension(&member.name, "ovf"));
    if members.first().is_some_and(|first| !has_extension(&first.name, "ovf")) {
        findings.add(&FIRST, Place::offset(0), shown(&members[0].name));
    }
    if let Some(second) = descriptors().nth(1) {
        let place = Place::offset(second.range.start - BLOCK as u64);
        findings.add(&SECOND, place, shown(&second.name));
    }
}

/// Checks the order of members against the references of the descriptor.
pub(super) fn check_order(
    members: &[Member],
    descriptor: &str,
    references: &[String],
    findings: &mut Findings,
) {
    let base = descriptor.rsplit_once('.').map_or(descriptor, |(base, _)| base);
    let texts = |member: &&Member| is_text(&member.name);
    for member in members.iter().filter(texts) {
        let own = member.name.rsplit_once('.').map_or("", |(base, _)| base);
        if own != base {
            let found = format!("{} beside {}", shown(&member.name), shown(descriptor));
            findings.add(&BASE_NAME, Place::offset(member.range.start), found);
        }
    }
    let mut files =
        members.iter().filter(|member| !is_text(&member.name) && member.name != descriptor);
    let names: Vec<&str> = files.clone().map(|member| member.name.as_str()).collect();
    let known = files.clone().filter(|member| references.contains(&member.name));
    let expected = references.iter().filter(|name| names.contains(&name.as_str()));
    if let Some((found, _)) =
        known.zip(expected).find(|(member, expected)| member.name != **expected)
    {
        let text = format!("{} out of the order of References", shown(&found.name));
        findings.add(&ORDER, Place::offset(found.range.start - BLOCK as u64), text);
    }
    if let Some(stray) = files.find(|member| !references.contains(&member.name)) {
        let place = Place::offset(stray.range.start - BLOCK as u64);
        findings.add(&STRAY, place, shown(&stray.name));
    }
    check_texts(members, findings);
}

/// Manifest and certificate stand together: behind the descriptor or at the end.
fn check_texts(members: &[Member], findings: &mut Findings) {
    let places: Vec<usize> = (0..members.len()).filter(|at| is_text(&members[*at].name)).collect();
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return };
    let together = last - first + 1 == places.len();
    let at_edge = *first == 1 || last + 1 == members.len();
    let in_order = has_extension(&members[*first].name, "mf");
    if !together || !at_edge || !in_order {
        let member = &members[*first];
        let place = Place::offset(member.range.start - BLOCK as u64);
        findings.add(&ORDER, place, format!("{} is member {}", shown(&member.name), first + 1));
    }
}

fn is_text(name: &str) -> bool {
    has_extension(name, "mf") || has_extension(name, "cert")
}

/// Whether a name ends with a dot and this extension, in either case.
pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, own)| own.eq_ignore_ascii_case(extension))
}

/// The members of an archive as files.
pub(super) struct Archive<'a> {
    pub(super) file: &'a mut dyn Input,
    pub(super) members: &'a [Member],
}

impl Package for Archive<'_> {
    fn open(&mut self, name: &str) -> Result<Option<Box<dyn Input + '_>>> {
        let member = self.members.iter().find(|member| member.name == name);
        Ok(match member {
            Some(member) => Some(Box::new(Part::new(&mut *self.file, member.range))),
            None => None,
        })
    }
}
