//! Archives in the USTAR format (POSIX.1-2017, `pax`, "ustar Interchange Format"),
//! with nothing beyond: no pax and no GNU headers, which readers of OVA files know
//! in part only.
//!
//! Scope: files and directories with names of at most 100 bytes and less than 8
//! GiB. What an archive holds is a function of what is given: one owner, one time.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, ensure};

/// The size of everything in an archive is a multiple of this, in bytes.
pub const BLOCK: usize = 512;
/// The longest name, in bytes.
const NAME_MAX: usize = 100;
/// The largest file: eleven octal digits, in bytes.
pub const FILE_MAX: u64 = 0o777_7777_7777;

/// What every entry of an archive has in common.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    /// Number of the user and of the group.
    pub id: u32,
    /// Name of the user and of the group.
    pub name: &'static str,
    /// Permission bits of files.
    pub mode: u32,
    /// Seconds since 1970.
    pub time: u32,
}

/// An archive that is being written.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    ownership: Ownership,
}

impl<W: Write> Writer<W> {
    /// An archive at the current place of `out`.
    pub fn new(out: W, ownership: Ownership) -> Self {
        Self { out, ownership }
    }

    /// Adds a directory, which whoever reads its files can enter.
    ///
    /// # Errors
    /// When the name is too long, or the archive cannot be written.
    pub fn directory(&mut self, name: &str) -> Result<()> {
        let name = format!("{name}/");
        self.out.write_all(&header(
            &name,
            0,
            b'5',
            0o111 | self.ownership.mode,
            self.ownership,
        )?)?;
        Ok(())
    }

    /// Adds a file of `len` bytes, which `content` gives.
    ///
    /// # Errors
    /// When the name is too long, the file too large, or the content shorter or
    /// longer than said, or something cannot be read or written.
    pub fn file(&mut self, name: &str, len: u64, content: &mut impl Read) -> Result<()> {
        let ownership = self.ownership;
        self.out.write_all(&header(name, len, b'0', ownership.mode, ownership)?)?;
        let copied = io::copy(&mut content.take(len.saturating_add(1)), &mut self.out)
            .with_context(|| format!("copying {name}"))?;
        ensure!(copied == len, "{name} has changed while it was copied: it had {len} bytes");
        let rest = usize::try_from(len % BLOCK as u64)?;
        if rest > 0 {
            self.out.write_all(&[0; BLOCK][rest..])?;
        }
        Ok(())
    }

    /// Ends the archive with two blocks of zeros; gives back what it was written to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }
}

/// The places of a header's fields, in bytes.
pub mod field {
    use std::ops::Range;

    /// The name, or its end.
    pub const NAME: Range<usize> = 0..100;
    pub(super) const MODE: Range<usize> = 100..108;
    pub(super) const UID: Range<usize> = 108..116;
    pub(super) const GID: Range<usize> = 116..124;
    /// The size in bytes, in octal digits.
    pub const SIZE: Range<usize> = 124..136;
    pub(super) const MTIME: Range<usize> = 136..148;
    /// The sum of the header's bytes, in octal digits.
    pub const CHKSUM: Range<usize> = 148..156;
    /// The kind of a member.
    pub const TYPEFLAG: usize = 156;
    /// The format of the header.
    pub const MAGIC: Range<usize> = 257..263;
    pub(super) const UNAME: usize = 265;
    pub(super) const GNAME: usize = 297;
    pub(super) const DEVMAJOR: Range<usize> = 329..337;
    pub(super) const DEVMINOR: Range<usize> = 337..345;
    /// The directories in front of the name.
    pub const PREFIX: Range<usize> = 345..500;
}

fn header(name: &str, len: u64, kind: u8, mode: u32, owner: Ownership) -> Result<[u8; BLOCK]> {
    ensure!(name.len() <= NAME_MAX, "the name {name} has more than {NAME_MAX} bytes");
    ensure!(len <= FILE_MAX, "{name} is too large for a tar archive: {len} bytes, not 8 GiB");
    let mut header = [0; BLOCK];
    let put = |header: &mut [u8; BLOCK], at: usize, bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(&mut header, field::NAME.start, name.as_bytes());
    let numbers = [
        (field::MODE, u64::from(mode)),
        (field::UID, u64::from(owner.id)),
        (field::GID, u64::from(owner.id)),
        (field::SIZE, len),
        (field::MTIME, u64::from(owner.time)),
        (field::DEVMAJOR, 0),
        (field::DEVMINOR, 0),
    ];
    for (place, number) in numbers {
        let digits = format!("{number:0width$o}", width = place.len() - 1);
        put(&mut header, place.start, digits.as_bytes());
    }
    header[field::TYPEFLAG] = kind;
    put(&mut header, field::MAGIC.start, b"ustar\x0000");
    put(&mut header, field::UNAME, owner.name.as_bytes());
    put(&mut header, field::GNAME, owner.name.as_bytes());
    // The sum counts its own field as spaces.
    header[field::CHKSUM].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut header, field::CHKSUM.start, format!("{sum:06o}\0").as_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Ownership = Ownership { id: 107, name: "qemu", mode: 0o440, time: 1 };

    fn archive(name: &str, len: u64, content: &[u8]) -> Result<Vec<u8>> {
        let mut writer = Writer::new(Vec::new(), OWNER);
        writer.file(name, len, &mut &*content)?;
        Ok(writer.finish()?)
    }

    #[test]
    fn an_archive_is_made_of_blocks() {
        let bytes = archive("a", 513, &[7; 513]).unwrap();
        assert_eq!(bytes.len(), 5 * BLOCK);
        assert_eq!(&bytes[124..136], b"00000001001\0");
        // As GNU tar has it with --format=ustar.
        assert_eq!(&bytes[148..156], b"011135\0 ");
        assert_eq!(archive("a", 512, &[7; 512]).unwrap().len(), 4 * BLOCK);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(archive(&"a".repeat(101), 0, b"").is_err());
        assert!(archive("a", FILE_MAX + 1, b"").is_err());
        assert!(archive("a", 2, b"x").is_err());
        assert!(archive("a", 2, b"xyz").is_err());
    }
}
