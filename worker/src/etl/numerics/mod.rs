//! Aggregate functions whose sliding windows are right to the last digits, under the names of the
//! built-in ones. Types other than `Float64` (and `DISTINCT`) keep the built-in accumulators.

mod double_double;
mod moments;
mod sliding;
mod window;

use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::{average, correlation, covariance, regr, stddev, sum, variance};
use datafusion::logical_expr::AggregateUDF;

use moments::{Moments, PairMoments, Sum, float};
use sliding::{Rows, Sliding};

impl Rows for Sum {
    const ARGUMENTS: usize = 1;

    fn row(columns: &[&[f64]], at: usize) -> f64 {
        columns[0][at]
    }
}

impl Rows for Moments {
    const ARGUMENTS: usize = 1;

    fn row(columns: &[&[f64]], at: usize) -> f64 {
        columns[0][at]
    }
}

impl Rows for PairMoments {
    const ARGUMENTS: usize = 2;

    fn row(columns: &[&[f64]], at: usize) -> [f64; 2] {
        [columns[0][at], columns[1][at]]
    }
}

/// Arguments of `regr_*` come as (y, x).
const Y: usize = 0;
const X: usize = 1;

/// The functions to register over the built-in ones.
pub(super) fn functions() -> Vec<AggregateUDF> {
    vec![
        Sliding::over(sum::sum_udaf(), |w: Sum| some(w.count > 0, w.total())),
        Sliding::over(average::avg_udaf(), |w: Sum| some(w.count > 0, w.mean())),
        Sliding::over(variance::var_samp_udaf(), |w: Moments| ratio(w.squares(), w.count, 1)),
        Sliding::over(variance::var_pop_udaf(), |w: Moments| ratio(w.squares(), w.count, 0)),
        Sliding::over(stddev::stddev_udaf(), |w: Moments| root(ratio(w.squares(), w.count, 1))),
        Sliding::over(stddev::stddev_pop_udaf(), |w: Moments| root(ratio(w.squares(), w.count, 0))),
        Sliding::over(covariance::covar_samp_udaf(), |w: PairMoments| ratio(w.products(), w.count, 1)),
        Sliding::over(covariance::covar_pop_udaf(), |w: PairMoments| ratio(w.products(), w.count, 0)),
        Sliding::over(correlation::corr_udaf(), |w: PairMoments| some(varies(w, &[X, Y]), correlation(w))),
        Sliding::over(regr::regr_slope_udaf(), |w: PairMoments| some(varies(w, &[X]), slope(w))),
        Sliding::over(regr::regr_intercept_udaf(), |w: PairMoments| {
            some(varies(w, &[X]), w.mean(Y) - slope(w) * w.mean(X))
        }),
        Sliding::over(regr::regr_r2_udaf(), |w: PairMoments| {
            some(varies(w, &[X, Y]), correlation(w) * correlation(w))
        }),
        Sliding::over(regr::regr_avgx_udaf(), |w: PairMoments| some(w.count > 0, w.mean(X))),
        Sliding::over(regr::regr_avgy_udaf(), |w: PairMoments| some(w.count > 0, w.mean(Y))),
        Sliding::over(regr::regr_sxx_udaf(), |w: PairMoments| some(w.count > 0, w.squares(X))),
        Sliding::over(regr::regr_syy_udaf(), |w: PairMoments| some(w.count > 0, w.squares(Y))),
        Sliding::over(regr::regr_sxy_udaf(), |w: PairMoments| some(w.count > 0, w.products())),
    ]
}

fn some(defined: bool, value: f64) -> ScalarValue {
    ScalarValue::Float64(defined.then_some(value))
}

/// A sum of squares or products over the degrees of freedom.
fn ratio(sum: f64, count: u64, given_away: u64) -> ScalarValue {
    some(count > given_away, sum / float(count.saturating_sub(given_away)))
}

fn root(square: ScalarValue) -> ScalarValue {
    match square {
        ScalarValue::Float64(Some(square)) => some(true, square.sqrt()),
        undefined => undefined,
    }
}

/// Whether there are two rows, and none of these columns is constant.
fn varies(w: PairMoments, columns: &[usize]) -> bool {
    w.count > 1 && columns.iter().all(|of| w.squares(*of) != 0.0)
}

fn slope(w: PairMoments) -> f64 {
    w.products() / w.squares(X)
}

fn correlation(w: PairMoments) -> f64 {
    w.products() / w.squares(X).sqrt() / w.squares(Y).sqrt()
}
