//! What a bzImage says about itself.
//!
//! Scope: the kernel's release in the header of the x86 boot protocol. Not
//! supported: other architectures, zImage.
//!
//! Specification: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result, ensure};

use crate::field;

/// Offset of the field `header`, which holds [`MAGIC`].
const HEADER: usize = 0x202;
/// Offset of the field `kernel_version`: where the text is, less 0x200.
const KERNEL_VERSION: usize = 0x20e;
/// What `kernel_version` counts from.
const VERSION_BASE: u64 = 0x200;
/// The boot protocol's mark.
const MAGIC: &[u8; 4] = b"HdrS";
/// The text is shorter than this.
const VERSION_MAX: u64 = 512;

/// The kernel's release and build text, such as `6.12.1 (user@host) #1 ...`.
///
/// # Errors
/// When the bytes are no bzImage or end too early.
pub fn version(image: &mut (impl Read + Seek)) -> Result<String> {
    let mut head = [0; KERNEL_VERSION + 2];
    image.seek(SeekFrom::Start(0))?;
    image.read_exact(&mut head).context("reading the kernel's header")?;
    ensure!(field(&head, HEADER) == *MAGIC, "it has no header of the x86 boot protocol");
    let at = u16::from_le_bytes(field(&head, KERNEL_VERSION));
    ensure!(at != 0, "its header names no version");
    image.seek(SeekFrom::Start(VERSION_BASE + u64::from(at)))?;
    let mut text = Vec::new();
    image.take(VERSION_MAX).read_to_end(&mut text).context("reading the kernel's version")?;
    let end = text.iter().position(|byte| *byte == 0).context("its version does not end")?;
    let text = String::from_utf8_lossy(&text[..end]);
    Ok(text.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 0x400];
        image[HEADER..HEADER + 4].copy_from_slice(MAGIC);
        image[KERNEL_VERSION..KERNEL_VERSION + 2].copy_from_slice(&0x100u16.to_le_bytes());
        image[0x300..0x306].copy_from_slice(b"6.12.1");
        image
    }

    #[test]
    fn the_version_is_where_the_header_says() {
        assert_eq!(version(&mut Cursor::new(image())).unwrap(), "6.12.1");
    }

    #[test]
    fn a_cut_or_strange_file_is_an_error() {
        let whole = image();
        for len in [0, 0x201, 0x20f, 0x302] {
            assert!(version(&mut Cursor::new(&whole[..len])).is_err(), "{len}");
        }
        let mut other = whole;
        other[HEADER] = b'X';
        assert!(version(&mut Cursor::new(other)).is_err());
    }
}
