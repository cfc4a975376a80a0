//! Sums and moments that can be merged, so that nothing ever has to be subtracted again.
//! Means and squares are kept as deviations (Welford, Chan) in twice the precision.

use super::double_double::DoubleDouble;

/// A summary of some rows that can be merged with the summary of the rows that follow.
pub(super) trait Summary: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// What one row holds.
    type Row: Copy + std::fmt::Debug + Send + Sync;

    /// The summary of no rows.
    const EMPTY: Self;

    /// The summary of one row.
    fn of(row: Self::Row) -> Self;

    /// The summary of both.
    fn merge(self, later: Self) -> Self;
}

/// Count and sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) total: DoubleDouble,
}

impl Sum {
    pub(super) fn total(self) -> f64 {
        self.total.to_f64()
    }

    pub(super) fn mean(self) -> f64 {
        (self.total / float(self.count)).to_f64()
    }
}

impl Summary for Sum {
    type Row = f64;
    const EMPTY: Self = Self { count: 0, total: DoubleDouble::ZERO };

    fn of(row: f64) -> Self {
        Self { count: 1, total: row.into() }
    }

    fn merge(self, later: Self) -> Self {
        Self { count: self.count + later.count, total: self.total + later.total }
    }
}

/// Count, mean and sum of squared deviations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: DoubleDouble,
    pub(super) squares: DoubleDouble,
}

impl Moments {
    /// The sum of squared deviations from the mean.
    pub(super) fn squares(self) -> f64 {
        self.squares.to_f64()
    }
}

impl Summary for Moments {
    type Row = f64;
    const EMPTY: Self = Self { count: 0, mean: DoubleDouble::ZERO, squares: DoubleDouble::ZERO };

    fn of(row: f64) -> Self {
        Self { count: 1, mean: row.into(), squares: DoubleDouble::ZERO }
    }

    fn merge(self, later: Self) -> Self {
        let Some(join) = Join::of(self.count, later.count) else {
            return if self.count == 0 { later } else { self };
        };
        let apart = later.mean - self.mean;
        Self {
            count: join.count,
            mean: join.mean(self.mean, apart),
            squares: join.products(self.squares, later.squares, apart, apart),
        }
    }
}

/// The moments of pairs: means, sums of squared deviations, sum of their products.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairMoments {
    pub(super) count: u64,
    pub(super) means: [DoubleDouble; 2],
    pub(super) squares: [DoubleDouble; 2],
    pub(super) products: DoubleDouble,
}

impl PairMoments {
    pub(super) fn mean(self, of: usize) -> f64 {
        self.means[of].to_f64()
    }

    pub(super) fn squares(self, of: usize) -> f64 {
        self.squares[of].to_f64()
    }

    pub(super) fn products(self) -> f64 {
        self.products.to_f64()
    }
}

impl Summary for PairMoments {
    type Row = [f64; 2];
    const EMPTY: Self = Self {
        count: 0,
        means: [DoubleDouble::ZERO; 2],
        squares: [DoubleDouble::ZERO; 2],
        products: DoubleDouble::ZERO,
    };

    fn of(row: [f64; 2]) -> Self {
        Self { count: 1, means: row.map(DoubleDouble::from), ..Self::EMPTY }
    }

    fn merge(self, later: Self) -> Self {
        let Some(join) = Join::of(self.count, later.count) else {
            return if self.count == 0 { later } else { self };
        };
        let apart = [0, 1].map(|of| later.means[of] - self.means[of]);
        Self {
            count: join.count,
            means: [0, 1].map(|of| join.mean(self.means[of], apart[of])),
            squares: [0, 1]
                .map(|of| join.products(self.squares[of], later.squares[of], apart[of], apart[of])),
            products: join.products(self.products, later.products, apart[0], apart[1]),
        }
    }
}

/// The weights of Chan's formula for joining two sets of rows, neither of them empty.
struct Join {
    count: u64,
    earlier: f64,
    later: f64,
}

impl Join {
    fn of(earlier: u64, later: u64) -> Option<Self> {
        let count = earlier + later;
        (earlier > 0 && later > 0).then(|| Self { count, earlier: float(earlier), later: float(later) })
    }

    fn mean(&self, earlier: DoubleDouble, apart: DoubleDouble) -> DoubleDouble {
        earlier + apart * self.later.into() / float(self.count)
    }

    fn products(&self, a: DoubleDouble, b: DoubleDouble, x: DoubleDouble, y: DoubleDouble) -> DoubleDouble {
        a + b + x * y * DoubleDouble::from(self.earlier) * self.later.into() / float(self.count)
    }
}

/// Counts of rows, far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "a window of 2^53 rows fits no memory")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
