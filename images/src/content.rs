//! The digest of a disk's content. Identifiers are made of it, so that the same
//! disk has the same ones wherever and whenever it is written.

use sha2::{Digest, Sha256};

use crate::Guid;

/// The digest of a disk in work.
pub(crate) struct Content(Sha256);

impl Content {
    /// Of a disk of this length in bytes.
    pub(crate) fn new(disk_len: u64) -> Self {
        Self(Sha256::new().chain_update(disk_len.to_le_bytes()))
    }

    /// Counts in a block that is not all zeros, in the order of the disk.
    pub(crate) fn add(&mut self, offset: u64, block: &[u8]) {
        self.0.update(offset.to_le_bytes());
        self.0.update(block);
    }

    /// The digest.
    pub(crate) fn finish(self) -> ContentDigest {
        ContentDigest(self.0.finalize().into())
    }
}

/// The digest of a disk.
#[derive(Clone, Copy)]
pub(crate) struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// The first 16 bytes.
    pub(crate) fn id(self) -> [u8; 16] {
        crate::field(&self.0, 0)
    }

    /// The GUID for one of the roles that a format has GUIDs for.
    pub(crate) fn guid(self, role: &str) -> Guid {
        let Self(digest) =
            Self(Sha256::new().chain_update(self.0).chain_update(role).finalize().into());
        Guid::from_digest(crate::field(&digest, 0))
    }
}
