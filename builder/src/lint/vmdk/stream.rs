//! A stream of compressed grains (Virtual Disk Format 5.0, "Stream-Optimized
//! Compressed Sparse Extents"): read once from front to back, each grain
//! decompressed once.

use std::io::{BufReader, Read, Seek, SeekFrom};

use anyhow::{Context, Result};
use flate2::{Decompress, FlushDecompress, Status};
use images::field;

use super::header::{AT_END, Header, TABLE_ENTRIES, check_footer};
use super::tables::{self, LARGE, REMEMBERED};
use super::{SECTOR, SECTOR_LEN};
use crate::lint::finding::{ALL, Findings, Place, SERVERS, Source, VIRTUALBOX, rules};
use crate::lint::input::{Input, read_at};

const STREAM: Source =
    Source::Specification("Virtual Disk Format 5.0, Stream-Optimized Compressed Sparse Extents");

rules! {
    MARKER = "vmdk-marker": Error, ALL, STREAM,
        "the stream is a row of grains and of known markers, each of which fits in",
        "convert the disk again from its source; the stream is damaged or cut";
    END = "vmdk-end": Error, ALL, STREAM,
        "a stream with a footer ends with the end-of-stream marker",
        "copy the file again; its end is missing";
    END_MISSING = "vmdk-end-missing": Note, SERVERS, STREAM,
        "the stream ends with the end-of-stream marker",
        "nothing; the tables in front say what is there";
    TRAILING = "vmdk-trailing": Warning, ALL, STREAM,
        "nothing but zeros follows the end-of-stream marker",
        "cut the file there";
    GRAIN_DATA = "vmdk-grain-data": Error, ALL, STREAM,
        "every grain decompresses (zlib, RFC 1950) to the grain size",
        "convert the disk again from its source; the grain is damaged";
    GRAIN_LBA = "vmdk-grain-lba": Error, ALL, STREAM,
        "every grain starts on the disk at a multiple of the grain size, once",
        "convert the disk again from its source";
    GRAIN_ORDER = "vmdk-grain-order": Warning, VIRTUALBOX,
        Source::Behaviour("VirtualBox reads the disk of an OVA as a stream, in the order of the disk"),
        "grains are in the order of the disk",
        "convert the disk again from its source";
    TABLE_ENTRY = "vmdk-table-entry": Error, ALL, STREAM,
        "every entry of a grain table points to the marker of its grain",
        "convert the disk again from its source; tables and stream contradict each other";
    UNREACHABLE = "vmdk-grain-unreachable": Error, ALL, STREAM,
        "every grain of the stream is in a grain table",
        "convert the disk again from its source; tables and stream contradict each other";
}

/// The bytes in front of a grain's data: where it is on the disk, its length.
const GRAIN_HEADER: usize = 12;
/// What a marker with a length of zero announces.
mod marker {
    pub(super) const END: u32 = 0;
    pub(super) const TABLE: u32 = 1;
    pub(super) const DIRECTORY: u32 = 2;
    pub(super) const FOOTER: u32 = 3;
    /// Of newer tools: how far they are. It announces nothing.
    pub(super) const PROGRESS: u32 = 4;
}

/// A grain that the stream has: its number, its sector in the file.
type Grain = (u32, u32);

/// Checks a stream.
pub(super) fn check(
    file: &mut dyn Input,
    sectors: u64,
    header: &Header,
    findings: &mut Findings,
) -> Result<()> {
    let mut walk = Walk::new(file, sectors, header)?;
    walk.run(findings)?;
    let Walk { grains, count, ended, position, .. } = walk;
    if !ended && header.directory == AT_END {
        findings.add(&END, Place::offset(position), "the file ends before");
    } else if !ended && !findings.has(&MARKER) {
        findings.add(&END_MISSING, Place::offset(position), "the file ends with a grain");
    }
    if count > grains.len() as u64 {
        findings.add(&LARGE, Place::file(), format!("{count} grains"));
        return Ok(());
    }
    let at = match header.directory {
        AT_END => match footer(file, sectors, header, findings)? {
            Some(at) => at,
            None => return Ok(()),
        },
        at => at,
    };
    if findings.has(&MARKER) {
        return Ok(());
    }
    compare(file, sectors, header, at, grains, findings)
}

