//! The header in front of each entry of a newc archive.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of the
//! kernel: a magic number, thirteen numbers of eight hexadecimal digits, the name
//! with a closing zero byte; name and content are each padded to four bytes. It is
//! written here because names are bytes and not text, as they are on a file system.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, bail, ensure};

use crate::PATH_MAX;

/// Says "no checksum". 070702 would be one with checksums.
const MAGIC: &[u8; 6] = b"070701";
/// The numbers after the magic number.
const FIELDS: usize = 13;
/// Magic number and numbers, in bytes.
const LEN: usize = MAGIC.len() + FIELDS * 8;
/// The name of the last entry.
pub(crate) const TRAILER: &[u8] = b"TRAILER!!!";

/// What a header says. Owner, time and the device of the archive are always 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Inode number; the same one twice would make a hard link.
    pub inode: u32,
    /// Type and permissions (inode(7)).
    pub mode: u32,
    /// Names of the inode.
    pub links: u32,
    /// Bytes of content.
    pub bytes: u32,
    /// Major and minor number of a device node.
    pub device: (u32, u32),
}

impl Header {
    /// Writes the header and the name.
    pub(crate) fn write(&self, name: &[u8], output: &mut impl Write) -> Result<()> {
        let name_len = u32::try_from(name.len() + 1).context("a name of 4 GiB or more")?;
        let (major, minor) = self.device;
        let Self { inode, mode, links, bytes, .. } = *self;
        output.write_all(MAGIC)?;
        for field in [inode, mode, 0, 0, links, 0, bytes, 0, 0, major, minor, name_len, 0] {
            write!(output, "{field:08X}")?;
        }
        output.write_all(name)?;
        output.write_all(&[0])?;
        output.write_all(padding(LEN + name.len() + 1))?;
        Ok(())
    }

    /// Reads a header and the name.
    pub(crate) fn read(input: &mut impl Read) -> Result<(Self, Vec<u8>)> {
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic)?;
        ensure!(magic == *MAGIC, "there is no newc header");
        let mut fields = [0; FIELDS];
        for field in &mut fields {
            *field = read_number(input)?;
        }
        let [inode, mode, _, _, links, _, bytes, _, _, major, minor, name_len, _] = fields;
        let name_len = usize::try_from(name_len)?;
        if name_len == 0 || name_len > PATH_MAX {
            bail!("a name of {name_len} bytes");
        }
        let mut name = vec![0; name_len];
        input.read_exact(&mut name)?;
        ensure!(name.pop() == Some(0), "a name without an end");
        skip(input, padding(LEN + name_len).len() as u64)?;
        Ok((Self { inode, mode, links, bytes, device: (major, minor) }, name))
    }
}

fn read_number(input: &mut impl Read) -> Result<u32> {
    let mut digits = [0; 8];
    input.read_exact(&mut digits)?;
    // The parser takes a sign, the format has none.
    ensure!(digits.iter().all(u8::is_ascii_hexdigit), "a number of other than hexadecimal digits");
    Ok(u32::from_str_radix(std::str::from_utf8(&digits)?, 16)?)
}

/// The zero bytes that follow `len` bytes.
pub(crate) fn padding(len: usize) -> &'static [u8] {
    &[0; 3][..len.next_multiple_of(4) - len]
}

/// Reads content and its padding.
pub(crate) fn content(input: &mut impl Read, bytes: u32) -> Result<Vec<u8>> {
    // It grows with what is there, not with what a header claims.
    let mut content = Vec::new();
    let read = input.take(bytes.into()).read_to_end(&mut content)?;
    ensure!(read as u64 == u64::from(bytes), "the archive ends too early");
    skip(input, padding(read).len() as u64)?;
    Ok(content)
}

/// Reads over content and its padding.
pub(crate) fn skip_content(input: &mut impl Read, bytes: u32) -> Result<()> {
    let bytes = u64::from(bytes);
    skip(input, bytes.next_multiple_of(4))
}

fn skip(input: &mut impl Read, bytes: u64) -> Result<()> {
    let skipped = io::copy(&mut input.take(bytes), &mut io::sink())?;
    ensure!(skipped == bytes, "the archive ends too early");
    Ok(())
}
