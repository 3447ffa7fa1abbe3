//! Reports on disks that the host's real tools have made, whole and damaged.

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::*;
use crate::disk::tests::{Bench, EXT3};
use crate::disk::{Format, write};

/// A bzImage as far as its header goes, with this version.
fn bzimage(version: &str) -> Vec<u8> {
    let mut image = vec![0; 50_000];
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x20e..0x210].copy_from_slice(&0x1000u16.to_le_bytes());
    image[0x1200..0x1200 + version.len()].copy_from_slice(version.as_bytes());
    image
}

fn disk(bench: &Bench) -> PathBuf {
    fs::write(bench.path("vmlinuz"), bzimage("6.12.1 (a@b) #1")).unwrap();
    let mut tree = initramfs::Tree::new();
    tree.program("/init", vec![1; 3000], "PID 1").unwrap();
    tree.write(fs::File::create(bench.path("initramfs")).unwrap()).unwrap();
    bench.put(b"deep/page.html", &[b'x'; 5000]);
    bench.make(EXT3).unwrap()
}

#[test]
fn a_disk_is_told_with_all_that_it_holds() {
    let bench = Bench::new();
    let raw = disk(&bench);
    let qcow2 = bench.path("disk.qcow2");
    write(&raw, Format::Qcow2, &qcow2).unwrap();
    let vmdk = bench.path("disk.vmdk");
    let mut image = fs::File::create(&vmdk).unwrap();
    let (mut source, len) = (fs::File::open(&raw).unwrap(), raw.metadata().unwrap().len());
    images::vmdk::stream::write(&mut source, len, "disk.vmdk", &mut image).unwrap();
    for image in [&raw, &qcow2, &vmdk] {
        let report = inspect(image).unwrap();
        let format = report.disk.as_ref().unwrap().format.as_str();
        assert!(image.extension().is_some_and(|extension| extension == format), "{format}");
        assert_eq!(report.problems, [""; 0]);
        assert_eq!(report.kernel.as_deref(), Some("6.12.1 (a@b) #1"));
        assert_eq!(report.command_line.as_deref(), Some("console=ttyS0"));
        assert!(report.initramfs.iter().any(|file| file.path == "/init" && file.bytes == 3000));
        let partitions = &report.disk.as_ref().unwrap().partitions;
        let files = |at: usize| partitions[at].filesystem.as_ref().unwrap().files.clone();
        for (path, _) in FILES {
            let found = files(0).into_iter().find(|file| file.path == path);
            assert!(found.unwrap_or_else(|| panic!("{path}")).why.is_some());
        }
        assert!(
            files(0).iter().all(|f| f.why.is_some() || f.path.ends_with('/')),
            "{partitions:?}"
        );
        let site: Vec<_> = files(1).into_iter().map(|file| (file.path, file.bytes)).collect();
        let expected =
            [("deep/", 0), ("deep/page.html", 5000), ("index.html", 14), ("lost+found/", 0)];
        assert_eq!(site, expected.map(|(path, bytes)| (path.to_owned(), bytes)));
        let shared: u64 = report.shares.iter().map(|share| share.bytes).sum();
        assert_eq!(shared, report.disk.as_ref().unwrap().bytes);
    }
}

#[test]
fn the_directory_of_a_build_says_why() {
    let bench = Bench::new();
    let raw = disk(&bench);
    let out = bench.path("build");
    write(&raw, Format::Qcow2, &out.join("disk.qcow2")).unwrap();
    fs::write(out.join("kernel.config"), "CONFIG_PCI=y\n").unwrap();
    let manifest = serde_json::json!({
        "layout": crate::manifest::LAYOUT,
        "appliance": "0.1.0",
        "key": "",
        "name": "hello",
        "target": "kvm",
        "kernel": "6.12.1",
        "profile": "fast",
        "tailor": { "lsm": true, "dac": true, "checks": true, "vfs": false, "net": false },
        "cmdline": "console=ttyS0",
        "server": { "kind": "lighttpd", "version": "1.4.69", "port": 80, "modules": [] },
        "network": { "hostname": "hello", "addresses": [], "gateways": [] },
        "storage": { "kind": "ram" },
        "memory": { "direct": 32, "bios": 64, "uefi": 96 },
        "vmware": {
            "hardware_version": "vmx-14", "guest_id": "other4xLinux64Guest",
            "firmware": "uefi", "network": "VM Network", "memory": 96,
        },
        "site": [],
        "initramfs": [{ "path": "/init", "bytes": 3000, "why": "the first process" }],
        "sources": [],
        "tools": {},
        "files": { "disk.qcow2": { "bytes": 1, "sha256": "", "why": "the disk" } }
    });
    fs::write(out.join("manifest.json"), manifest.to_string()).unwrap();
    let report = inspect(&out).unwrap();
    assert_eq!(report.name.as_deref(), Some("hello"));
    let why = |files: &[FileReport], path: &str| {
        files.iter().find(|file| file.path == path).unwrap().why.clone().unwrap()
    };
    assert_eq!(why(&report.initramfs, "/init"), "the first process");
    assert_eq!(why(&report.outputs, "disk.qcow2"), "the disk");
    assert_eq!(report.configuration.as_ref().unwrap().built_in, 1);
    let text = text::render(&report);
    assert!(text.contains("1 options built in, 0 as modules"), "{text}");
    assert!(text.contains("package: vmx-14 for other4xLinux64Guest, 96 MiB, UEFI"), "{text}");
}

