//! Defects of VMDKs.

use images::vmdk::header;

use crate::package::{DISK, Files, Parts, broken, content, disk};
use crate::table::Defect;

/// The fields of a header in which a number can be wrong.
pub(crate) const NUMBERS: [usize; 11] = [
    header::VERSION,
    header::FLAGS,
    header::CAPACITY,
    header::GRAIN,
    header::DESCRIPTION,
    header::DESCRIPTION_SECTORS,
    header::TABLE_ENTRIES,
    header::SECOND_DIRECTORY,
    header::DIRECTORY,
    header::OVERHEAD,
    header::COMPRESSION,
];

const SECTOR: usize = 512;
/// Where our writer puts the descriptor, in bytes.
const DESCRIPTOR: std::ops::Range<usize> = SECTOR..21 * SECTOR;
/// Where it puts the directory, the table and the first grain.
const DIRECTORY: usize = 21 * SECTOR;
const TABLE: usize = 22 * SECTOR;
const GRAINS: usize = 26 * SECTOR;

pub(crate) fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Replaces text in the embedded descriptor.
fn describe(disk: &mut [u8], old: &str, new: &str) {
    let text = String::from_utf8(disk[DESCRIPTOR].to_vec()).unwrap();
    assert!(text.contains(old), "{old} is not in the descriptor");
    let mut text = text.trim_end_matches('\0').replacen(old, new, 1).into_bytes();
    text.resize(DESCRIPTOR.len(), 0);
    disk[DESCRIPTOR].copy_from_slice(&text);
}

/// A monolithicSparse VMDK with redundant tables, with the same content.
pub(crate) fn sparse() -> Vec<u8> {
    let mut image = disk()[..DIRECTORY].to_vec();
    describe(&mut image, "streamOptimized", "monolithicSparse");
    set(&mut image, header::VERSION, &1_u32.to_le_bytes());
    set(&mut image, header::FLAGS, &3_u32.to_le_bytes());
    set(&mut image, header::COMPRESSION, &[0, 0]);
    set(&mut image, header::SECOND_DIRECTORY, &21_u64.to_le_bytes());
    set(&mut image, header::DIRECTORY, &26_u64.to_le_bytes());
    set(&mut image, header::OVERHEAD, &128_u64.to_le_bytes());
    image.resize(128 * SECTOR, 0);
    let mut table = [0; 4 * SECTOR];
    for (number, grain) in content().chunks(65_536).enumerate() {
        if grain.iter().any(|byte| *byte != 0) {
            let sector = u32::try_from(image.len() / SECTOR).unwrap();
            set(&mut table, number * 4, &sector.to_le_bytes());
            image.extend(grain);
        }
    }
    for directory in [21_usize, 26] {
        let first = u32::try_from(directory + 1).unwrap();
        set(&mut image, directory * SECTOR, &first.to_le_bytes());
        set(&mut image, (directory + 1) * SECTOR, &table);
    }
    image
}

/// A streamOptimized VMDK as the specification draws it: table, directory and
/// footer behind the grains.
pub(crate) fn footed() -> Vec<u8> {
    let good = disk();
    let mut image = good[..GRAINS - 5 * SECTOR].to_vec();
    let moved = 5;
    set(&mut image, header::DIRECTORY, &u64::MAX.to_le_bytes());
    set(&mut image, header::OVERHEAD, &21_u64.to_le_bytes());
    image.extend(&good[GRAINS..good.len() - SECTOR]);
    let mut table = good[TABLE..GRAINS].to_vec();
    for entry in table.chunks_mut(4).filter(|entry| entry[..] != [0; 4]) {
        let sector = word(entry, 0) - moved;
        set(entry, 0, &sector.to_le_bytes());
    }
    let marker = |sectors: u64, kind: u32| {
        let mut marker = vec![0; SECTOR];
        set(&mut marker, 0, &sectors.to_le_bytes());
        set(&mut marker, 12, &kind.to_le_bytes());
        marker
    };
    image.extend(marker(4, 1));
    let mut directory = vec![0; SECTOR];
    set(&mut directory, 0, &u32::try_from(image.len() / SECTOR).unwrap().to_le_bytes());
    image.extend(table);
    image.extend(marker(1, 2));
    let place = image.len() / SECTOR;
    image.extend(directory);
    image.extend(marker(1, 3));
    let mut footer = image[..SECTOR].to_vec();
    set(&mut footer, header::DIRECTORY, &(place as u64).to_le_bytes());
    image.extend(footer);
    image.extend(marker(0, 0));
    image
}

/// A VMDK without anything wrong, changed.
fn changed(from: fn() -> Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = from();
    change(&mut bytes);
    bytes
}

