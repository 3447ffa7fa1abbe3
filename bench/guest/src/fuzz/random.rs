//! Random numbers that a seed decides: SplitMix64 (Steele, Lea, Flood: "Fast
//! splittable pseudorandom number generators", 2014).

pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a world.
    pub(crate) fn new(seed: u64, world: u64) -> Self {
        let mut mixed = Self(seed ^ world.wrapping_mul(0xd129_0e79_4a7b_a9c5));
        mixed.next();
        mixed
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let high = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(high).unwrap_or(0)
    }

    /// Whether one of `of` cases is met.
    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of some values.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Some of these flags, each with a chance of one in `of`.
    pub(crate) fn flags(&mut self, of: usize, flags: &[usize]) -> usize {
        flags.iter().fold(0, |all, flag| if self.one_in(of) { all | flag } else { all })
    }
}
