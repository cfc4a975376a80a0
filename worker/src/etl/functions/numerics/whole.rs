//! Sums of whole and decimal numbers: exact, or an error.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};

use super::moments::Summary;

/// Count and sum of whole numbers, or of decimals in units of their last digit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    pub(super) count: u64,
    /// None once it has overflowed.
    pub(super) total: Option<i128>,
}

impl Summary for Whole {
    type Row = i128;
    const EMPTY: Self = Self { count: 0, total: Some(0) };

    fn of(row: i128) -> Self {
        Self { count: 1, total: Some(row) }
    }

    fn merge(self, later: Self) -> Self {
        let total = self.total.zip(later.total).and_then(|(a, b)| a.checked_add(b));
        Self { count: self.count + later.count, total }
    }
}

/// The sum as a value of the function's type.
pub(super) fn sum(rows: Whole, returns: &DataType) -> Result<ScalarValue> {
    let too_large =
        || exec_datafusion_err!("a sum is too large for {returns}; cast what is summed to a larger type");
    if rows.count == 0 {
        return ScalarValue::try_from(returns);
    }
    let total = rows.total.ok_or_else(too_large)?;
    match returns {
        DataType::Int64 => total.try_into().map(|n| ScalarValue::Int64(Some(n))).map_err(|_| too_large()),
        DataType::UInt64 => total.try_into().map(|n| ScalarValue::UInt64(Some(n))).map_err(|_| too_large()),
        DataType::Decimal128(precision, _) => {
            let fits = total.unsigned_abs() < 10_u128.pow((*precision).into());
            fits.then(|| decimal(total, returns)).ok_or_else(too_large)?
        }
        other => exec_err!("whole numbers do not sum up to {other}"),
    }
}

/// The mean of decimals of this scale, rounded half away from zero to the function's own, larger one.
pub(super) fn mean(rows: Whole, scale: i8, returns: &DataType) -> Result<ScalarValue> {
    let too_large = || exec_datafusion_err!("a mean is too large for {returns}; cast to a smaller scale");
    let DataType::Decimal128(precision, target) = returns else {
        return exec_err!("decimals have no mean of type {returns}");
    };
    if rows.count == 0 {
        return ScalarValue::try_from(returns);
    }
    let more = u32::try_from(target - scale).map_err(|_| too_large())?;
    let count = i128::from(rows.count);
    let total = rows.total.ok_or_else(too_large)?;
    // Whole part and rest are scaled apart, for the total itself may have no digits to spare.
    let scaled = (total / count).checked_mul(10_i128.pow(more)).ok_or_else(too_large)?;
    let rest = (total % count).checked_mul(10_i128.pow(more)).ok_or_else(too_large)?;
    let (extra, left) = (rest / count, rest % count);
    let up = if left.unsigned_abs() * 2 >= count.unsigned_abs() { total.signum() } else { 0 };
    let mean = scaled + extra + up;
    let fits = mean.unsigned_abs() < 10_u128.pow((*precision).into());
    fits.then(|| decimal(mean, returns)).ok_or_else(too_large)?
}

fn decimal(number: i128, returns: &DataType) -> Result<ScalarValue> {
    match returns {
        DataType::Decimal128(precision, scale) => {
            Ok(ScalarValue::Decimal128(Some(number), *precision, *scale))
        }
        other => exec_err!("{other} is no decimal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(rows: &[i128]) -> Whole {
        rows.iter().fold(Whole::EMPTY, |sum, row| sum.merge(Whole::of(*row)))
    }

    #[test]
    fn a_sum_is_exact_or_an_error() {
        let int = |rows: &[i128]| sum(total(rows), &DataType::Int64);
        assert_eq!(int(&[i64::MAX.into(), 1, -1]).expect("a sum"), ScalarValue::Int64(Some(i64::MAX)));
        assert_eq!(int(&[]).expect("null"), ScalarValue::Int64(None));
        assert!(int(&[i64::MAX.into(), 1]).is_err());
        assert!(int(&[i128::MAX, 1]).is_err());
        assert!(sum(total(&[10_i128.pow(9)]), &DataType::Decimal128(9, 2)).is_err());
    }

    #[test]
    fn a_mean_of_decimals_is_rounded_half_away_from_zero() {
        let mean = |rows: &[i128]| match mean(total(rows), 0, &DataType::Decimal128(38, 2)).expect("a mean") {
            ScalarValue::Decimal128(mean, ..) => mean,
            other => panic!("{other}"),
        };
        assert_eq!(mean(&[1, 1, 0]), Some(67));
        assert_eq!(mean(&[-1, -1, 0]), Some(-67));
        assert_eq!(mean(&[1, 0, 0, 0, 0, 0, 0, 0]), Some(13));
        assert_eq!(mean(&[10_i128.pow(35), 10_i128.pow(35)]), Some(10_i128.pow(37)));
        assert_eq!(mean(&[]), None);
    }
}
