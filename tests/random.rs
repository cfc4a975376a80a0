//! Chance that comes the same again: from a seed that every campaign prints.

/// Numbers drawn one after the other (splitmix64).
#[derive(Debug)]
pub struct Random(u64);

/// The seed of this run of the tests: the variable `SEED`, or another one each time. Printed.
///
/// # Panics
/// If the variable is no number.
#[must_use]
pub fn seed() -> u64 {
    seed_or(std::time::UNIX_EPOCH.elapsed().map_or(0, |time| u64::from(time.subsec_nanos())))
}

/// The seed of this test: that of `SEED`, or the one that the suite plays.
#[must_use]
pub fn seed_or(usual: u64) -> u64 {
    let seed = std::env::var("SEED").map_or(usual, |text| text.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    seed
}

impl Random {
    /// Beginning with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end as u64).unwrap_or(0)
    }

    /// One of them, if there are any.
    pub fn one<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        (!all.is_empty()).then(|| &all[self.below(all.len())])
    }

    /// Brings them into another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}
