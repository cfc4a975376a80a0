//! A flaw of the parser: it takes all that follows `a IS NOT DISTINCT FROM b` for its right side, so that
//! `a IS NOT DISTINCT FROM b AND c` means something else than everywhere else. Such a query is refused.

use std::ops::ControlFlow;

use datafusion::common::Span;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Spanned as _, Statement, visit_expressions};

/// What to do about it.
pub(super) const HINT: &str =
    "write parentheses: `(a IS NOT DISTINCT FROM b) AND c`, or `a IS NOT DISTINCT FROM (b AND c)`";

/// Breaks off at the first comparison that swallows what follows, with its place where that is known.
pub(super) fn swallowing(statement: &Statement) -> ControlFlow<Option<Span>> {
    visit_expressions(statement, |expression| match expression {
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) if is_swallowed(right) => {
            ControlFlow::Break(Span::try_from_sqlparser_span(right.span()))
        }
        _ => ControlFlow::Continue(()),
    })
}

/// Whether it would stand outside, were the comparison read by the rules of precedence: `AND`, `OR` and
/// `IS` bind no tighter than the comparison itself.
fn is_swallowed(right: &Expr) -> bool {
    match right {
        Expr::BinaryOp { op, .. } => {
            matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor)
        }
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..) => true,
        _ => false,
    }
}
