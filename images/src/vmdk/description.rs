//! The description of a disk: text that says what kind of image this is.

use anyhow::{Result, ensure};

use crate::content::ContentDigest;

/// Sectors of a track and heads of a cylinder, the most that a BIOS can tell; only
/// such can boot by them, and nobody else looks.
const GEOMETRY_SECTORS: u64 = 63;
const GEOMETRY_HEADS: u64 = 255;
/// The most cylinders that the description takes.
const CYLINDERS_MAX: u64 = 65_535;
/// Content IDs that VMware keeps for "no parent" and "all zeros".
const RESERVED_CONTENT_IDS: [u32; 2] = [0xffff_ffff, 0xffff_fffe];

/// What a description says.
pub(super) struct Description<'a> {
    /// The kind of image, in VMware's words.
    pub(super) kind: &'static str,
    /// The name of the image's file.
    pub(super) name: &'a str,
    /// Length of the disk in sectors.
    pub(super) capacity: u64,
    /// Of the disk.
    pub(super) content: ContentDigest,
}

impl Description<'_> {
    /// The text, with the lines and in the order of VMware's open-vmdk. Hardware
    /// version 4 is the oldest, which all products take; tools of type 4 are those
    /// that VMware does not manage, and the highest version stands for unknown.
    pub(super) fn text(&self) -> Result<String> {
        let Self { kind, name, capacity, content } = self;
        let plain = |c: char| c != '"' && c != '\\' && !c.is_control();
        ensure!(name.chars().all(plain), "VMDK cannot tell the file name {name:?}");
        let [first, second, third, id] = words(content.id());
        let cylinders = capacity.div_ceil(GEOMETRY_HEADS * GEOMETRY_SECTORS).min(CYLINDERS_MAX);
        Ok(format!(
            r##"# Disk DescriptorFile
version=1
encoding="UTF-8"
CID={id:08x}
parentCID=ffffffff
createType="{kind}"

# Extent description
RW {capacity} SPARSE "{name}"

# The Disk Data Base
#DDB

ddb.longContentID = "{first:08x}{second:08x}{third:08x}{id:08x}"
ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "{GEOMETRY_HEADS}"
ddb.geometry.sectors = "{GEOMETRY_SECTORS}"
ddb.adapterType = "lsilogic"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
"##
        ))
    }
}

/// The words of the long content ID, the last of which is the content ID.
fn words(id: [u8; 16]) -> [u32; 4] {
    let mut words = std::array::from_fn(|at| u32::from_be_bytes(crate::field(&id, at * 4)));
    if RESERVED_CONTENT_IDS.contains(&words[3]) {
        words[3] = 0;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_content_ids_are_not_used() {
        for last in RESERVED_CONTENT_IDS {
            let mut id = [7; 16];
            id[12..].copy_from_slice(&last.to_be_bytes());
            assert_eq!(words(id), [0x0707_0707, 0x0707_0707, 0x0707_0707, 0]);
        }
        assert_eq!(words([7; 16]), [0x0707_0707; 4]);
    }
}
