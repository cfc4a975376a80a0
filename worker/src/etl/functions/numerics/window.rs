//! The summary of a sliding window in constant time a row, without ever taking a row back out of a
//! sum: two stacks make a queue, and each keeps the summaries of what lies below.

use super::moments::Summary;

/// A queue of rows with the summary of all of them.
#[derive(Debug)]
pub(super) struct Window<S: Summary> {
    /// Summaries of the older rows: each of its row and every row of this stack that came later.
    /// The top is the oldest row's.
    older: Vec<S>,
    /// The newer rows, as they came.
    newer: Vec<S::Row>,
    /// The summary of `newer`.
    newest: S,
}

impl<S: Summary> Window<S> {
    pub(super) fn new() -> Self {
        Self { older: Vec::new(), newer: Vec::new(), newest: S::EMPTY }
    }

    pub(super) fn push(&mut self, row: S::Row) {
        self.newer.push(row);
        self.newest = self.newest.merge(S::of(row));
    }

    /// Removes the oldest row.
    pub(super) fn pop(&mut self) {
        if self.older.is_empty() {
            let mut summary = S::EMPTY;
            for row in self.newer.drain(..).rev() {
                summary = S::of(row).merge(summary);
                self.older.push(summary);
            }
            self.newest = S::EMPTY;
        }
        self.older.pop();
    }

    pub(super) fn summary(&self) -> S {
        self.older.last().copied().unwrap_or(S::EMPTY).merge(self.newest)
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.older.capacity() * size_of::<S>() + self.newer.capacity() * size_of::<S::Row>()
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exactness is what is tested")]
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "rounded once, at the end")]
mod tests {
    use proptest::prelude::*;

    use super::super::moments::{Moments, Sum};
    use super::*;

    /// All values are multiples of 2^-20 below 2^31, so that sums of them are exact in `i128`.
    const UNIT: f64 = 1_048_576.0;

    /// (mean, sum of squared deviations), from exact sums.
    fn exactly(rows: &[i64]) -> (f64, f64) {
        let count = i128::try_from(rows.len()).expect("few rows");
        let sum: i128 = rows.iter().map(|row| i128::from(*row)).sum();
        let squares: i128 = rows.iter().map(|row| i128::from(*row) * i128::from(*row)).sum();
        let mean = sum as f64 / count as f64 / UNIT;
        (mean, (squares * count - sum * sum) as f64 / count as f64 / UNIT / UNIT)
    }

    fn slide(rows: &[i64], width: usize) {
        let (mut sums, mut moments) = (Window::<Sum>::new(), Window::<Moments>::new());
        for (at, row) in rows.iter().enumerate() {
            sums.push(*row as f64 / UNIT);
            moments.push(*row as f64 / UNIT);
            if at >= width {
                sums.pop();
                moments.pop();
            }
            let (mean, squares) = exactly(&rows[(at + 1).saturating_sub(width)..=at]);
            close(sums.summary().mean(), mean);
            close(moments.summary().squares(), squares);
        }
    }

    fn close(have: f64, want: f64) {
        assert!((have - want).abs() <= 1e-12 * want.abs(), "{have:e} is not {want:e}");
    }

    fn units(value: f64) -> i64 {
        (value * UNIT) as i64
    }

    #[test]
    fn a_constant_window_has_no_variance_and_its_mean_is_the_constant() {
        let mut window = Window::<Moments>::new();
        let mut sums = Window::<Sum>::new();
        for at in 0..1000 {
            let row = if at < 500 { f64::from(at * at % 97) * 0.1 } else { 7.4603 };
            window.push(row);
            sums.push(row);
            if at >= 20 {
                window.pop();
                sums.pop();
            }
        }
        assert_eq!(window.summary().squares(), 0.0);
        assert_eq!(sums.summary().mean(), 7.4603);
    }

    #[test]
    fn a_small_ripple_on_a_large_value_is_measured() {
        let rows: Vec<i64> = (0..500).map(|at| units(1e9) + at * 7919 % 1049).collect();
        slide(&rows, 20);
    }

    #[test]
    fn a_spike_ruins_nothing_once_it_has_left() {
        let mut rows: Vec<i64> = (0..300).map(|at| at * 31 % 17).collect();
        rows[100] = units(1e9);
        slide(&rows, 20);
    }

    #[test]
    fn not_a_number_leaves_with_its_row() {
        let mut window = Window::<Moments>::new();
        for row in [1.0, f64::NAN, f64::INFINITY, 2.0, 4.0] {
            window.push(row);
        }
        assert!(window.summary().squares().is_nan());
        (0..3).for_each(|_| window.pop());
        assert_eq!(window.summary().squares(), 2.0);
    }

    proptest! {
        #[test]
        fn any_window_is_exact(
            rows in prop::collection::vec(prop_oneof![-9i64..9, -(1i64 << 50)..1 << 50], 1..80),
            width in 1usize..30,
        ) {
            slide(&rows, width);
        }
    }
}
