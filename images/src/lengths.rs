//! How long a disk can be in a format.

use std::fmt;

/// The lengths of disks that a format can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The name of the format.
    pub format: &'static str,
    /// The longest disk, in bytes.
    pub max: u64,
    /// What the length is a multiple of, in bytes.
    pub unit: u64,
}

/// A disk that a format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    lengths: Lengths,
    disk_len: u64,
}

impl Lengths {
    /// Whether a disk of so many bytes can be written.
    ///
    /// # Errors
    /// When it cannot; the error says why.
    pub fn check(self, disk_len: u64) -> Result<(), Unfit> {
        let fits = disk_len > 0 && disk_len <= self.max && disk_len.is_multiple_of(self.unit);
        if fits { Ok(()) } else { Err(Unfit { lengths: self, disk_len }) }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lengths: Lengths { format, max, unit }, disk_len } = self;
        write!(f, "{format} cannot hold a disk of {disk_len} bytes: ")?;
        if *disk_len == 0 {
            f.write_str("it is empty")
        } else if disk_len > max {
            write!(f, "the longest is one of {} GiB", max >> 30)
        } else {
            write!(f, "the length has to be a multiple of {unit}")
        }
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_does_not_fit_is_told() {
        let lengths = Lengths { format: "VHD", max: 2040 << 30, unit: 512 };
        assert_eq!(lengths.check(512), Ok(()));
        assert_eq!(lengths.check(2040 << 30), Ok(()));
        let said = |disk_len| lengths.check(disk_len).unwrap_err().to_string();
        assert!(said(0).ends_with("it is empty"));
        assert!(said(513).ends_with("a multiple of 512"));
        assert!(said((2040 << 30) + 512).ends_with("the longest is one of 2040 GiB"));
    }
}
