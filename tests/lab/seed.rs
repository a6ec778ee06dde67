//! Chance that can be repeated: drawn from a seed that is printed, or given as `KUBOARD_HA_SEED`.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of numbers.
pub struct Seed(u64);

impl Seed {
    /// From the environment, else from the clock. Told aloud, so that a failure can be repeated.
    pub fn drawn(what: &str) -> Self {
        let given = std::env::var("KUBOARD_HA_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros());
        let seed = given.unwrap_or_else(clock);
        eprintln!("{what}: KUBOARD_HA_SEED={seed}");
        Self(seed)
    }

    /// A stream of its own for one part of a test: what other parts draw does not shift it.
    pub fn fork(&self, part: usize) -> Self {
        let mut fork = Self(self.0 ^ (part as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93));
        fork.below(1);
        fork
    }

    /// What repeats this stream, as `KUBOARD_HA_SEED`; true until the first number was drawn.
    pub fn number(&self) -> u64 {
        self.0
    }

    /// The next number, 0 to `below` - 1.
    pub fn below(&mut self, below: usize) -> usize {
        // splitmix64 (Steele, Lea, Flood 2014): any seed will do, 0 too.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % below.max(1) as u64).unwrap()
    }

    /// The same things in another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}
