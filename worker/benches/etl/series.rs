//! A long series of rates, as they come: most of it wanders, some of it is pegged, and now and then
//! somebody mistypes one.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use jiff::{Timestamp, ToSpan as _};

/// Rows of a stretch; one in ten is pegged.
const STRETCH: usize = 1_000;
/// Rows from one mistyped rate to the next.
pub(crate) const TYPOS: usize = 100_000;
/// What a mistyped rate is too large by.
const TYPO: f64 = 1e6;

/// Oldest first. The same for the same number of rows.
pub(crate) fn rates(rows: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut ticks = 11_000_i32;
    let mut rate = |at: usize| {
        // xorshift64: a step of -3 to 3 ticks, back towards the middle at the rims.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let step = i32::try_from(state >> 32 & 0xffff).unwrap_or_default() % 7 - 3;
        if !(at / STRETCH).is_multiple_of(10) {
            ticks += if ticks.abs_diff(11_000) > 4_000 { (11_000 - ticks).signum() } else { step };
        }
        let rate = f64::from(ticks) / 1e4;
        if is_typo(at) { rate * TYPO } else { rate }
    };
    (0..rows).map(&mut rate).collect()
}

/// Whether the rate there is mistyped: in the middle of a stretch that wanders.
fn is_typo(at: usize) -> bool {
    at % TYPOS == TYPOS / 2 + STRETCH * 3 / 2
}

/// Rows whose results are compared: a thousandth of all, and 300 after each mistyped rate.
pub(crate) fn is_looked_at(at: usize) -> bool {
    at.is_multiple_of(997)
        || at % TYPOS >= TYPOS / 2 + STRETCH * 3 / 2 && at % TYPOS < TYPOS / 2 + STRETCH * 3 / 2 + 300
}

/// Writes them as the ECB does, newest first; how many bytes. One a minute.
pub(crate) fn write(rates: &[f64], to: &Path) -> u64 {
    let began: Timestamp = "2000-01-01T00:00:00Z".parse().expect("an instant");
    let mut file = File::create(to).expect("a file");
    let mut text = String::from("date,rate\n");
    for (at, rate) in rates.iter().enumerate().rev() {
        let minutes = i64::try_from(at).expect("a number").minutes();
        let date = began.checked_add(minutes).expect("an instant");
        writeln!(text, "{date},{rate}").expect("memory");
        if text.len() > 1 << 20 || at == 0 {
            file.write_all(text.as_bytes()).expect("room");
            text.clear();
        }
    }
    file.metadata().expect("a file").len()
}
