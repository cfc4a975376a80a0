//! The functions and operators of a query that are not as the engine brings them: aggregates that are
//! right, arithmetic that does not wrap around, and answers that are bounded.

mod bounded;
mod checked;
mod numerics;
mod sizes;

use std::sync::Arc;

use datafusion::prelude::SessionContext;

/// Puts them in place of the engine's. No call may make more than `memory` bytes of a batch of rows.
pub(super) fn register(context: &SessionContext, memory: usize) {
    for function in numerics::functions() {
        context.register_udaf(function);
    }
    context.add_analyzer_rule(Arc::new(checked::CheckOperators { most: memory }));
    for function in bounded::functions(memory) {
        context.register_udf(function);
    }
}
