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
pub mod vmdk;
pub mod xml;

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
