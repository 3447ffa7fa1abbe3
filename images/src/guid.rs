//! GUIDs, as GPT stores them and as file systems print them.

use std::fmt;

/// A GUID in the order of its text form (RFC 9562, section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// The GUID of an unused partition entry.
    pub const NIL: Self = Self([0; 16]);

    /// The GUID whose text form has these digits.
    pub const fn new(digits: u128) -> Self {
        Self(digits.to_be_bytes())
    }

    /// A GUID made of a digest's bytes: version 8, whose other 122 bits are free
    /// (RFC 9562, section 5.8). Equal bytes give equal GUIDs.
    pub const fn from_digest(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The bytes in the order of the text form.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The bytes as on a GPT disk, where the first three groups are little-endian
    /// (UEFI 2.10, appendix A).
    pub const fn to_disk(self) -> [u8; 16] {
        let b = self.0;
        [
            b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13],
            b[14], b[15],
        ]
    }

    /// The inverse of [`Guid::to_disk`].
    pub const fn from_disk(bytes: [u8; 16]) -> Self {
        // Reversing the groups twice changes nothing.
        Self(Self(bytes).to_disk())
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_form_swaps_the_first_three_groups() {
        let guid = Guid::new(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
        assert_eq!(guid.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(guid.to_disk()[..8], [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11]);
        assert_eq!(Guid::from_disk(guid.to_disk()), guid);
    }

    #[test]
    fn a_digest_becomes_a_guid_of_version_8() {
        let guid = Guid::from_digest([0xff; 16]);
        assert_eq!(guid.to_string(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
