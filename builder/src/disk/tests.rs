//! Disks made by the host's real tools, read back by readers that are not theirs.

use std::ffi::OsStr;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use clap::ValueEnum;
use ext4_view::{Ext4, PathBuf as ExtPath};

use super::site::Site;
use super::*;
use crate::spec::{DiskSize, FilesystemKind};

/// A place to build in, with a site and stand-ins for what only a boot looks into.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        for (name, content) in [("vmlinuz", "kernel "), ("initramfs", "archive ")] {
            fs::write(dir.path().join(name), content.repeat(100_000)).unwrap();
        }
        let bench = Self { dir };
        bench.put(b"index.html", b"<h1>Hello</h1>");
        bench
    }

    pub(crate) fn put(&self, name: &[u8], content: &[u8]) {
        let path = self.path("files").join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn site(&self) -> Site {
        Site::collect(&self.path("files")).unwrap()
    }

    /// Makes the disk with the file system, or without.
    pub(crate) fn make(&self, filesystem: Option<(FilesystemKind, DiskSize)>) -> Result<PathBuf> {
        let (kernel, initramfs) = (self.path("vmlinuz"), self.path("initramfs"));
        let site = self.site();
        let disk = Disk {
            boot: Boot { kernel: &kernel, initramfs: &initramfs, cmdline: "console=ttyS0" },
            volume: filesystem.map(|(kind, size)| Volume { site: &site, kind, size }),
            guids: Guids::derive(site.digest()),
        };
        with_job(self.dir.path(), |job| disk.make(job))
    }
}

fn with_job<T>(dir: &Path, work: impl FnOnce(&Job<'_>) -> T) -> T {
    let job = Job {
        log: dir.join("log"),
        scratch: dir.join("scratch"),
        out: dir.join("out"),
        progress: &mut |_, _| {},
    };
    host::remove_tree(&job.scratch).unwrap();
    for dir in [&job.scratch, &job.out] {
        fs::create_dir_all(dir).unwrap();
    }
    work(&job)
}

pub(crate) const EXT3: Option<(FilesystemKind, DiskSize)> =
    Some((FilesystemKind::Ext3, DiskSize::Auto));
const EXT4: Option<(FilesystemKind, DiskSize)> = Some((FilesystemKind::Ext4, DiskSize::Auto));

#[test]
fn the_same_inputs_give_the_same_bytes_and_others_do_not() {
    let (one, other) = (Bench::new(), Bench::new());
    let first = fs::read(one.make(EXT3).unwrap()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = fs::read(other.make(EXT3).unwrap()).unwrap();
    assert!(first == second);
    other.put(b"index.html", b"<h1>hello</h1>");
    let third = fs::read(other.make(EXT3).unwrap()).unwrap();
    assert!(first.len() == third.len() && first != third, "the comparison cannot fail");
}

#[test]
fn a_disk_without_site_has_one_partition() {
    let bench = Bench::new();
    let disk = bench.make(None).unwrap();
    let table = Table::read(&mut File::open(disk).unwrap()).unwrap().unwrap();
    let names: Vec<&str> = table.partitions.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["boot"]);
}

/// Every format is read back in images/tests/formats; here it is ours that is written.
#[test]
fn every_format_holds_the_same_disk() {
    let bench = Bench::new();
    let raw = bench.make(EXT3).unwrap();
    let compare = |format: Format| {
        let names = ["compare", "-f", "raw", "-F", format.in_qemu().name()];
        let image = bench.path(format.file_name());
        Command::new("qemu-img").args(names).args([&raw, &image]).run().is_ok()
    };
    let formats = || Format::value_variants().iter().copied().filter(|at| *at != Format::Raw);
    for format in formats() {
        write(&raw, format, &bench.path(format.file_name())).unwrap();
        assert!(compare(format), "{format:?}");
    }
    damage(&raw, 0, b"other");
    formats().for_each(|format| assert!(!compare(format), "{format:?}"));
}

#[test]
fn formats_have_names_of_their_own() {
    let formats = Format::value_variants();
    for (at, format) in formats.iter().enumerate() {
        assert_eq!(format.to_possible_value().unwrap().get_name(), format.name());
        let same = |other: &Format| other.file_name() == format.file_name();
        assert!(!formats[at + 1..].iter().any(same), "{format:?}");
    }
}

#[test]
fn a_disk_that_a_format_cannot_hold_is_refused() {
    let bench = Bench::new();
    let raw = bench.path("disk.raw");
    let refused = |len: u64, format: Format| {
        File::create(&raw).unwrap().set_len(len).unwrap();
        let image = bench.path(format.file_name());
        let error = write(&raw, format, &image).unwrap_err();
        assert!(!image.exists());
        error.downcast::<host::Problem>().unwrap()
    };
    let problem = refused((2040 << 30) + 512, Format::Vhd);
    assert_eq!(problem.kind, host::Kind::Refused);
    assert!(problem.to_string().contains("2040 GiB"), "{problem}");
    assert!(problem.hint.unwrap().contains("--format"));
    refused(2 << 40, Format::VmdkSparse);
    refused(0, Format::Qcow2);
    refused(513, Format::Vhdx);
}

/// Names that a script or a command line could take for something else.
const HARD_NAMES: [&[u8]; 9] = [
    b"it's \"quoted\"",
    b"-rf",
    b"two\nlines",
    b"\xff\xfe",
    b"<12>",
    b" space ",
    b"back\\slash",
    b"a:b",
    &[b'x'; 255],
];

#[test]
fn every_file_is_in_the_file_system_under_its_name() {
    let bench = Bench::new();
    let long = vec![7; 5_000_000];
    bench.put(b"deep/er/long", &long);
    for name in HARD_NAMES {
        bench.put(&[b"deep/", name].concat(), name);
    }
    symlink("deep/er", bench.path("files/link \"\n")).unwrap();
    for kind in [EXT3, EXT4] {
        bench.make(kind).unwrap();
        let image = fs::read(bench.path("scratch/site.ext")).unwrap();
        let ext = Ext4::load(Box::new(image)).unwrap();
        for entry in bench.site().entries() {
            let path = [b"/", entry.path.as_os_str().as_bytes()].concat();
            let path = ExtPath::try_from(path.as_slice()).unwrap();
            let meta = ext.symlink_metadata(&path).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (0, 0), "{entry:?}");
            match &entry.kind {
                site::EntryKind::Directory => assert_eq!(meta.mode() & 0o7777, 0o755),
                site::EntryKind::Link { target } => {
                    let read = ext.read_link(&path).unwrap();
                    assert_eq!(AsRef::<[u8]>::as_ref(&read), target.as_os_str().as_bytes());
                }
                site::EntryKind::File { source, .. } => {
                    assert_eq!(meta.mode() & 0o7777, 0o644);
                    assert!(ext.read(&path).unwrap() == fs::read(source).unwrap(), "{entry:?}");
                }
            }
        }
    }
}

