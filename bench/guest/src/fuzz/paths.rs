//! Random paths, most of them to something that may be there.

use crate::random::Random;

/// The longest path that is made, with its closing zero byte.
const LONGEST: usize = 1400;

/// Few names, so that most calls meet what earlier ones have left.
const NAMES: [&[u8]; 6] = [b"a", b"b", b"c", b"d", b"file.html", b"dir"];
/// What else may stand between slashes.
const SPECIAL: [&[u8]; 3] = [b".", b"..", b""];

/// A path with its closing zero byte.
pub(crate) struct Path {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Path {
    /// A path below the directory of a world, `base`.
    pub(crate) fn random(random: &mut Random, base: &[u8]) -> Self {
        let mut path = Self { bytes: [0; LONGEST], length: 0 };
        if random.below(4) > 0 {
            path.push(base);
            path.push(b"/");
        }
        let components = 1 + random.below(3) + if random.one_in(20) { 12 } else { 0 };
        for component in 0..components {
            if component > 0 {
                path.push(b"/");
            }
            path.push_component(random);
        }
        if random.one_in(24) {
            path.push(b"/");
        }
        if random.one_in(200) {
            path.length = 0;
        }
        path
    }

    /// A path of one of the usual names in the directory of a world.
    pub(crate) fn near(random: &mut Random, base: &[u8]) -> Self {
        let mut path = Self { bytes: [0; LONGEST], length: 0 };
        [base, b"/", random.pick(&NAMES)].iter().for_each(|part| path.push(part));
        path
    }

    /// A path that is known.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut path = Self { bytes: [0; LONGEST], length: 0 };
        path.push(text);
        path
    }

    fn push_component(&mut self, random: &mut Random) {
        match random.below(60) {
            0..3 => self.push(random.pick(&SPECIAL)),
            3 => self.push(&[b'l'; 60]),
            4 => self.push(&[b'm'; 255]),
            5 if random.one_in(4) => self.push(&[b'n'; 256]),
            _ => self.push(random.pick(&NAMES)),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        // The last byte stays zero.
        let count = bytes.len().min(LONGEST - 1 - self.length);
        self.bytes[self.length..self.length + count].copy_from_slice(&bytes[..count]);
        self.length += count;
    }

    /// The path as calls take it; sometimes an address of nothing instead.
    pub(crate) fn address(&mut self, random: &mut Random) -> usize {
        if random.one_in(300) {
            return random.pick(&[0, 0xffff_8880_0000_1000]);
        }
        self.pointer()
    }

    /// The path as calls take it.
    pub(crate) fn pointer(&mut self) -> usize {
        self.bytes[self.length] = 0;
        self.bytes.as_ptr().expose_provenance()
    }

    /// Its bytes.
    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
