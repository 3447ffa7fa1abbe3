//! The report as `--json` prints it.

use serde::Serialize;

use crate::manifest::Vmware;

/// What an image holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Name of the appliance; known of the directory of a build.
    pub name: Option<String>,
    /// What it was built for; known of the directory of a build.
    pub target: Option<String>,
    /// The kernel's profile and what it gives up; known of the directory of a build.
    pub profile: Option<String>,
    /// What the package says of its virtual machine, if there is a package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmware: Option<Vmware>,
    /// Release and build text of the kernel.
    pub kernel: Option<String>,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// The disk; none if a directory holds no image.
    pub disk: Option<DiskReport>,
    /// What the initramfs holds.
    pub initramfs: Vec<FileReport>,
    /// The kernel's configuration; known of the directory of a build.
    pub configuration: Option<Configuration>,
    /// Every file of the directory of a build.
    pub outputs: Vec<FileReport>,
    /// Where the bytes of the disk went, the largest share first.
    pub shares: Vec<Share>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiskReport {
    /// The image's file.
    pub image: String,
    /// `raw`, `qcow2` or `vmdk`.
    pub format: String,
    /// Bytes that the image takes on the host.
    pub file_bytes: u64,
    /// Bytes of the disk.
    pub bytes: u64,
    /// GUID of the disk.
    pub guid: String,
    /// Its partitions.
    pub partitions: Vec<PartitionReport>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartitionReport {
    /// Its number, from 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: String,
    /// Its GUID.
    pub guid: String,
    /// Where it begins, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its file system, if it could be read.
    pub filesystem: Option<FilesystemReport>,
    /// Why it could not be read.
    pub problem: Option<String>,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FilesystemReport {
    /// Its kind, such as `ext3`.
    pub kind: String,
    /// Its UUID or serial number.
    pub id: String,
    /// Bytes that no file and no structure uses.
    pub free: u64,
    /// Its files, in the order of paths; directories end in a slash.
    pub files: Vec<FileReport>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileReport {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why it is there, if we know.
    pub why: Option<String>,
}

/// What the kernel's configuration amounts to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Configuration {
    /// Options that are built in.
    pub built_in: usize,
    /// Options that are modules.
    pub modules: usize,
    /// The answers to questions that people have.
    pub answers: Vec<Answer>,
}

/// A question about the configuration and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The option, without `CONFIG_`.
    pub option: String,
    /// What it is about.
    pub what: String,
    /// Whether it is on.
    pub on: bool,
}

/// A part of the disk's bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// What they are for.
    pub what: String,
    /// How many.
    pub bytes: u64,
}
