//! What a world's calls have answered: a running hash, and each call if it is to be
//! shown.

use bench_guest::say;

pub(crate) struct Record {
    hash: u64,
    calls: u64,
    is_shown: bool,
}

/// FNV-1a (draft-eastlake-fnv), taken eight bytes at a time.
const PRIME: u64 = 0x0100_0000_01b3;

impl Record {
    pub(crate) fn new(is_shown: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, calls: 0, is_shown }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Takes a number that the kernel gave.
    pub(crate) fn number(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(PRIME);
        self.hash ^= self.hash >> 32;
    }

    /// Takes bytes that the kernel gave.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
    }

    /// Takes the result of a call, after what else it gave; `args` are for the reader.
    pub(crate) fn call(&mut self, name: &str, args: [usize; 4], result: i64) {
        self.number(result.cast_unsigned());
        if self.is_shown {
            let [a, b, c, d] = args;
            let (calls, hash) = (self.calls, self.hash);
            say!(
                "fuzz: call {calls} {name}({a:#x}, {b:#x}, {c:#x}, {d:#x}) = {result} {hash:016x}"
            );
        }
        self.calls += 1;
    }

    /// Shows a path that a call got.
    pub(crate) fn path(&self, path: &[u8]) {
        if self.is_shown {
            let shown = &path[..path.len().min(200)];
            say!("fuzz: path {}", core::str::from_utf8(shown).unwrap_or("?"));
        }
    }
}
