//! One way to compute an aggregate function: over all rows, over groups of them, over a sliding window.

use std::fmt::{self, Debug};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::distinct::Distinct;
use super::moments::Summary;
use super::window::Window;

/// How rows are read from a function's arguments, and how their summary is kept between two steps.
pub(super) trait Rows: Summary {
    /// One row, none of whose values is null.
    fn row(arguments: &[ArrayRef], at: usize) -> Self::Row;

    /// Writes the summary down.
    fn write(self, into: &mut Vec<u8>);

    /// Reads what was written.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// What a function of some type makes of a summary; none is null.
type Make<S> = dyn Fn(S, &DataType) -> Result<ScalarValue> + Send + Sync;

/// What a function makes of a summary.
pub(super) struct Finish<S>(Arc<Make<S>>);

impl<S: 'static> Finish<S> {
    /// A `Float64`, or null.
    pub(super) fn float(make: fn(S) -> Option<f64>) -> Self {
        Self::typed(move |summary, _| Ok(ScalarValue::Float64(make(summary))))
    }

    /// A value of the function's own type, if it is large enough.
    pub(super) fn typed(make: impl Fn(S, &DataType) -> Result<ScalarValue> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(super) fn of(&self, summary: S, returns: &DataType) -> Result<ScalarValue> {
        (self.0)(summary, returns)
    }
}

impl<S> Clone for Finish<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Debug for Finish<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Finish")
    }
}

/// A way to compute a function, for some types of its arguments.
pub(super) trait Way {
    fn plain(&self, returns: &DataType) -> Box<dyn Accumulator>;
    fn sliding(&self, returns: &DataType) -> Box<dyn Accumulator>;
    fn groups(&self, returns: &DataType) -> Box<dyn GroupsAccumulator>;
    /// Over the distinct rows of all, or of a sliding window.
    fn distinct(&self, returns: &DataType) -> Box<dyn Accumulator>;
}

impl<S: Rows> Way for Finish<S> {
    fn plain(&self, returns: &DataType) -> Box<dyn Accumulator> {
        Box::new(Plain { summary: S::EMPTY, finish: self.clone(), returns: returns.clone() })
    }

    fn sliding(&self, returns: &DataType) -> Box<dyn Accumulator> {
        Box::new(Sliding { window: Window::new(), finish: self.clone(), returns: returns.clone() })
    }

    fn groups(&self, returns: &DataType) -> Box<dyn GroupsAccumulator> {
        Box::new(Groups { summaries: Vec::<S>::new(), finish: self.clone(), returns: returns.clone() })
    }

    fn distinct(&self, returns: &DataType) -> Box<dyn Accumulator> {
        Box::new(Distinct::new(self.clone(), returns))
    }
}

/// The one column that keeps summaries between two steps.
pub(super) fn state_field(name: &str) -> FieldRef {
    Arc::new(Field::new(format!("{name}[summary]"), DataType::Binary, false))
}

#[derive(Debug)]
struct Plain<S> {
    summary: S,
    finish: Finish<S>,
    returns: DataType,
}

impl<S: Rows> Accumulator for Plain<S> {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        for at in whole(arguments) {
            self.summary = self.summary.merge(S::of(S::row(arguments, at)));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.finish.of(self.summary, &self.returns)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(written(self.summary)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states[0].as_binary::<i32>().iter().flatten() {
            self.summary = self.summary.merge(read(state)?);
        }
        Ok(())
    }
}

/// Rows enter at one end of the window and leave at the other.
#[derive(Debug)]
struct Sliding<S: Summary> {
    window: Window<S>,
    finish: Finish<S>,
    returns: DataType,
}

impl<S: Rows> Accumulator for Sliding<S> {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        for at in whole(arguments) {
            self.window.push(S::row(arguments, at));
        }
        Ok(())
    }

    /// The rows that leave are those that came first: only their number matters.
    fn retract_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        whole(arguments).for_each(|_| self.window.pop());
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.finish.of(self.window.summary(), &self.returns)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.window.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a sliding window is never split")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        internal_err!("a sliding window is never split")
    }
}

/// A summary for each group.
struct Groups<S> {
    summaries: Vec<S>,
    finish: Finish<S>,
    returns: DataType,
}

impl<S: Rows> GroupsAccumulator for Groups<S> {
    fn update_batch(
        &mut self,
        arguments: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.summaries.resize(total, S::EMPTY);
        for at in whole(arguments).filter(|at| is_wanted(filter, *at)) {
            let group = &mut self.summaries[groups[at]];
            *group = group.merge(S::of(S::row(arguments, at)));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let done = emit.take_needed(&mut self.summaries);
        if done.is_empty() {
            return Ok(new_empty_array(&self.returns));
        }
        let values = done.into_iter().map(|group| self.finish.of(group, &self.returns));
        ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>()?)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let done = emit.take_needed(&mut self.summaries);
        Ok(vec![Arc::new(BinaryArray::from_iter_values(done.into_iter().map(written)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.summaries.resize(total, S::EMPTY);
        for (state, group) in states[0].as_binary::<i32>().iter().zip(groups) {
            if let Some(state) = state {
                self.summaries[*group] = self.summaries[*group].merge(read(state)?);
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        arguments: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let states = (0..arguments[0].len()).map(|at| {
            let counts = is_whole(arguments, at) && is_wanted(filter, at);
            written(if counts { S::of(S::row(arguments, at)) } else { S::EMPTY })
        });
        Ok(vec![Arc::new(BinaryArray::from_iter_values(states))])
    }

    fn size(&self) -> usize {
        self.summaries.capacity() * size_of::<S>()
    }
}

/// The rows without a null.
pub(super) fn whole(arguments: &[ArrayRef]) -> impl Iterator<Item = usize> {
    (0..arguments[0].len()).filter(|at| is_whole(arguments, *at))
}

fn is_whole(arguments: &[ArrayRef], at: usize) -> bool {
    arguments.iter().all(|column| column.is_valid(at))
}

fn is_wanted(filter: Option<&BooleanArray>, at: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at))
}

pub(super) fn written<S: Rows>(summary: S) -> Vec<u8> {
    let mut bytes = Vec::new();
    summary.write(&mut bytes);
    bytes
}

pub(super) fn read<S: Rows>(bytes: &[u8]) -> Result<S> {
    S::read(bytes).ok_or_else(|| exec_datafusion_err!("a summary of rows is broken"))
}
