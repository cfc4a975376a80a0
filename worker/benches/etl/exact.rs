//! How far an engine's output is from exact arithmetic over the same doubles.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use num_bigint::BigInt;
use serde_json::{Value, json};

use crate::series::is_looked_at;

/// Every rate and every return of the series is a whole number of these.
const UNIT_BITS: i32 = 60;
/// Columns of the output that are compared, by name.
const COLUMNS: [&str; 3] = ["sma_20", "sma_50", "volatility_20"];

/// What was found in one column.
#[derive(Default)]
struct Errors {
    /// The largest, relative to the exact value.
    relative: f64,
    /// The largest where the exact value is 0.
    absolute: f64,
    /// Values that should be there and are not, are not numbers, or the other way round.
    missing: u64,
}

/// The errors of an output, oldest row first, at the rows that are looked at.
pub(crate) fn judge(output: &Path, rates: &[f64]) -> Value {
    let mut lines = BufReader::new(File::open(output).expect("an output")).lines();
    let header = lines.next().expect("a header").expect("text");
    let place = |name: &str| header.split(',').position(|column| column == name).expect("a column");
    let places = COLUMNS.map(place);
    let mut found: [Errors; 3] = Default::default();
    let (mut rows, mut looked_at) = (0, 0_u64);
    for (at, line) in lines.enumerate() {
        rows += 1;
        if !is_looked_at(at) {
            continue;
        }
        looked_at += 1;
        let line = line.expect("text");
        let fields: Vec<&str> = line.split(',').collect();
        let want = [Some(mean(rates, at, 20)), Some(mean(rates, at, 50)), deviation(rates, at, 20)];
        for ((errors, place), want) in found.iter_mut().zip(places).zip(want) {
            let have = fields[place].parse::<f64>().ok().filter(|have| have.is_finite());
            errors.note(have, want);
        }
    }
    let columns = COLUMNS.iter().zip(&found).map(|(name, errors)| ((*name).to_owned(), errors.tell()));
    json!({
        "rows": rows,
        "rows_missing": rates.len() - rows,
        "rows_looked_at": looked_at,
        "columns": Value::Object(columns.collect()),
    })
}

impl Errors {
    fn note(&mut self, have: Option<f64>, want: Option<f64>) {
        match (have, want) {
            (None, None) => {}
            (Some(have), Some(0.0)) => self.absolute = self.absolute.max(have.abs()),
            (Some(have), Some(want)) => self.relative = self.relative.max((have - want).abs() / want.abs()),
            (None, Some(_)) | (Some(_), None) => self.missing += 1,
        }
    }

    fn tell(&self) -> Value {
        json!({
            "largest_relative": format!("{:.1e}", self.relative),
            "largest_where_exactly_zero": format!("{:.1e}", self.absolute),
            "missing": self.missing,
        })
    }
}

/// The mean of the last `width` rates.
fn mean(rates: &[f64], at: usize, width: usize) -> f64 {
    let window = &rates[(at + 1).saturating_sub(width)..=at];
    let sum: BigInt = window.iter().map(|rate| units(*rate)).sum();
    ratio(&sum, &(BigInt::from(window.len()) << UNIT_BITS))
}

/// The standard deviation of the last `width` returns.
fn deviation(rates: &[f64], at: usize, width: usize) -> Option<f64> {
    let first = (at + 1).saturating_sub(width).max(1);
    let returns: Vec<BigInt> = (first..=at).map(|at| units(rates[at] / rates[at - 1] - 1.0)).collect();
    let n = BigInt::from(returns.len());
    let sum: BigInt = returns.iter().sum();
    let squares: BigInt = returns.iter().map(|one| one * one).sum();
    let degrees = &n * (&n - 1_u32);
    let variance = || ratio(&(&n * squares - &sum * &sum), &(degrees << (2 * UNIT_BITS)));
    (returns.len() > 1).then(|| variance().sqrt())
}

/// A value in units.
fn units(value: f64) -> BigInt {
    let scaled = value * 2_f64.powi(UNIT_BITS);
    assert!(scaled.fract() == 0.0 && scaled.abs() < 2_f64.powi(126), "{value} is not exact");
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
    let whole = scaled as i128;
    BigInt::from(whole)
}

/// The quotient, to 80 bits and then rounded.
fn ratio(up: &BigInt, down: &BigInt) -> f64 {
    if *up == BigInt::ZERO {
        return 0.0;
    }
    let bits = |number: &BigInt| i64::try_from(number.bits()).expect("bits");
    let shift = 80 + bits(down) - bits(up);
    let quotient =
        if shift < 0 { up / (down << shift.unsigned_abs()) } else { (up << shift.unsigned_abs()) / down };
    let quotient: f64 = quotient.to_string().parse().expect("a number");
    quotient * 2_f64.powi(i32::try_from(-shift).expect("a small shift"))
}
