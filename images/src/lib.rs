//! Disk layouts and image formats, one file each: bytes in, bytes out.
//!
//! Nothing here starts a process or knows what an appliance is. What is written
//! is a function of what is given: no clock, no randomness. What is read may come
//! from anybody: a damaged or hostile image gives an error.

pub mod bzimage;
mod content;
mod deflate;
pub mod gpt;
mod guid;
mod lengths;
pub mod ova;
pub mod ovf;
mod part;
pub mod qcow2;
pub mod raw;
mod source;
mod table;
pub mod tar;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
pub mod xml;

use std::io::{self, Seek, SeekFrom, Write};

pub use guid::Guid;
pub use lengths::{Lengths, Unfit};
pub use part::{ByteRange, Part};
pub use source::Source;

/// Reads `N` bytes of a structure at an offset that lies inside it by its layout;
/// what lies beyond the end reads as zero.
pub fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    if let Some(source) = bytes.get(offset..offset + N) {
        field.copy_from_slice(source);
    }
    field
}

/// Writes a field of a structure to an offset at which it lies inside by its layout.
fn set_field(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// Makes an image at least so long; what is new reads as zero.
fn extend(image: &mut (impl Write + Seek), len: u64) -> io::Result<()> {
    if image.seek(SeekFrom::End(0))? < len {
        image.seek(SeekFrom::Start(len - 1))?;
        image.write_all(&[0])?;
    }
    Ok(())
}