#[test]
fn the_text_fits_80_columns() {
    let bench = Bench::new();
    for n in 1..40 {
        bench.put("ü".repeat(n * 3).as_bytes(), b"x");
    }
    let text = text::render(&inspect(&disk(&bench)).unwrap());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("more files (--json lists all)"), "{text}");
}

#[test]
fn what_is_no_disk_is_refused_with_what_it_is() {
    let bench = Bench::new();
    disk(&bench);
    for (name, what) in [
        ("vmlinuz", "a kernel (bzImage)"),
        ("initramfs", "a cpio archive"),
        ("scratch/boot.fat", "a FAT file system"),
        ("scratch/site.ext", "an ext file system"),
        ("missing", "cannot be read: No such file"),
        ("files", "holds no manifest.json"),
    ] {
        let error = inspect(&bench.path(name)).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.downcast_ref::<host::Problem>().is_some(), "{error}");
    }
}

#[test]
fn a_partition_that_cannot_be_read_does_not_hide_the_others() {
    let bench = Bench::new();
    let image = disk(&bench);
    let mut file = fs::File::options().write(true).open(&image).unwrap();
    file.seek(SeekFrom::Start((1 << 20) + 11)).unwrap(); // bytes per sector
    file.write_all(&[0, 0]).unwrap();
    let report = inspect(&image).unwrap();
    let partitions = report.disk.unwrap().partitions;
    let problem = partitions[0].problem.as_ref().unwrap();
    assert!(problem.contains("reading the FAT file system"), "{problem}");
    assert!(partitions[1].filesystem.is_some());
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn damage_anywhere_gives_a_report_or_an_error() {
    let rounds: u64 = std::env::var("DAMAGE_ROUNDS").map_or(300, |rounds| rounds.parse().unwrap());
    let bench = Bench::new();
    let image = disk(&bench);
    let whole = fs::read(&image).unwrap();
    let parts = Table::read(&mut io::Cursor::new(&whole)).unwrap().unwrap().partitions;
    // The structures of each file system are at its start; those of FAT include its
    // directories further on.
    let places: Vec<_> = parts.iter().map(|part| (part.range.start, 60_000)).collect();
    let mut file = fs::File::options().write(true).open(&image).unwrap();
    let mut random = Random(7);
    // Damage fills holes of the file.
    let look = || -> Result<Report> {
        let mut report = inspect(&image)?;
        report.disk.iter_mut().for_each(|disk| disk.file_bytes = 0);
        Ok(report)
    };
    let sound = look().unwrap();
    let mut noticed = 0;
    for _ in 0..rounds {
        let mut changed = Vec::new();
        for _ in 0..=random.below(4) {
            let (start, len) = places[usize::try_from(random.below(2)).unwrap()];
            // Half of the damage goes where most is at stake.
            let len = if random.below(2) == 0 { len } else { 1200 };
            let at = start + random.below(len);
            let byte = [0, 0xff, 0x80, 1][usize::try_from(random.below(4)).unwrap()];
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&[byte]).unwrap();
            changed.push(at);
        }
        let report = look();
        noticed += u32::from(report.as_ref().map_or(true, |report| *report != sound));
        let _ = report.map(|report| text::render(&report));
        for at in changed {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&whole[usize::try_from(at).unwrap()..][..1]).unwrap();
        }
    }
    assert!(look().unwrap() == sound);
    assert!(noticed > 0, "the damage cannot be seen");
}

#[test]
fn a_cut_image_gives_a_report_or_an_error() {
    let bench = Bench::new();
    let raw = disk(&bench);
    let qcow2 = bench.path("disk.qcow2");
    write(&raw, Format::Qcow2, &qcow2).unwrap();
    for image in [raw, qcow2] {
        let len = image.metadata().unwrap().len();
        let file = fs::File::options().write(true).open(&image).unwrap();
        // The second half of so small a qcow2 image is refcounts.
        for part in (0..20).rev() {
            file.set_len(len * part / 40).unwrap();
            assert!(inspect(&image).is_err(), "{part}");
        }
    }
}
