//! The functions of a query that are not as the engine brings them: aggregates that are right, and
//! functions whose answers are bounded.

mod bounded;
mod numerics;
mod sizes;

use datafusion::prelude::SessionContext;

/// Puts them in place of the engine's. No call may make more than `memory` bytes of a batch of rows.
pub(super) fn register(context: &SessionContext, memory: usize) {
    for function in numerics::functions() {
        context.register_udaf(function);
    }
    for function in bounded::functions(memory) {
        context.register_udf(function);
    }
}