/// The directory's sector, as the footer says.
fn footer(
    file: &mut dyn Input,
    sectors: u64,
    header: &Header,
    findings: &mut Findings,
) -> Result<Option<u64>> {
    let offset = sectors.saturating_sub(2) * SECTOR;
    let sector = read_at(file, offset, SECTOR_LEN)?;
    Ok(check_footer(header, &sector, offset, findings))
}

/// Compares the tables with the grains that the stream has.
fn compare(
    file: &mut dyn Input,
    sectors: u64,
    header: &Header,
    at: u64,
    mut grains: Vec<Grain>,
    findings: &mut Findings,
) -> Result<()> {
    grains.sort_unstable();
    for pair in grains.windows(2) {
        if pair[0].0 == pair[1].0 {
            let place = Place::offset(u64::from(pair[1].1) * SECTOR);
            findings.add(&GRAIN_LBA, place, format!("grain {} a second time", pair[0].0));
        }
    }
    let Some(directory) = tables::directory(file, sectors, header, at, findings)? else {
        return Ok(());
    };
    let mut reached = 0;
    tables::entries(file, &directory, |number, sector, offset| {
        let found = u32::try_from(number).ok();
        if found.is_some_and(|number| grains.binary_search(&(number, sector)).is_ok()) {
            reached += 1;
        } else {
            let found = format!("grain {number} at sector {sector}, where it is not");
            findings.add(&TABLE_ENTRY, Place::offset(offset), found);
        }
    })?;
    if reached < grains.len() && !findings.has(&TABLE_ENTRY) && !findings.has(&GRAIN_LBA) {
        let found = format!("{} grains, {reached} of them in the tables", grains.len());
        findings.add(&UNREACHABLE, Place::file(), found);
    }
    Ok(())
}