pub(crate) fn defects() -> Vec<Defect> {
    let mut all = header_defects();
    all.extend(descriptor_defects());
    all.extend(table_defects());
    all.extend(stream_defects());
    all.extend(extent_defects());
    all.extend(packed_defects());
    all
}

fn header_defects() -> Vec<Defect> {
    let of = |rules, change: &dyn Fn(&mut Vec<u8>)| {
        Defect::of(rules, "a.vmdk", changed(disk, |bytes| change(bytes)))
    };
    let put = |rules, at: usize, value: &[u8]| of(rules, &|bytes| set(bytes, at, value));
    vec![
        of("vmdk-truncated", &|bytes| bytes.truncate(100)),
        of("vmdk-format", &|bytes| bytes[0] = 0),
        of("vmdk-format", &|bytes| bytes.clear()),
        of("vmdk-esx-sparse", &|bytes| set(bytes, 0, b"COWD")),
        put("vmdk-newline", header::NEWLINES + 2, b"\n"),
        put("vmdk-version", header::VERSION, &[4]),
        put("vmdk-version-old", header::VERSION, &[1]),
        put("vmdk-version-2", header::VERSION, &[2]),
        put("vmdk-flags", header::FLAGS + 2, &[0x13]),
        put("vmdk-compression", header::COMPRESSION, &[2]),
        put("vmdk-compression", header::FLAGS + 2, &[1]),
        put("vmdk-capacity-zero vmdk-size-differs", header::CAPACITY, &[0; 8]),
        put(
            "vmdk-capacity-limit vmdk-size-differs",
            header::CAPACITY,
            &(1_u64 << 40).to_le_bytes(),
        ),
        put(
            "vmdk-capacity-grain vmdk-size-differs",
            header::CAPACITY,
            &(DISK as u64 / 512 - 1).to_le_bytes(),
        ),
        put("vmdk-grain-size", header::GRAIN, &[127]),
        put("vmdk-grain-size", header::GRAIN, &[4]),
        put("vmdk-grain-size-unusual vmdk-grain-data vmdk-table-entry", header::GRAIN, &[64]),
        put("vmdk-table-size", header::TABLE_ENTRIES, &[1]),
        put("vmdk-unclean", header::UNCLEAN, &[1]),
        put("vmdk-overhead vmdk-end-missing vmdk-table-entry", header::OVERHEAD + 2, &[1]),
        put("vmdk-descriptor-place", header::DESCRIPTION + 4, &[1]),
        put("vmdk-descriptor-place", header::DESCRIPTION_SECTORS, &[0]),
        put("vmdk-descriptor-missing", header::DESCRIPTION, &[0; 16]),
        Defect::of("vmdk-hosted", "a.vmdk", sparse()),
    ]
}

fn descriptor_defects() -> Vec<Defect> {
    let text: &[(&str, &str, &str)] = &[
        ("vmdk-descriptor-signature", "# Disk Desc", "# Disc Desc"),
        ("vmdk-descriptor-text", "#DDB", "DDB"),
        ("vmdk-descriptor-version", "version=1", "version=2"),
        ("vmdk-cid", "\nCID=", "\nCID=x"),
        ("vmdk-parent", "parentCID=ffffffff", "parentCID=12345678"),
        ("vmdk-create-type", "createType=\"streamOptimized\"", "createType=\"stream\""),
        ("vmdk-create-type", "createType=\"streamOptimized\"\n", ""),
        (
            "vmdk-extents",
            "RW 512 SPARSE \"a.vmdk\"\n",
            "RW 256 SPARSE \"a\"\nRW 256 SPARSE \"b\"\n",
        ),
        ("vmdk-extent-line", "RW 512 SPARSE", "RW 512 SPARS"),
        ("vmdk-size-differs", "RW 512 SPARSE", "RW 511 SPARSE"),
        ("vmdk-adapter", "\"lsilogic\"", "\"virtio\""),
        ("vmdk-adapter-pvscsi", "\"lsilogic\"", "\"pvscsi\""),
        ("vmdk-adapter-missing", "ddb.adapterType = \"lsilogic\"\n", ""),
        ("vmdk-hardware-version", "HWVersion = \"4\"", "HWVersion = \"99\""),
        ("vmdk-geometry", "sectors = \"63\"", "sectors = \"64\""),
        ("vmdk-geometry", "cylinders = \"1\"", "cylinders = \"18446744073709551615\""),
        ("vmdk-geometry-missing", "ddb.geometry.heads = \"255\"\n", ""),
        ("vmdk-long-content-id", "longContentID = \"", "longContentID = \"0"),
        ("vmdk-encoding", "encoding=\"UTF-8\"", "encoding=\"EBCDIC\""),
        ("vmdk-type-differs", "streamOptimized", "monolithicFlat"),
    ];
    let mut all: Vec<Defect> = text
        .iter()
        .map(|(rules, old, new)| {
            Defect::of(rules, "a.vmdk", changed(disk, |bytes| describe(bytes, old, new)))
        })
        .collect();
    let long = changed(footed, |bytes| {
        let end = bytes.len() as u64 / 512;
        bytes.resize(bytes.len() + 130 * SECTOR, 0);
        let text = bytes[DESCRIPTOR].to_vec();
        let at = usize::try_from(end).unwrap() * SECTOR;
        set(bytes, at, &text);
        set(bytes, header::DESCRIPTION, &end.to_le_bytes());
        set(bytes, header::DESCRIPTION_SECTORS, &130_u64.to_le_bytes());
    });
    all.push(Defect::of("vmdk-descriptor-long vmdk-footer vmdk-trailing", "a.vmdk", long));
    all
}

