//! `DataFusion`'s own aggregate functions with another accumulator for sliding windows. Theirs take
//! the rows that leave out of the sums again, which cancels (apache/datafusion#13247).

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, Operator,
    ReversedUDAF, SetMonotonicity, Signature, StatisticsArgs,
};

use super::moments::Summary;
use super::window::Window;

/// What a function makes of the rows in its window; none is null.
pub(super) type Finish<S> = fn(S) -> ScalarValue;

/// How the rows of a window are read from the function's arguments.
pub(super) trait Rows: Summary {
    /// Number of arguments, all of them `Float64`.
    const ARGUMENTS: usize;

    /// The values of one row, or none if one of them is null.
    fn row(columns: &[&[f64]], at: usize) -> Self::Row;
}

/// A built-in function whose sliding windows are computed anew.
#[derive(Debug)]
pub(super) struct Sliding<S: Rows> {
    built_in: Arc<AggregateUDF>,
    finish: Finish<S>,
}

impl<S: Rows> Sliding<S> {
    /// The function under the name of the built-in one, for [`datafusion::prelude::SessionContext::register_udaf`].
    pub(super) fn over(built_in: Arc<AggregateUDF>, finish: Finish<S>) -> AggregateUDF {
        AggregateUDF::new_from_impl(Self { built_in, finish })
    }

    fn original(&self) -> &dyn AggregateUDFImpl {
        self.built_in.inner().as_ref()
    }
}

impl<S: Rows> PartialEq for Sliding<S> {
    fn eq(&self, other: &Self) -> bool {
        self.built_in == other.built_in
    }
}

impl<S: Rows> Eq for Sliding<S> {}

impl<S: Rows> Hash for Sliding<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.built_in.hash(state);
    }
}

/// Everything but the sliding accumulator is the built-in function's.
impl<S: Rows> AggregateUDFImpl for Sliding<S> {
    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let doubles = args.expr_fields.iter().all(|field| field.data_type() == &DataType::Float64);
        if args.is_distinct || !doubles || args.expr_fields.len() != S::ARGUMENTS {
            return self.original().create_sliding_accumulator(args);
        }
        Ok(Box::new(SlidingAccumulator { window: Window::new(), finish: self.finish }))
    }

    fn name(&self) -> &str {
        self.original().name()
    }

    fn aliases(&self) -> &[String] {
        self.original().aliases()
    }

    fn signature(&self) -> &Signature {
        self.original().signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.original().return_type(arguments)
    }

    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        self.original().return_field(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.original().is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.original().accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.original().state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.original().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.original().create_groups_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.original().order_sensitivity()
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.original().simplify()
    }

    fn simplify_expr_op_literal(
        &self,
        function: &AggregateFunction,
        argument: &Expr,
        operator: Operator,
        literal: &Expr,
        argument_is_left: bool,
    ) -> Result<Option<Expr>> {
        self.original().simplify_expr_op_literal(function, argument, operator, literal, argument_is_left)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.original().reverse_expr()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.original().coerce_types(arguments)
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.original().value_from_stats(statistics)
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.original().default_value(data_type)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.original().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.original().documentation()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.original().schema_name(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.original().window_function_schema_name(params)
    }
}

/// Rows enter at one end of the window and leave at the other.
#[derive(Debug)]
struct SlidingAccumulator<S: Rows> {
    window: Window<S>,
    finish: Finish<S>,
}

impl<S: Rows> Accumulator for SlidingAccumulator<S> {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        let columns = values(arguments);
        for at in (0..columns[0].len()).filter(|at| is_whole(arguments, *at)) {
            self.window.push(S::row(&columns, at));
        }
        Ok(())
    }

    /// The rows that leave are those that came first: only their number matters.
    fn retract_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        for _ in (0..arguments[0].len()).filter(|at| is_whole(arguments, *at)) {
            self.window.pop();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok((self.finish)(self.window.summary()))
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

fn values(arguments: &[ArrayRef]) -> Vec<&[f64]> {
    arguments.iter().map(|column| &column.as_primitive::<Float64Type>().values()[..]).collect()
}

fn is_whole(arguments: &[ArrayRef], at: usize) -> bool {
    arguments.iter().all(|column| column.is_valid(at))
}