/// The way through a stream.
struct Walk<'a> {
    file: BufReader<&'a mut dyn Input>,
    header: &'a Header,
    /// Where the file's whole sectors end, in bytes.
    end: u64,
    position: u64,
    grains: Vec<Grain>,
    /// How many grains there are that have a place on the disk.
    count: u64,
    ended: bool,
    last: Option<u64>,
    inflate: Decompress,
    plain: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(file: &'a mut dyn Input, sectors: u64, header: &'a Header) -> Result<Self> {
        let position = header.overhead.min(sectors) * SECTOR;
        let mut file = BufReader::with_capacity(1 << 16, file);
        file.seek(SeekFrom::Start(position))?;
        // One byte more than a grain, to see one that is too long.
        let plain = vec![0; usize::try_from(header.grain * SECTOR)? + 1];
        Ok(Self {
            file,
            header,
            end: sectors * SECTOR,
            position,
            grains: Vec::new(),
            count: 0,
            ended: false,
            last: None,
            inflate: Decompress::new(true),
            plain,
        })
    }

    fn run(&mut self, findings: &mut Findings) -> Result<()> {
        let mut sector = [0; SECTOR_LEN];
        while self.position < self.end && !self.ended {
            host::check_interrupt()?;
            let place = self.position;
            self.read(&mut sector)?;
            let (value, size) = (u64::from_le_bytes(field(&sector, 0)), field(&sector, 8));
            let size = u32::from_le_bytes(size);
            let going = if size == 0 {
                self.marker(place, value, u32::from_le_bytes(field(&sector, 12)), findings)?
            } else {
                self.grain(place, value, size, &sector, findings)?
            };
            if !going {
                return Ok(());
            }
        }
        // qemu-img fills the last cluster up with zeros.
        while self.position < self.end {
            host::check_interrupt()?;
            let place = self.position;
            self.read(&mut sector)?;
            if sector.iter().any(|byte| *byte != 0) {
                let found = format!("{} bytes more", self.end - place);
                findings.add(&TRAILING, Place::offset(place), found);
                break;
            }
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).context("reading a stream of grains")?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Passes over what a marker announces; gives whether it can go on.
    fn marker(
        &mut self,
        place: u64,
        sectors: u64,
        kind: u32,
        findings: &mut Findings,
    ) -> Result<bool> {
        let tables = self.header.grains().div_ceil(TABLE_ENTRIES);
        let expected = match kind {
            marker::END => 0,
            marker::TABLE => TABLE_ENTRIES * 4 / SECTOR,
            marker::DIRECTORY => tables.saturating_mul(4).div_ceil(SECTOR),
            marker::FOOTER => 1,
            marker::PROGRESS => sectors,
            _ => u64::MAX,
        };
        let end = expected.checked_mul(SECTOR).and_then(|bytes| bytes.checked_add(self.position));
        let Some(end) = end.filter(|end| *end <= self.end && sectors == expected) else {
            let found = format!("a marker of type {kind} for {sectors} sectors");
            findings.add(&MARKER, Place::offset(place), found);
            return Ok(false);
        };
        self.file.seek_relative(i64::try_from(end - self.position)?)?;
        self.position = end;
        self.ended = kind == marker::END;
        Ok(true)
    }

    /// Reads a grain whose first sector is there; gives whether it can go on.
    fn grain(
        &mut self,
        place: u64,
        lba: u64,
        size: u32,
        first: &[u8],
        findings: &mut Findings,
    ) -> Result<bool> {
        let len = GRAIN_HEADER + usize::try_from(size)?;
        let end = place + (len as u64).next_multiple_of(SECTOR);
        // zlib adds 5 bytes to each 16 KiB that it cannot compress, and 6 in all.
        if end > self.end || len > 2 * self.plain.len() {
            findings.add(&MARKER, Place::offset(place), format!("a grain of {size} bytes"));
            return Ok(false);
        }
        let mut data = first.to_vec();
        data.resize(usize::try_from(end - place)?, 0);
        self.read(&mut data[first.len()..])?;
        self.check_lba(place, lba, findings);
        if let Some(found) = self.damage(&data[GRAIN_HEADER..len]) {
            findings.add(&GRAIN_DATA, Place::offset(place), found);
        }
        Ok(true)
    }

    fn check_lba(&mut self, place: u64, lba: u64, findings: &mut Findings) {
        let Header { grain, capacity, .. } = *self.header;
        if lba >= capacity || !lba.is_multiple_of(grain) {
            let found = format!("a grain for sector {lba} of {capacity}");
            findings.add(&GRAIN_LBA, Place::offset(place), found);
            return;
        }
        if self.last.is_some_and(|last| last > lba) {
            findings.add(&GRAIN_ORDER, Place::offset(place), format!("a grain for sector {lba}"));
        }
        self.last = Some(lba);
        self.count += 1;
        if let (Ok(number), Ok(sector), true) = (
            u32::try_from(lba / grain),
            u32::try_from(place / SECTOR),
            self.grains.len() < REMEMBERED,
        ) {
            self.grains.push((number, sector));
        }
    }

    /// What is wrong with the data of a grain.
    fn damage(&mut self, data: &[u8]) -> Option<String> {
        self.inflate.reset(true);
        let status = self.inflate.decompress(data, &mut self.plain, FlushDecompress::Finish);
        let expected = self.plain.len() as u64 - 1;
        match (status, self.inflate.total_out()) {
            (Ok(Status::StreamEnd), len) if len == expected => None,
            (Ok(_), len) => Some(format!("{len} bytes instead of {expected}")),
            (Err(error), _) => Some(error.to_string()),
        }
    }
}