fn table_defects() -> Vec<Defect> {
    let of = |rules, change: &dyn Fn(&mut Vec<u8>)| {
        Defect::of(rules, "a.vmdk", changed(sparse, |bytes| change(bytes)))
    };
    let put = |rules, at: usize, value: &[u8]| of(rules, &|bytes| set(bytes, at, value));
    let (directory, table) = (26 * SECTOR, 27 * SECTOR);
    let last = table + 3 * 4;
    let mut all = vec![
        put("vmdk-directory vmdk-hosted", header::DIRECTORY, &u64::MAX.to_le_bytes()),
        put("vmdk-directory vmdk-hosted", header::DIRECTORY, &[0]),
        put("vmdk-table vmdk-hosted", directory, &u32::MAX.to_le_bytes()),
        put("vmdk-grain vmdk-hosted vmdk-redundant", last, &u32::MAX.to_le_bytes()),
        put("vmdk-grain vmdk-grain-overlap vmdk-hosted vmdk-redundant", last, &1_u32.to_le_bytes()),
        put("vmdk-grain-overlap vmdk-hosted vmdk-redundant", last, &129_u32.to_le_bytes()),
        put("vmdk-redundant vmdk-hosted", 22 * SECTOR, &[0; 4]),
    ];
    // A disk of two tables in one place.
    let two = of("vmdk-table-overlap vmdk-hosted vmdk-capacity-grain", &|bytes| {
        let capacity = 128 * 512 + 1_u64;
        set(bytes, header::CAPACITY, &capacity.to_le_bytes());
        describe(bytes, "RW 512 ", &format!("RW {capacity} "));
        let table = bytes[directory..directory + 4].to_vec();
        set(bytes, directory + 4, &table);
    });
    all.push(two);
    all
}

fn stream_defects() -> Vec<Defect> {
    let of = |rules, from: fn() -> Vec<u8>, change: &dyn Fn(&mut Vec<u8>)| {
        Defect::of(rules, "a.vmdk", changed(from, |bytes| change(bytes)))
    };
    // The second grain of the stream is the fourth of the disk.
    let second = usize::try_from(word(&disk(), TABLE + 12)).unwrap() * SECTOR;
    let footer = footed().len() - 2 * SECTOR;
    vec![
        of("vmdk-marker", disk, &|bytes| set(bytes, second + 8, &u32::MAX.to_le_bytes())),
        of("vmdk-marker", disk, &|bytes| set(bytes, second, &[9; 16])),
        of("vmdk-marker", disk, &|bytes| bytes.truncate(second + SECTOR)),
        of("vmdk-end-missing", disk, &|bytes| bytes.truncate(bytes.len() - SECTOR)),
        of("vmdk-end vmdk-footer", footed, &|bytes| bytes.truncate(bytes.len() - SECTOR)),
        of("vmdk-trailing", disk, &|bytes| bytes.extend([1; SECTOR])),
        of("vmdk-grain-data", disk, &|bytes| bytes[second + 20] ^= 0x55),
        of("vmdk-grain-lba vmdk-table-entry", disk, &|bytes| bytes[second] += 1),
        of("vmdk-grain-lba vmdk-table-entry", disk, &|bytes| {
            set(bytes, second, &u64::MAX.to_le_bytes());
        }),
        of("vmdk-grain-lba vmdk-table-entry", disk, &|bytes| set(bytes, second, &[0; 8])),
        of("vmdk-grain-order", disk, &|bytes| {
            set(bytes, second, &[0; 8]);
            set(bytes, GRAINS, &384_u64.to_le_bytes());
            let first = bytes[TABLE..TABLE + 4].to_vec();
            let fourth = bytes[TABLE + 12..TABLE + 16].to_vec();
            set(bytes, TABLE, &fourth);
            set(bytes, TABLE + 12, &first);
        }),
        of("vmdk-table-entry", disk, &|bytes| bytes[TABLE] += 1),
        of("vmdk-grain-unreachable", disk, &|bytes| set(bytes, TABLE, &[0; 4])),
        of("vmdk-footer", footed, &|bytes| bytes[footer] = 0),
        of("vmdk-footer", footed, &|bytes| {
            set(bytes, footer + header::DIRECTORY, &u64::MAX.to_le_bytes());
        }),
        of("vmdk-footer-differs", footed, &|bytes| bytes[footer + header::CAPACITY] += 1),
        of("vmdk-directory", footed, &|bytes| {
            set(bytes, footer + header::DIRECTORY, &(1_u64 << 62).to_le_bytes());
        }),
    ]
}

