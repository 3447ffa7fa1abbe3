//! Whether the files that came out can be started.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Offsets in the header of a bzImage (Documentation/arch/x86/boot.rst).
const BOOT_FLAG: usize = 0x1fe;
const HEADER_MAGIC: usize = 0x202;
/// Offset of the PE header's place in a file for UEFI.
const PE_POINTER: usize = 0x3c;

/// Offsets in the header of an ELF file (System V ABI, ELF-64).
const PROGRAM_HEADERS: usize = 0x20;
const PROGRAM_HEADER_COUNT: usize = 0x38;
const PROGRAM_HEADER_SIZE: usize = 56;
/// A program header of notes.
const PT_NOTE: u32 = 4;
/// The note that gives the entry point of a direct start
/// (include/xen/interface/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY).
const PVH_NOTE: u32 = 18;

/// Checks that a bzImage has the headers that boot loaders and, if `efi`, the
/// firmware look for.
pub(crate) fn check_bzimage(path: &Path, efi: bool) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let at = |offset: usize, magic: &[u8]| {
        bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    ensure!(at(BOOT_FLAG, &[0x55, 0xaa]), "{} has no boot flag", path.display());
    ensure!(at(HEADER_MAGIC, b"HdrS"), "{} has no boot header", path.display());
    let pe = usize::try_from(u32_at(&bytes, PE_POINTER)?)?;
    ensure!(!efi || at(0, b"MZ") && at(pe, b"PE\0\0"), "{} is no EFI program", path.display());
    Ok(())
}

/// Checks that a vmlinux has the note that names its PVH entry point.
pub(crate) fn check_vmlinux(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "{} is no ELF-64 file", path.display());
    let headers = usize::try_from(u64_at(&bytes, PROGRAM_HEADERS)?)?;
    let count = usize::from(u16_at(&bytes, PROGRAM_HEADER_COUNT)?);
    for header in (0..count).map(|index| headers + index * PROGRAM_HEADER_SIZE) {
        if u32_at(&bytes, header)? == PT_NOTE && has_pvh_note(segment(&bytes, header)?)? {
            return Ok(());
        }
    }
    bail!("{} has no PVH entry point", path.display())
}

/// The bytes of a segment in the file.
fn segment(bytes: &[u8], header: usize) -> Result<&[u8]> {
    let start = usize::try_from(u64_at(bytes, header + 8)?)?;
    let size = usize::try_from(u64_at(bytes, header + 32)?)?;
    bytes.get(start..).and_then(|rest| rest.get(..size)).context("a segment is not in the file")
}

/// Notes are: length of the name, length of the content, type, name, content; the
/// last two padded to four bytes.
fn has_pvh_note(mut notes: &[u8]) -> Result<bool> {
    while notes.len() >= 12 {
        let name = usize::try_from(u32_at(notes, 0)?)?;
        let content = usize::try_from(u32_at(notes, 4)?)?;
        if u32_at(notes, 8)? == PVH_NOTE && notes[12..].starts_with(b"Xen\0") {
            return Ok(true);
        }
        let size = 12 + name.next_multiple_of(4) + content.next_multiple_of(4);
        notes = notes.get(size..).unwrap_or_default();
    }
    Ok(false)
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    found.copied().context("the file ends in its headers")
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(array_at(bytes, offset)?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(array_at(bytes, offset)?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(array_at(bytes, offset)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pvh_note_is_found_behind_others() {
        let note = |name: &[u8; 4], kind: u32| {
            let mut note = Vec::new();
            for word in [4, 4, kind] {
                note.extend_from_slice(&u32::to_le_bytes(word));
            }
            note.extend_from_slice(name);
            note.extend_from_slice(&[0; 4]);
            note
        };
        let other = note(b"GNU\0", PVH_NOTE);
        assert!(!has_pvh_note(&other).unwrap());
        assert!(!has_pvh_note(&note(b"Xen\0", 1)).unwrap());
        assert!(has_pvh_note(&[other, note(b"Xen\0", PVH_NOTE)].concat()).unwrap());
    }

    #[test]
    fn other_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for bytes in [&b""[..], b"\x7fELF\x02\x01", &[0; 4096]] {
            fs::write(&path, bytes).unwrap();
            assert!(check_vmlinux(&path).is_err());
            assert!(check_bzimage(&path, false).is_err());
        }
        let mut image = vec![0; 4096];
        image[BOOT_FLAG..HEADER_MAGIC + 4].copy_from_slice(b"\x55\xaa\xeb\x6aHdrS");
        fs::write(&path, &image).unwrap();
        check_bzimage(&path, false).unwrap();
        assert!(check_bzimage(&path, true).unwrap_err().to_string().ends_with("no EFI program"));
    }
}
