//! Recognising an ext2, ext3 or ext4 file system by its superblock.
//!
//! Source: fs/ext4/ext4.h, `struct ext4_super_block`; the superblock is at byte
//! 1024 of the device and little-endian.

use core::fmt;

/// Where the superblock begins on its device, in bytes.
pub const OFFSET: u64 = 1024;
/// How much of it is read, in bytes.
pub const LEN: usize = 256;
/// `s_magic`, and its place.
const MAGIC: [u8; 2] = [0x53, 0xef];
const MAGIC_AT: usize = 56;
/// `s_uuid`.
const UUID_AT: usize = 104;

/// A UUID, shown as RFC 9562 writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

/// The places of the hyphens among the 16 bytes.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

impl Uuid {
    /// Reads the form with hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let mut uuid = [0; 16];
        let mut digits = text.bytes();
        for (index, byte) in uuid.iter_mut().enumerate() {
            if HYPHENS.contains(&index) && digits.next()? != b'-' {
                return None;
            }
            *byte = digit(digits.next()?)? << 4 | digit(digits.next()?)?;
        }
        digits.next().is_none().then_some(Self(uuid))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if HYPHENS.contains(&index) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// The UUID of the file system whose superblock this is; none if it is none.
pub fn uuid(superblock: &[u8; LEN]) -> Option<Uuid> {
    if superblock.get(MAGIC_AT..MAGIC_AT + 2)? != MAGIC {
        return None;
    }
    Some(Uuid(superblock.get(UUID_AT..UUID_AT + 16)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    const TEXT: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn uuids_are_read_as_they_are_shown() {
        let uuid = Uuid::parse(TEXT).unwrap();
        assert_eq!(uuid.0[..3], [0x00, 0x11, 0x22]);
        assert_eq!(format!("{uuid}"), TEXT);
        for bad in [
            "",
            "0011",
            &TEXT[1..],
            &TEXT.replace('-', ""),
            &format!("{TEXT}0"),
            &TEXT.replace('a', "g"),
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_superblock_has_magic_and_uuid() {
        let mut block = [0; LEN];
        assert_eq!(uuid(&block), None);
        block[MAGIC_AT..MAGIC_AT + 2].copy_from_slice(&MAGIC);
        block[UUID_AT] = 7;
        assert_eq!(uuid(&block).unwrap().0[0], 7);
    }
}
