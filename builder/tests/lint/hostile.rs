//! Files that are made to take time or memory.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use anyhow::Result;
use appliance::lint::{Input, Package, lint};
use images::vmdk::header;

use crate::disks::{NUMBERS, set, sparse};
use crate::package::{Files, Parts, disk, report};

/// Whatever a file is, lint has to be through by then, on a busy host.
const DEADLINE: Duration = Duration::from_secs(60);

fn rules(files: &mut dyn Package, name: &str) -> Vec<&'static str> {
    let begin = Instant::now();
    let report = lint(files, name).unwrap();
    assert!(begin.elapsed() < DEADLINE, "{name} took {:?}", begin.elapsed());
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

/// A file that is longer than what was written at its start: zeros follow.
struct Holey {
    head: Vec<u8>,
    len: u64,
    at: u64,
}

impl Read for Holey {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap();
        let count = left.min(buffer.len());
        buffer[..count].fill(0);
        let start = usize::try_from(self.at).unwrap().min(self.head.len());
        let data = &self.head[start..];
        let copied = data.len().min(count);
        buffer[..copied].copy_from_slice(&data[..copied]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Holey {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.len.checked_add_signed(by).unwrap(),
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

struct One(Vec<u8>, u64);

impl Package for One {
    fn open(&mut self, _: &str) -> Result<Option<Box<dyn Input + '_>>> {
        Ok(Some(Box::new(Holey { head: self.0.clone(), len: self.1, at: 0 })))
    }
}

/// A sparse disk in which every one of `tables` tables is full.
fn full(tables: u64) -> One {
    let mut image = sparse();
    let capacity = tables * 512 * 128;
    set(&mut image, header::FLAGS, &1_u32.to_le_bytes());
    set(&mut image, header::CAPACITY, &capacity.to_le_bytes());
    let directory = 21_u64;
    let first = directory + (tables * 4).div_ceil(512);
    let overhead = first + tables * 4;
    set(&mut image, header::DIRECTORY, &directory.to_le_bytes());
    set(&mut image, header::OVERHEAD, &overhead.to_le_bytes());
    image.truncate(21 * 512);
    image.resize(usize::try_from(overhead).unwrap() * 512, 0);
    for table in 0..tables {
        let sector = u32::try_from(first + table * 4).unwrap();
        set(
            &mut image,
            usize::try_from(directory * 512 + table * 4).unwrap(),
            &sector.to_le_bytes(),
        );
        for entry in 0..512 {
            let grain = table * 512 + entry;
            let place = usize::try_from(u64::from(sector) * 512 + entry * 4).unwrap();
            let at = u32::try_from(overhead + grain * 128).unwrap();
            set(&mut image, place, &at.to_le_bytes());
        }
    }
    One(image, (overhead + capacity) * 512)
}

#[test]
fn a_full_disk_of_more_than_512_gib_is_compared_in_part() {
    let found = rules(&mut full(16_385), "a.vmdk");
    assert!(found.contains(&"vmdk-large"), "{found:?}");
    let found = rules(&mut full(2), "a.vmdk");
    assert!(!found.contains(&"vmdk-large"), "{found:?}");
}

#[test]
fn a_directory_of_one_table_a_million_times_is_not_followed() {
    let mut disk = full(1);
    let tables = 1_u64 << 20;
    disk.0.resize((21 << 9) + (4 << 20), 0);
    for entry in disk.0[21 << 9..].chunks_mut(4) {
        set(entry, 0, &(1_u32 << 20).to_le_bytes());
    }
    disk.1 = 1 << 40;
    set(&mut disk.0, header::CAPACITY, &(tables * 512 * 128).to_le_bytes());
    let report = lint(&mut disk, "a.vmdk").unwrap();
    assert!(report.findings.iter().any(|finding| finding.rule.id == "vmdk-table-overlap"));
    // Of a million findings, eight are kept.
    assert!(report.more["vmdk-table-overlap"] > 1_000_000);
    assert!(report.findings.len() < 50);
}

#[test]
fn numbers_at_their_limits_are_no_surprise() {
    let values = [0, 1, 8, 128, 511, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 55, 1 << 63, u64::MAX];
    for from in [disk(), sparse(), crate::disks::footed()] {
        for (one, other) in
            NUMBERS.iter().flat_map(|one| NUMBERS.iter().map(move |other| (one, other)))
        {
            for value in values {
                let mut image = from.clone();
                set(&mut image, *one, &value.to_le_bytes());
                set(&mut image, *other, &value.to_le_bytes());
                lint(&mut Files::one("a.vmdk", image), "a.vmdk").unwrap();
            }
        }
    }
}

#[test]
fn names_do_not_lead_out_of_the_package() {
    struct Watch(Files);
    impl Package for Watch {
        fn open(&mut self, name: &str) -> Result<Option<Box<dyn Input + '_>>> {
            assert!(!name.contains("..") && !name.starts_with('/'), "{name} was opened");
            self.0.open(name)
        }
    }
    let parts = Parts::good();
    for name in ["../a.vmdk", "/a.vmdk", "b/../../a.vmdk"] {
        let descriptor = parts.descriptor.replace("\"a.vmdk\"", &format!("\"{name}\""));
        let files = Parts { descriptor, ..parts.clone() }.files();
        let found = rules(&mut Watch(files), "a.ovf");
        assert!(found.contains(&"ref-outside"), "{found:?}");
    }
    let alone = "# Disk DescriptorFile\nversion=1\nRW 1 FLAT \"../b\"\nRW 1 FLAT \"/b\"\n";
    let found = rules(&mut Watch(Files::one("a.vmdk", alone)), "a.vmdk");
    assert!(found.contains(&"vmdk-extent-name"), "{found:?}");
    // Of an archive nothing is unpacked; only what is in it can be read.
    let mut directory = tempfile::tempdir().unwrap().path().to_owned();
    directory.push("x");
    std::fs::create_dir_all(&directory).unwrap();
    let manifest = Some("SHA256(/etc/passwd)= 00\n".to_owned());
    let found = rules(&mut Files::one("a.ova", Parts { manifest, ..parts }.ova()), "a.ova");
    assert!(found.contains(&"mf-digest-length"), "{found:?}");
}

#[test]
fn every_cut_of_a_package_ends_in_findings() {
    let ova = Parts::good().ova();
    for len in (0..ova.len()).step_by(97) {
        let report = report(&mut Files::one("a.ova", &ova[..len]), "a.ova");
        // The end of an archive may be missing.
        let whole = ova.len() - 2 * 512;
        assert_eq!(report.passed, len >= whole, "{len} of {} bytes", ova.len());
    }
}

#[test]
fn very_many_machines_disks_and_files_take_no_time() {
    let many = |count: usize, text: &str| -> String {
        (0..count).map(|number| text.replace('#', &number.to_string())).collect()
    };
    let files = many(12_000, "<File ovf:id=\"f#\" ovf:href=\"f#\"/>");
    let disks = many(6_000, "<Disk ovf:diskId=\"d#\" ovf:capacity=\"1\" ovf:fileRef=\"f#\"/>");
    let machines =
        many(9_000, "<VirtualSystem ovf:id=\"m#\"><VirtualHardwareSection/></VirtualSystem>");
    let text = format!(
        "<Envelope xmlns=\"{ovf}\" xmlns:ovf=\"{ovf}\"><References>{files}</References>\
         <DiskSection>{disks}</DiskSection><VirtualSystemCollection>{machines}\
         </VirtualSystemCollection></Envelope>",
        ovf = images::ovf::names::OVF,
    );
    let found = rules(&mut Files::one("a.ovf", text), "a.ovf");
    assert!(found.contains(&"hw-family") && !found.contains(&"xml-limits"), "{found:?}");
}
