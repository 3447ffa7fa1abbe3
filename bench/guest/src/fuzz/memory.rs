//! The memory that calls read and write: at fixed addresses, so that alignment and
//! the page that ends it are the same in every run.

use core::ptr;

use bench_guest::sys;

use crate::random::Random;

/// Bytes of each area.
pub(crate) const AREA: usize = 64 << 10;
/// What calls read.
const SOURCE: usize = 0x2000_0000;
/// What calls write; a page without access follows each area.
const TARGET: usize = 0x2100_0000;
/// For results of a known size.
const RESULT: usize = 0x2200_0000;
const PAGE: usize = 4096;

/// `MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS`, `PROT_READ | PROT_WRITE`.
const PRIVATE: usize = 0x32;
const BOTH: usize = 3;

/// Addresses that nobody may use: null, the kernel's, one that is no address, and the
/// page behind the source.
const BAD: [usize; 4] = [0, 0xffff_8880_0000_1000, 0x8000_0000_0000_0000, SOURCE + AREA];

/// Maps the areas, and fills the source with a pattern that has no period of two.
pub(crate) fn map() -> sys::Result<()> {
    const MMAP: usize = 9;
    for start in [SOURCE, TARGET, RESULT] {
        for (at, length, access) in [(start, AREA, BOTH), (start + AREA, PAGE, 0)] {
            // SAFETY: nothing else is mapped there: the program is linked below.
            unsafe { sys::call(MMAP, [at, length, access, PRIVATE, usize::MAX, 0]) }?;
        }
    }
    let mut random = Random::new(1, 1);
    for word in area(SOURCE).chunks_exact_mut(8) {
        word.copy_from_slice(&random.next().to_le_bytes());
    }
    Ok(())
}

/// The bytes of an area.
fn area(start: usize) -> &'static mut [u8] {
    // SAFETY: mapped for as long as the program runs; no two of its slices are in use
    // at a time, since each is looked at between two calls only.
    unsafe { core::slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(start), AREA) }
}

/// Where `length` bytes to read are; sometimes where they are not at all or, unless they
/// have to be `whole`, only in part.
pub(crate) fn source(random: &mut Random, length: usize, whole: bool) -> usize {
    place(random, SOURCE, length, whole)
}

/// Likewise where there is room for so many. The room is empty.
pub(crate) fn target(random: &mut Random, length: usize, whole: bool) -> usize {
    let at = place(random, TARGET, length, whole);
    written(at, length).fill(0);
    at
}

fn place(random: &mut Random, start: usize, length: usize, whole: bool) -> usize {
    let room = AREA.saturating_sub(length);
    match random.below(40) {
        0 => random.pick(&BAD),
        // It ends behind the area.
        1 if length > 1 && !whole => start + AREA - 1 - random.below(length.min(AREA) - 1),
        2..8 => start + room,
        _ => start + random.below(room.min(PAGE) + 1),
    }
}

/// What a call may have written at `at`; nothing where that is not in the target.
pub(crate) fn written(at: usize, length: usize) -> &'static mut [u8] {
    if (TARGET..TARGET + AREA).contains(&at) {
        let offset = at - TARGET;
        &mut area(TARGET)[offset..AREA.min(offset.saturating_add(length))]
    } else {
        &mut []
    }
}

/// Room for a result, empty.
pub(crate) fn result(length: usize) -> &'static mut [u8] {
    let room = &mut area(RESULT)[..length];
    room.fill(0);
    room
}

/// A length that is interesting: of a page, a sector, or about that, and any.
pub(crate) fn length(random: &mut Random) -> usize {
    const SPECIAL: [usize; 12] = [0, 1, 2, 7, 64, 511, 512, 4095, 4096, 4097, 8192, 16384];
    if random.one_in(2) { random.pick(&SPECIAL) } else { random.below(20_000) }
}
