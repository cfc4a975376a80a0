//! Numbers of twice the precision of `f64`: the unevaluated sum of two of them. Knows nothing of
//! statistics.

use std::ops::{Add, Div, Mul, Sub};

/// `high + low`, where `high` is the sum rounded to `f64`: about 32 decimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct DoubleDouble {
    high: f64,
    low: f64,
}

impl DoubleDouble {
    pub(super) const ZERO: Self = Self { high: 0.0, low: 0.0 };

    /// The nearest `f64`.
    pub(super) fn to_f64(self) -> f64 {
        self.high
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.high.to_le_bytes());
        bytes[8..].copy_from_slice(&self.low.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        // Read as one number, the low part stands above the high one.
        let both = u128::from_le_bytes(bytes);
        let part =
            |bits: u128| f64::from_bits(u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default());
        Self { high: part(both), low: part(both >> 64) }
    }

    /// The sum of two `f64`, exactly (Knuth's two-sum).
    pub(super) fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let shadow = high - a;
        Self::checked(high, (a - (high - shadow)) + (b - shadow))
    }

    /// As [`Self::sum`], where `a` is the larger in magnitude.
    fn sum_of_ordered(a: f64, b: f64) -> Self {
        let high = a + b;
        Self::checked(high, b - (high - a))
    }

    /// The product of two `f64`, exactly.
    fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self::checked(high, a.mul_add(b, -high))
    }

    /// An infinity has no error term: keeping the `NaN` that computes for one would spoil the sum.
    fn checked(high: f64, low: f64) -> Self {
        Self { high, low: if high.is_finite() { low } else { 0.0 } }
    }
}

impl From<f64> for DoubleDouble {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let high = Self::sum(self.high, other.high);
        let low = Self::sum(self.low, other.low);
        let carried = Self::sum_of_ordered(high.high, high.low + low.high);
        Self::sum_of_ordered(carried.high, carried.low + low.low)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + Self { high: -other.high, low: -other.low }
    }
}

impl Mul for DoubleDouble {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let high = Self::product(self.high, other.high);
        let cross = self.high.mul_add(other.low, self.low * other.high);
        Self::sum_of_ordered(high.high, high.low + cross)
    }
}

impl Div<f64> for DoubleDouble {
    type Output = Self;

    fn div(self, by: f64) -> Self {
        self / Self::from(by)
    }
}

impl Div for DoubleDouble {
    type Output = Self;

    fn div(self, by: Self) -> Self {
        let quotient = self.high / by.high;
        let rest = self - by * Self::from(quotient);
        Self::sum_of_ordered(quotient, rest.high / by.high)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exactness is what is tested")]
mod tests {
    use super::*;

    #[test]
    fn what_a_double_loses_is_kept() {
        let sum = DoubleDouble::from(1e16) + DoubleDouble::from(1.0) - DoubleDouble::from(1e16);
        assert_eq!(sum.to_f64(), 1.0);
        let third = DoubleDouble::from(1.0) / 3.0;
        let rest = DoubleDouble::from(1.0) - third * DoubleDouble::from(3.0);
        assert!(rest.to_f64().abs() < 1e-31, "{rest:?}");
    }

    #[test]
    fn infinities_stay_infinite() {
        let infinite = DoubleDouble::from(f64::INFINITY) + DoubleDouble::from(1.0);
        assert_eq!(infinite.to_f64(), f64::INFINITY);
        assert!((infinite - infinite).to_f64().is_nan());
    }
}
