//! Where the bytes of a disk went.

use super::report::{DiskReport, FilesystemReport, PartitionReport, Share};
use super::{INITRAMFS, KERNEL, SITE_FILE};

/// The shares of all bytes of the disk, the largest first.
pub(super) fn of(disk: &DiskReport) -> Vec<Share> {
    let mut shares: Vec<Share> = disk.partitions.iter().flat_map(of_partition).collect();
    let partitions = disk.partitions.iter().map(|partition| partition.bytes).sum();
    shares.push(share("partition table and alignment", disk.bytes.saturating_sub(partitions)));
    shares.retain(|share| share.bytes > 0);
    shares.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.what.cmp(&b.what)));
    shares
}

fn share(what: impl Into<String>, bytes: u64) -> Share {
    Share { what: what.into(), bytes }
}

fn of_partition(partition: &PartitionReport) -> Vec<Share> {
    let Some(filesystem) = &partition.filesystem else {
        return vec![share(format!("partition {}", partition.number), partition.bytes)];
    };
    let mut shares = of_files(filesystem);
    let files: u64 = filesystem.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
    let rest = partition.bytes.saturating_sub(files);
    let free = filesystem.free.min(rest);
    let kind = &filesystem.kind;
    shares.push(share(format!("{kind}: free"), free));
    let structures = if kind == "ext2" { "structures" } else { "structures, journal" };
    let structures = if kind.starts_with("FAT") { "structures" } else { structures };
    shares.push(share(format!("{kind}: {structures}"), rest - free));
    shares
}

/// The files of a file system by what they are for.
fn of_files(filesystem: &FilesystemReport) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for file in &filesystem.files {
        let what = match (file.path.as_str(), file.why.as_deref()) {
            (KERNEL, _) => "kernel",
            (INITRAMFS, _) => "initramfs",
            (_, Some(SITE_FILE)) => "site",
            (_, Some(_)) => "boot loaders",
            (_, None) => "files that are not ours",
        };
        match shares.iter_mut().find(|share| share.what == what) {
            Some(share) => share.bytes = share.bytes.saturating_add(file.bytes),
            None => shares.push(share(what, file.bytes)),
        }
    }
    shares
}
