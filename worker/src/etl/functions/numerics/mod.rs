//! Aggregate functions that are right to the last digits, under the names of the built-in ones.
//! Types that no declared column has keep the built-in accumulators.

mod accumulate;
mod distinct;
mod double_double;
mod exact;
mod moments;
mod rows;
mod whole;
mod window;

use datafusion::arrow::datatypes::DataType as T;
use datafusion::functions_aggregate::{average, correlation, covariance, regr, stddev, sum, variance};
use datafusion::logical_expr::AggregateUDF;

use accumulate::{Finish, Rows, Way};
use exact::Exact;
use moments::{Moments, PairMoments, Sum, float};

/// Arguments of `regr_*` come as (y, x).
const Y: usize = 0;
const X: usize = 1;

/// The functions to register over the built-in ones.
pub(super) fn functions() -> Vec<AggregateUDF> {
    let over = Exact::over;
    vec![
        over(sum::sum_udaf(), &[], |types| match types {
            [T::Int64 | T::UInt64 | T::Decimal128(..)] => Some(Box::new(Finish::typed(whole::sum))),
            _ => one(types, |w: Sum| some(w.count > 0, w.total())),
        }),
        over(average::avg_udaf(), &[], |types| match types {
            [T::Decimal128(_, scale)] => {
                let scale = *scale;
                Some(Box::new(Finish::typed(move |rows, returns| whole::mean(rows, scale, returns))))
            }
            _ => one(types, |w: Sum| some(w.count > 0, w.mean())),
        }),
        over(variance::var_samp_udaf(), &["variance"], |t| {
            one(t, |w: Moments| ratio(w.squares(), w.count, 1))
        }),
        over(variance::var_pop_udaf(), &[], |t| one(t, |w: Moments| ratio(w.squares(), w.count, 0))),
        over(stddev::stddev_udaf(), &[], |t| one(t, |w: Moments| root(ratio(w.squares(), w.count, 1)))),
        over(stddev::stddev_pop_udaf(), &[], |t| one(t, |w: Moments| root(ratio(w.squares(), w.count, 0)))),
        over(covariance::covar_samp_udaf(), &[], |t| two(t, |w| ratio(w.products(), w.count, 1))),
        over(covariance::covar_pop_udaf(), &[], |t| two(t, |w| ratio(w.products(), w.count, 0))),
        over(correlation::corr_udaf(), &[], |t| two(t, |w| some(varies(w, &[X, Y]), correlation(w)))),
        over(regr::regr_slope_udaf(), &[], |t| two(t, |w| some(varies(w, &[X]), slope(w)))),
        over(regr::regr_intercept_udaf(), &[], |t| two(t, |w| some(varies(w, &[X]), intercept(w)))),
        over(regr::regr_r2_udaf(), &[], |t| two(t, |w| some(varies(w, &[X, Y]), correlation(w).powi(2)))),
        over(regr::regr_avgx_udaf(), &[], |t| two(t, |w| some(w.count > 0, w.mean(X)))),
        over(regr::regr_avgy_udaf(), &[], |t| two(t, |w| some(w.count > 0, w.mean(Y)))),
        over(regr::regr_sxx_udaf(), &[], |t| two(t, |w| some(w.count > 0, w.squares(X)))),
        over(regr::regr_syy_udaf(), &[], |t| two(t, |w| some(w.count > 0, w.squares(Y)))),
        over(regr::regr_sxy_udaf(), &[], |t| two(t, |w| some(w.count > 0, w.products()))),
    ]
}

/// A function of one number.
fn one<S: Rows>(types: &[&T], make: fn(S) -> Option<f64>) -> Option<Box<dyn Way>> {
    matches!(types, [T::Float64]).then(|| Box::new(Finish::float(make)) as Box<dyn Way>)
}

/// A function of two numbers.
fn two(types: &[&T], make: fn(PairMoments) -> Option<f64>) -> Option<Box<dyn Way>> {
    matches!(types, [T::Float64, T::Float64]).then(|| Box::new(Finish::float(make)) as Box<dyn Way>)
}

fn some(defined: bool, value: f64) -> Option<f64> {
    defined.then_some(value)
}

/// A sum of squares or products over the degrees of freedom.
fn ratio(sum: f64, count: u64, given_away: u64) -> Option<f64> {
    some(count > given_away, sum / float(count.saturating_sub(given_away)))
}

fn root(square: Option<f64>) -> Option<f64> {
    square.map(f64::sqrt)
}

/// Whether there are two rows, and none of these columns is constant.
fn varies(w: PairMoments, columns: &[usize]) -> bool {
    w.count > 1 && columns.iter().all(|of| w.squares(*of) != 0.0)
}

fn slope(w: PairMoments) -> f64 {
    w.products() / w.squares(X)
}

/// In twice the precision: the mean of y and what the slope makes of the mean of x may all but cancel.
fn intercept(w: PairMoments) -> f64 {
    (w.means[Y] - w.products / w.squares[X] * w.means[X]).to_f64()
}

fn correlation(w: PairMoments) -> f64 {
    w.products() / w.squares(X).sqrt() / w.squares(Y).sqrt()
}
