//! Files that are changed at random, with a fixed seed: none makes lint panic, hang
//! or take memory.
//!
//! The changes know the formats: they set fields of headers, tables and markers to
//! telling values, exchange pieces of descriptors, cut and repeat, and then mend
//! checksums, sizes and digests, so that they get past the first check.
//! `APPLIANCE_FUZZ_INPUTS` says how many there are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use appliance::lint::lint;
use images::tar::{BLOCK, field as tar};

use crate::archives::fix_checksum;
use crate::disks::{NUMBERS, footed, set, sparse};
use crate::package::{Files, Parts, archive, disk};

/// Counts what is allocated, in bytes.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of this function.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// How many inputs there are without a word from outside.
const INPUTS: u64 = 20_000;
/// The most memory that lint may take, in bytes; what the tests beside it take counts
/// too.
const MEMORY: usize = 256 << 20;
/// The longest that one input may take, on a busy host.
const DEADLINE: Duration = Duration::from_secs(20);

/// Numbers that look random (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// Below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A number at one of the places where arithmetic goes wrong.
    fn number(&mut self) -> u64 {
        let exponent = self.below(64);
        match self.below(6) {
            0 => u64::MAX - self.next() % 3,
            1 => (1 << exponent) - 1,
            2 => 1 << exponent,
            3 => self.next() % 1000,
            4 => 128 << (exponent % 32),
            _ => self.next(),
        }
    }
}

/// What is changed, made once.
struct Corpus {
    parts: Parts,
    signed: Parts,
    disks: [Vec<u8>; 3],
    /// Pieces of descriptors, to be put anywhere.
    pieces: Vec<String>,
}

impl Corpus {
    fn new() -> Self {
        let parts = Parts::good();
        let pieces = parts.descriptor.split_inclusive('>').map(str::to_owned).collect();
        let certificate = "SHA256(a.mf)= 00\n-----BEGIN CERTIFICATE-----\nAA==\n\
            -----END CERTIFICATE-----\n";
        let signed = Parts { certificate: Some(certificate.to_owned()), ..parts.clone() };
        Self { parts, signed, disks: [disk(), sparse(), footed()], pieces }
    }

    /// One input: files, and which of them is checked.
    fn input(&self, random: &mut Random) -> (Files, &'static str) {
        match random.below(8) {
            0..3 => {
                let disk = random.of(&self.disks).clone();
                (Files::one("a.vmdk", changed_disk(disk, random)), "a.vmdk")
            }
            3..5 => (self.changed_descriptor(random).files(), "a.ovf"),
            5 => {
                let disk = changed_disk(random.of(&self.disks).clone(), random);
                (Files::one("a.ova", Parts::with_disk(disk).ova()), "a.ova")
            }
            6 => {
                let parts = if random.below(2) == 0 { &self.parts } else { &self.signed };
                (Files::one("a.ova", changed_archive(parts, random)), "a.ova")
            }
            _ => (self.changed_texts(random), *random.of(&["a.ovf", "a.ova", "a.vmdk"])),
        }
    }

    fn changed_descriptor(&self, random: &mut Random) -> Parts {
        let mut text = self.parts.descriptor.clone();
        for _ in 0..=random.below(4) {
            text = self.changed_text(&text, random);
        }
        let manifest = (random.below(4) == 0).then(|| "SHA256(a.ovf)= 0".repeat(random.below(9)));
        Parts { descriptor: text, manifest, ..self.parts.clone() }
    }

    fn changed_text(&self, text: &str, random: &mut Random) -> String {
        let mut at = random.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let (before, after) = text.split_at(at);
        let next = after.find(['"', '<', '>']).map_or(after.len(), |place| place + 1);
        match random.below(8) {
            // Another piece in between, or in place of the next.
            0 => format!("{before}{}{after}", random.of(&self.pieces)),
            1 => format!("{before}{}{}", random.of(&self.pieces), &after[next..]),
            2 => format!("{before}{}", &after[next..]),
            // A value becomes a number, or something with a meaning.
            3 => quoted(before, after, &random.number().to_string()),
            4 => quoted(before, after, random.of::<&str>(&WORDS)),
            // Very many, very deep.
            5 => format!("{before}{}{after}", random.of(&self.pieces).repeat(random.below(300))),
            6 => format!("{before}{}{after}", "<a>".repeat(random.below(200))),
            _ => before.to_owned(),
        }
    }

    /// Manifest, certificate, descriptor of a disk: texts without a frame.
    fn changed_texts(&self, random: &mut Random) -> Files {
        let mut files = self.signed.files();
        let text = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n\
            createType=\"custom\"\nRW 512 FLAT \"a.mf\" 0\nRW 1 SPARSE \"a.vmdk\"\n";
        files.0.insert("a.vmdk".into(), text.into());
        for name in ["a.vmdk", "a.mf", "a.cert"] {
            let bytes = files.0.remove(name).unwrap();
            let mut text = String::from_utf8(bytes).unwrap();
            text = self.changed_text(&text, random);
            files.0.insert(name.into(), text.into_bytes());
        }
        let members: Vec<_> = files.0.clone().into_iter().rev().collect();
        files.0.insert("a.ova".into(), archive(&members));
        files
    }
}

