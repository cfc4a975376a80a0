//! `DataFusion`'s own aggregate functions with other accumulators. Theirs add up naively, wrap around
//! where a sum is too large, and take the rows that leave a sliding window out of the sums again, which
//! cancels (apache/datafusion#13247).

use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};

use super::accumulate::{Way, state_field};

/// The way to compute a function of arguments of these types, if there is a better one than the
/// built-in function's.
pub(super) type FindWay = fn(&[&DataType]) -> Option<Box<dyn Way>>;

/// A built-in function that computes in another way.
pub(super) struct Exact {
    built_in: Arc<AggregateUDF>,
    aliases: Vec<String>,
    way: FindWay,
}

impl Exact {
    /// The function under the names of the built-in one and these, for
    /// [`datafusion::prelude::SessionContext::register_udaf`].
    pub(super) fn over(built_in: Arc<AggregateUDF>, more_names: &[&str], way: FindWay) -> AggregateUDF {
        let more_names = more_names.iter().map(|name| (*name).to_owned());
        let aliases = built_in.aliases().iter().cloned().chain(more_names).collect();
        AggregateUDF::new_from_impl(Self { built_in, aliases, way })
    }

    fn original(&self) -> &dyn AggregateUDFImpl {
        self.built_in.inner().as_ref()
    }

    fn way(&self, arguments: &[FieldRef]) -> Option<Box<dyn Way>> {
        let types: Vec<&DataType> = arguments.iter().map(|field| field.data_type()).collect();
        (self.way)(&types)
    }
}

impl Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exact").field(&self.built_in).finish()
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.built_in == other.built_in
    }
}

impl Eq for Exact {}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.built_in.hash(state);
    }
}

/// All that is not computing is the built-in function's, but for one simplification: `sum(x + 1)` as
/// `sum(x) + count(x)` would cancel.
impl AggregateUDFImpl for Exact {
    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.way(args.expr_fields) {
            Some(way) if args.is_distinct => Ok(way.distinct(args.return_field.data_type())),
            Some(way) => Ok(way.plain(args.return_field.data_type())),
            None => self.original().accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.way(args.expr_fields) {
            Some(way) if args.is_distinct => Ok(way.distinct(args.return_field.data_type())),
            Some(way) => Ok(way.sliding(args.return_field.data_type())),
            None => self.original().create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match self.way(args.expr_fields) {
            Some(_) => !args.is_distinct,
            None => self.original().groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match self.way(args.expr_fields) {
            Some(way) => Ok(way.groups(args.return_field.data_type())),
            None => self.original().create_groups_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match self.way(args.input_fields) {
            Some(_) => Ok(vec![state_field(args.name)]),
            None => self.original().state_fields(args),
        }
    }

    fn name(&self) -> &str {
        self.original().name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
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

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.original().order_sensitivity()
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.original().simplify()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.original().reverse_expr()
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.original().coerce_types(arguments)
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