#[test]
fn a_site_of_any_shape_fits_with_little_slack() {
    let bench = Bench::new();
    for n in 0..1500u32 {
        let name = format!("{}/{}{n}", n % 7, "n".repeat(n as usize % 200));
        bench.put(name.as_bytes(), &vec![1; n as usize * 7]);
    }
    bench.put(b"large", &vec![1; 20_000_000]);
    bench.make(EXT3).unwrap();
    let image = bench.path("scratch/site.ext");
    let said = Command::new("dumpe2fs").arg("-h").arg(&image).output().unwrap();
    let said = String::from_utf8(said).unwrap();
    let count = |what: &str| -> u64 {
        let line = said.lines().find(|line| line.starts_with(what)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let (free, all) = (count("Free blocks:"), count("Block count:"));
    // Less than a MiB, and what may be counted too much.
    assert!(free < 256 + all / 100, "{free} of {all} blocks are free");
}

#[test]
fn a_size_that_is_too_small_is_refused_with_the_one_that_is_needed() {
    let bench = Bench::new();
    bench.put(b"large", &vec![1; 9_000_000]);
    let size =
        |mebibytes: u64| bench.make(Some((FilesystemKind::Ext3, DiskSize::Bytes(mebibytes << 20))));
    let error = size(10).unwrap_err();
    let problem = error.downcast_ref::<host::Problem>().unwrap();
    let hint = problem.hint.as_ref().unwrap();
    assert!(hint.contains("\"13M\""), "{hint}");
    size(12).unwrap_err();
    size(13).unwrap();
}

#[test]
fn what_the_file_system_keeps_for_itself_is_refused() {
    let bench = Bench::new();
    bench.put(b"lost+found/page", b"found");
    let error = bench.make(EXT3).unwrap_err();
    assert!(format!("{error:#}").contains("the site holds `lost+found`"), "{error:#}");
    bench.make(None).unwrap();
}

#[test]
fn a_file_that_changes_during_the_build_is_noticed() {
    let bench = Bench::new();
    let site = bench.site();
    bench.put(b"index.html", b"<h1>Other</h1>");
    let volume = Volume { site: &site, kind: FilesystemKind::Ext3, size: DiskSize::Auto };
    let error = with_job(bench.dir.path(), |job| ext3::make(volume, Guid::NIL, job)).unwrap_err();
    assert!(error.to_string().contains("changed during the build"), "{error}");
}

/// Changes bytes of a file in place.
fn damage(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn each_check_finds_damage() {
    let bench = Bench::new();
    let disk = bench.make(EXT3).unwrap();
    let (fat, ext) = (bench.path("scratch/boot.fat"), bench.path("scratch/site.ext"));
    let checked = |check: &dyn Fn(&Job<'_>) -> Result<()>| {
        let job = Job {
            log: bench.path("log"),
            scratch: bench.path("scratch"),
            out: bench.path("out"),
            progress: &mut |_, _| {},
        };
        check(&job).is_ok()
    };
    assert!(checked(&|job| fat::check(job)));
    damage(&fat, 512 + 100, &[0xff; 2]); // a cluster that leads nowhere
    assert!(!checked(&|job| fat::check(job)));

    assert!(checked(&|job| ext3::check(&ext, job)));
    damage(&ext, 2 * 4096, &[0; 16]); // the block bitmap
    assert!(!checked(&|job| ext3::check(&ext, job)));

    assert!(checked(&|job| check(&disk, job)));
    damage(&disk, 1024 + 56, b"B"); // a partition's name, without its checksum
    assert!(!checked(&|job| check(&disk, job)));
}