/// Words that mean something in a descriptor.
const WORDS: [&str; 16] = [
    "",
    "../../etc/passwd",
    "/dev/zero",
    "file1",
    "vmdisk1",
    "vmx-21",
    "byte * 2^63",
    "byte * 0^0",
    "http://localhost/",
    "ovf:/file/file1",
    "ovf:/disk/",
    "17",
    "&amp;",
    "\u{1}",
    "-1",
    "http://schemas.dmtf.org/ovf/envelope/2",
];

/// The text up to the next quote or tag is replaced.
fn quoted(before: &str, after: &str, value: &str) -> String {
    let end = after.find(['"', '<']).unwrap_or(after.len());
    let start = before.rfind(['"', '>']).map_or(0, |place| place + 1);
    format!("{}{value}{}", &before[..start], &after[end..])
}

fn changed_disk(mut disk: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(3) {
        if disk.len() < 1024 {
            break;
        }
        let sectors = disk.len() / 512;
        match random.below(8) {
            0..3 => {
                let at = *random.of(&NUMBERS);
                let value = random.number().to_le_bytes();
                let len = *random.of(&[1, 2, 4, 8]);
                set(&mut disk, at, &value[..len]);
            }
            // Tables, directories, markers: the start of a sector.
            3 | 4 => {
                let at = random.below(sectors) * 512 + random.below(5) * 4;
                let small = u64::try_from(random.below(sectors + 2)).unwrap();
                let value = if random.below(2) == 0 { random.number() } else { small };
                set(&mut disk, at, &value.to_le_bytes());
            }
            5 => {
                let at = random.below(disk.len());
                disk[at] ^= 1 << random.below(8);
            }
            6 => disk.truncate(random.below(disk.len())),
            // A sector in another place, such as a second footer.
            _ => {
                let (from, to) = (random.below(sectors) * 512, random.below(sectors) * 512);
                disk.copy_within(from..from + 512, to);
            }
        }
    }
    disk
}

/// Changes an archive and mends the checksums of its headers.
fn changed_archive(parts: &Parts, random: &mut Random) -> Vec<u8> {
    let mut members = parts.members();
    match random.below(6) {
        0 => members.rotate_left(1),
        1 => {
            let again = random.of(&members).clone();
            members.push(again);
        }
        2 => drop(members.remove(random.below(members.len()))),
        _ => {}
    }
    let mut bytes = archive(&members);
    let headers: Vec<usize> = (0..bytes.len())
        .step_by(BLOCK)
        .filter(|at| bytes[*at..].get(tar::MAGIC) == Some(b"ustar\0"))
        .collect();
    for _ in 0..=random.below(2) {
        let at = *random.of(&headers);
        match random.below(6) {
            0 => {
                let size = format!("{:011o}", random.number() % (1 << 33));
                set(&mut bytes, at + tar::SIZE.start, size.as_bytes());
            }
            1 => {
                let number = random.number().to_be_bytes();
                set(&mut bytes, at + tar::SIZE.start, &[0x80, 0, 0, 0]);
                set(&mut bytes, at + tar::SIZE.start + 4, &number);
            }
            2 => bytes[at + tar::TYPEFLAG] = *random.of(b"0125xgLKSV\0\xff"),
            3 => set(&mut bytes, at, random.of(&WORDS).as_bytes()),
            4 => {
                let place = at + random.below(BLOCK);
                bytes[place] = u8::try_from(random.below(256)).unwrap();
            }
            _ => set(&mut bytes, at + tar::PREFIX.start, random.of(&WORDS).as_bytes()),
        }
        fix_checksum(&mut bytes, at);
    }
    if random.below(8) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    bytes
}

#[test]
fn changed_files_end_in_findings() {
    let inputs =
        std::env::var("APPLIANCE_FUZZ_INPUTS").map_or(INPUTS, |text| text.parse().unwrap());
    let corpus = Corpus::new();
    let mut random = Random(0x5eed_0000_0000_0005);
    let begin = Instant::now();
    let mut kinds = std::collections::BTreeMap::<&str, u64>::new();
    MOST.store(NOW.load(Ordering::Relaxed), Ordering::Relaxed);
    for number in 0..inputs {
        let (mut files, name) = corpus.input(&mut random);
        let start = Instant::now();
        // A panic names the input: it has the number of the seed's.
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lint(&mut files, name)));
        let took = start.elapsed();
        match result {
            Ok(Ok(report)) => {
                for finding in &report.findings {
                    *kinds.entry(finding.rule.id).or_default() += 1;
                }
            }
            Ok(Err(_)) => *kinds.entry("an error").or_default() += 1,
            Err(_) => panic!("input {number} ({name}) makes lint panic"),
        }
        assert!(took < DEADLINE, "input {number} ({name}) takes {took:?}");
    }
    let most = MOST.load(Ordering::Relaxed);
    println!("{inputs} inputs in {:?}, {} KiB, {} rules", begin.elapsed(), most >> 10, kinds.len());
    assert!(most < MEMORY, "{most} bytes");
    // The changes reach every part of lint.
    let groups =
        ["ova-", "mf-", "cert-", "xml-", "ovf-", "ref-", "disk-", "hw-", "prop-", "vmdk-grain"];
    for group in groups {
        assert!(kinds.keys().any(|id| id.starts_with(group)), "none of {group} in {kinds:?}");
    }
}
