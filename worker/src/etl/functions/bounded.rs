//! Functions whose answer may be far larger than their arguments: `repeat('x', 2000000000)`. The
//! engine's memory limit does not see what one call allocates, so what it would be is computed first.

use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{ExprSchema, Result, exec_err};
use datafusion::functions::{regex, string, unicode};
use datafusion::functions_nested::{range, repeat, resize};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::sizes;

/// The bytes that a call would answer, at most.
type Size = fn(&ScalarFunctionArgs) -> Result<u128>;

/// The functions to register over the built-in ones.
pub(super) fn functions(most: usize) -> Vec<ScalarUDF> {
    let bounded: [(Arc<ScalarUDF>, Size); 11] = [
        (string::repeat(), sizes::repeated_text),
        (string::replace(), sizes::replaced),
        (regex::regexp_replace(), sizes::replaced_patterns),
        (string::concat(), sizes::all_texts),
        (string::concat_ws(), sizes::all_texts),
        (unicode::lpad(), sizes::padded),
        (unicode::rpad(), sizes::padded),
        (repeat::array_repeat_udf(), sizes::repeated),
        (resize::array_resize_udf(), sizes::resized),
        (range::range_udf(), sizes::ranged),
        (range::gen_series_udf(), sizes::ranged),
    ];
    bounded.map(|(built_in, size)| ScalarUDF::new_from_impl(Bounded { built_in, size, most })).into()
}

/// Refuses to make more than `most` bytes.
pub(super) fn check(name: &str, size: u128, most: usize) -> Result<()> {
    if size > most as u128 {
        let most = contract::size::print(most as u64);
        return exec_err!("`{name}` would make {size} bytes of one batch of rows; `memory` allows {most}");
    }
    Ok(())
}

/// A built-in function that refuses to answer too much.
struct Bounded {
    built_in: Arc<ScalarUDF>,
    size: Size,
    most: usize,
}

impl Bounded {
    fn original(&self) -> &dyn ScalarUDFImpl {
        self.built_in.inner().as_ref()
    }
}

impl Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bounded").field(&self.built_in).finish()
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.built_in == other.built_in && self.most == other.most
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.built_in.hash(state);
    }
}

/// All but simplification, which would put the built-in function back.
impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check(self.name(), (self.size)(&args)?, self.most)?;
        self.original().invoke_with_args(args)
    }

    fn name(&self) -> &str {
        self.original().name()
    }

    fn aliases(&self) -> &[String] {
        self.original().aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.original().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.original().signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.original().return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.original().return_field_from_args(args)
    }

    fn is_nullable(&self, args: &[Expr], schema: &dyn ExprSchema) -> bool {
        #[expect(deprecated, reason = "the built-in function may still say so here")]
        self.original().is_nullable(args, schema)
    }

    fn is_strict(&self) -> bool {
        self.original().is_strict()
    }

    fn short_circuits(&self) -> bool {
        self.original().short_circuits()
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.original().evaluate_bounds(input)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.original().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.original().preserves_lex_ordering(inputs)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.original().coerce_types(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.original().documentation()
    }
}
