//! A function of the distinct ones among its rows: `sum(DISTINCT x)`.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::accumulate::{Finish, Rows, read, whole, written};

/// What one value takes beside its bytes, about.
const ENTRY: usize = 64;

/// Each distinct row, as the bytes of its summary, and how often it is in the window. They are summed
/// up anew for every answer: nothing is ever taken out of a sum.
#[derive(Debug)]
pub(super) struct Distinct<S> {
    rows: BTreeMap<Vec<u8>, usize>,
    finish: Finish<S>,
    returns: DataType,
}

impl<S: Rows> Distinct<S> {
    pub(super) fn new(finish: Finish<S>, returns: &DataType) -> Self {
        Self { rows: BTreeMap::new(), finish, returns: returns.clone() }
    }
}

/// Merged with nothing, so that zero and negative zero are one.
fn key<S: Rows>(arguments: &[ArrayRef], at: usize) -> Vec<u8> {
    written(S::EMPTY.merge(S::of(S::row(arguments, at))))
}

impl<S: Rows> Accumulator for Distinct<S> {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        for at in whole(arguments) {
            *self.rows.entry(key::<S>(arguments, at)).or_default() += 1;
        }
        Ok(())
    }

    fn retract_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        for at in whole(arguments) {
            let key = key::<S>(arguments, at);
            match self.rows.get_mut(&key) {
                Some(times) if *times > 1 => *times -= 1,
                _ => drop(self.rows.remove(&key)),
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut summary = S::EMPTY;
        for row in self.rows.keys() {
            summary = summary.merge(read(row)?);
        }
        self.finish.of(summary, &self.returns)
    }

    fn size(&self) -> usize {
        let bytes: usize = self.rows.first_key_value().map_or(0, |(row, _)| row.len());
        size_of_val(self) + self.rows.len() * (bytes + ENTRY)
    }

    /// The rows one after another: all are of one length.
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let rows = self.rows.keys().flatten().copied().collect();
        Ok(vec![ScalarValue::Binary(Some(rows))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let length = written(S::EMPTY).len();
        for state in states[0].as_binary::<i32>().iter().flatten() {
            for row in state.chunks(length) {
                *self.rows.entry(row.to_vec()).or_default() += 1;
            }
        }
        Ok(())
    }
}
