//! Operators whose answers are checked. Arithmetic of whole numbers fails where its answer does not fit:
//! the engine's own wraps around, and the largest number plus one would be the smallest. `||` makes no
//! more than its memory.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, exec_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::PhysicalExpr as _;
use datafusion::physical_expr::expressions::{self, Column};
use datafusion::physical_expr_common::datum::apply;

use super::{bounded, sizes};

/// Puts [`Checked`] in the place of every sum, difference, product and negation of whole numbers, and of
/// every `||` of texts. It comes after the engine's own rules, which make both sides the same type.
#[derive(Debug)]
pub(super) struct CheckOperators {
    /// Bytes that `||` may make of one batch of rows.
    pub(super) most: usize,
}

/// One operation on values of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
    Join,
}

/// The operation as a function.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    most: usize,
    signature: Signature,
}

impl AnalyzerRule for CheckOperators {
    fn name(&self) -> &'static str {
        "check_operators"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| checked(plan, self.most)).map(|plan| plan.data)
    }
}

fn checked(plan: LogicalPlan, most: usize) -> Result<Transformed<LogicalPlan>> {
    let columns = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expression| {
        let name = names.save(&expression);
        let expression = expression.transform_up(|expression| replaced(expression, &columns, most))?;
        Ok(expression.update_data(|expression| name.restore(expression)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn replaced(expression: Expr, columns: &DFSchema, most: usize) -> Result<Transformed<Expr>> {
    let (operation, arguments) = match expression {
        Expr::Negative(of) if of.get_type(columns)?.is_integer() => (Operation::Negate, vec![*of]),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            match Operation::of(op, &left.get_type(columns)?, &right.get_type(columns)?) {
                Some(operation) => (operation, vec![*left, *right]),
                None => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            }
        }
        other => return Ok(Transformed::no(other)),
    };
    let signature = Signature::any(arguments.len(), Volatility::Immutable);
    let function = ScalarUDF::new_from_impl(Checked { operation, most, signature });
    Ok(Transformed::yes(function.call(arguments)))
}

impl Operation {
    fn of(operator: Operator, left: &DataType, right: &DataType) -> Option<Self> {
        let whole = left.is_integer() && left == right;
        let text = left.is_string() && left == right;
        match operator {
            Operator::Plus if whole => Some(Self::Add),
            Operator::Minus if whole => Some(Self::Subtract),
            Operator::Multiply if whole => Some(Self::Multiply),
            Operator::StringConcat if text => Some(Self::Join),
            _ => None,
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Negate => "checked_negate",
            Operation::Join => "||",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [one] => Ok(one.clone()),
            [left, right] if left == right => Ok(left.clone()),
            _ => exec_err!("{} of different types", self.name()),
        }
    }

    fn is_nullable(&self, arguments: &[Expr], columns: &dyn ExprSchema) -> bool {
        arguments.iter().any(|argument| argument.nullable(columns).unwrap_or(true))
    }

    fn invoke_with_args(&self, called: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.operation, called.args.as_slice()) {
            (Operation::Add, [left, right]) => apply(left, right, numeric::add),
            (Operation::Subtract, [left, right]) => apply(left, right, numeric::sub),
            (Operation::Multiply, [left, right]) => apply(left, right, numeric::mul),
            (Operation::Negate, [of]) => {
                let column = numeric::neg(&of.to_array(called.number_rows)?)?;
                Ok(ColumnarValue::Array(column))
            }
            (Operation::Join, [_, _]) => {
                bounded::check(self.name(), sizes::all_texts(&called)?, self.most)?;
                joined(&called)
            }
            _ => exec_err!("{} of {} arguments", self.name(), called.args.len()),
        }
    }
}

/// As the engine joins them: null if either is.
fn joined(called: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let columns = called.args.iter().map(|argument| argument.to_array(called.number_rows));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let field = |(at, column): (usize, &Arc<dyn datafusion::arrow::array::Array>)| {
        Field::new(at.to_string(), column.data_type().clone(), true)
    };
    let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
    let rows = RecordBatch::try_new(schema, columns)?;
    let side = |at: usize| Arc::new(Column::new(&at.to_string(), at));
    expressions::BinaryExpr::new(side(0), Operator::StringConcat, side(1)).evaluate(&rows)
}