/// A disk in two files.
fn split(change: impl FnOnce(String) -> String) -> Files {
    let text = "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n\
        createType=\"twoGbMaxExtentSparse\"\nRW 512 FLAT \"b.vmdk\" 0\nRW 512 SPARSE \"c.vmdk\"\n\
        RW 8 ZERO\nddb.virtualHWVersion = \"14\"\nddb.adapterType = \"lsilogic\"\n\
        ddb.geometry.cylinders = \"1\"\nddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\n";
    let mut files = Files::one("a.vmdk", change(text.to_owned()));
    files.0.insert("b.vmdk".into(), content());
    files.0.insert("c.vmdk".into(), sparse());
    files
}

fn extent_defects() -> Vec<Defect> {
    let replace = |rules, old: &str, new: &str| Defect {
        rules,
        files: split(|text| {
            assert!(text.contains(old), "{old}");
            text.replace(old, new)
        }),
        name: "a.vmdk",
    };
    let without: String = split(|text| text)
        .0
        .remove("a.vmdk")
        .map(|text| String::from_utf8(text).unwrap())
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("RW"))
        .map(|line| format!("{line}\n"))
        .collect();
    vec![
        replace("vmdk-hosted", "16", "16"),
        replace("vmdk-extent-missing vmdk-hosted", "b.vmdk", "d.vmdk"),
        replace("vmdk-extent-name vmdk-hosted", "b.vmdk", "/dev/zero"),
        replace("vmdk-extent-name vmdk-hosted", "b.vmdk", "../b.vmdk"),
        replace("vmdk-extent-cycle vmdk-hosted", "b.vmdk", "a.vmdk"),
        replace("vmdk-extent-cycle vmdk-hosted", "b.vmdk", "c.vmdk")
            .with_rules("vmdk-extent-cycle vmdk-extent-short vmdk-hosted"),
        replace("vmdk-extent-short vmdk-hosted", "FLAT \"b.vmdk\" 0", "FLAT \"b.vmdk\" 1"),
        replace(
            "vmdk-extent-short vmdk-hosted",
            "FLAT \"b.vmdk\" 0",
            "FLAT \"b.vmdk\" 18446744073709551615",
        ),
        replace("vmdk-extent-sparse vmdk-hosted", "RW 512 SPARSE", "RW 513 SPARSE"),
        Defect::of("vmdk-no-extent vmdk-hosted vmdk-geometry", "a.vmdk", without)
            .with_rules("vmdk-no-extent vmdk-hosted"),
    ]
}

impl Defect {
    fn with_rules(self, rules: &'static str) -> Self {
        Self { rules, ..self }
    }
}

/// What only a package can have wrong with its disk.
fn packed_defects() -> Vec<Defect> {
    let of = |rules, disk: Vec<u8>| Defect {
        rules,
        files: Parts::with_disk(disk).files(),
        name: "a.ovf",
    };
    vec![
        of("disk-subformat", sparse()),
        of("disk-adapter", changed(disk, |bytes| describe(bytes, "\"lsilogic\"", "\"ide\""))),
        of(
            "disk-hardware-version",
            changed(disk, |bytes| {
                describe(bytes, "HWVersion = \"4\"", "HWVersion = \"15\"");
            }),
        ),
    ]
}

#[test]
fn other_layouts_are_no_findings() {
    let found = |bytes: Vec<u8>| broken(&mut Files::one("a.vmdk", bytes), "a.vmdk");
    assert!(found(footed()).is_empty(), "{:?}", found(footed()));
    // Newer tools say how far they are.
    let progress = changed(footed, |bytes| {
        let mut marker = vec![0; SECTOR];
        set(&mut marker, 12, &4_u32.to_le_bytes());
        let end = bytes.len() - 3 * SECTOR;
        bytes.splice(end..end, marker);
    });
    assert!(found(progress).is_empty());
    assert_eq!(long(&footed(), header::DIRECTORY), u64::MAX);
}
