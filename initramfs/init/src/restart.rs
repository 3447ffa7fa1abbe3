//! How long PID 1 waits before it starts the server again.

/// The first pause in milliseconds.
const FIRST: u64 = 250;
/// The longest pause in milliseconds.
const LONGEST: u64 = 8_000;
/// A server that ran this long in milliseconds was well: the pause starts anew.
const WELL: u64 = 60_000;

/// The growing pause between two starts.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    next: u64,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Pause {
    /// The pause in milliseconds after a server that ran for `ran` milliseconds.
    pub fn after(&mut self, ran: u64) -> u64 {
        let pause = if ran >= WELL { FIRST } else { self.next };
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_anew() {
        let mut pause = Pause::default();
        let pauses: [u64; 7] = core::array::from_fn(|_| pause.after(10));
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(pause.after(WELL), 250);
        assert_eq!(pause.after(0), 500);
    }
}
