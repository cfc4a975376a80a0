//! How rows become summaries, and summaries bytes.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};

use super::accumulate::Rows;
use super::double_double::DoubleDouble;
use super::moments::{Moments, PairMoments, Sum};
use super::whole::Whole;

fn float(argument: &ArrayRef, at: usize) -> f64 {
    argument.as_primitive::<Float64Type>().value(at)
}

fn write(parts: &[DoubleDouble], count: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(&count.to_le_bytes());
    for part in parts {
        into.extend_from_slice(&part.to_bytes());
    }
}

fn read<const N: usize>(bytes: &[u8]) -> Option<([DoubleDouble; N], u64)> {
    let (count, rest) = bytes.split_first_chunk()?;
    let mut parts = [DoubleDouble::ZERO; N];
    for (part, bytes) in parts.iter_mut().zip(rest.chunks_exact(16)) {
        *part = DoubleDouble::from_bytes(bytes.try_into().ok()?);
    }
    (rest.len() == 16 * N).then_some((parts, u64::from_le_bytes(*count)))
}

impl Rows for Sum {
    fn row(arguments: &[ArrayRef], at: usize) -> f64 {
        float(&arguments[0], at)
    }

    fn write(self, into: &mut Vec<u8>) {
        write(&[self.total], self.count, into);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        read(bytes).map(|([total], count)| Self { count, total })
    }
}

impl Rows for Moments {
    fn row(arguments: &[ArrayRef], at: usize) -> f64 {
        float(&arguments[0], at)
    }

    fn write(self, into: &mut Vec<u8>) {
        write(&[self.mean, self.squares], self.count, into);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        read(bytes).map(|([mean, squares], count)| Self { count, mean, squares })
    }
}

impl Rows for PairMoments {
    fn row(arguments: &[ArrayRef], at: usize) -> [f64; 2] {
        [float(&arguments[0], at), float(&arguments[1], at)]
    }

    fn write(self, into: &mut Vec<u8>) {
        let ([a, b], [c, d]) = (self.means, self.squares);
        write(&[a, b, c, d, self.products], self.count, into);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let ([a, b, c, d, products], count) = read(bytes)?;
        Some(Self { count, means: [a, b], squares: [c, d], products })
    }
}

impl Rows for Whole {
    fn row(arguments: &[ArrayRef], at: usize) -> i128 {
        match arguments[0].data_type() {
            DataType::Int64 => arguments[0].as_primitive::<Int64Type>().value(at).into(),
            DataType::UInt64 => arguments[0].as_primitive::<UInt64Type>().value(at).into(),
            _ => arguments[0].as_primitive::<Decimal128Type>().value(at),
        }
    }

    fn write(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.count.to_le_bytes());
        // What no longer fits has no bytes.
        into.extend(self.total.into_iter().flat_map(i128::to_le_bytes));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let total = if rest.is_empty() { None } else { Some(i128::from_le_bytes(rest.try_into().ok()?)) };
        Some(Self { count: u64::from_le_bytes(*count), total })
    }
}
