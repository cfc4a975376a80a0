//! What stands in place of the staged commit: until several outputs of an item can be stored as one,
//! configurations that make several are refused. To be deleted with its uses.

use crate::etl::{Diagnostic, Etl};

/// Why such a configuration is refused.
pub(crate) const ONLY: &str = "this version of worker stores one output an item, with a name that the item alone \
     tells: `load` may have no columns in braces, and `bad_rows = \"reject\"` is not possible yet";

/// The engine, if its configuration makes one output.
pub(crate) fn only(etl: Etl) -> Result<Etl, Vec<Diagnostic>> {
    if etl.makes_several() { Err(vec![Diagnostic::new("load", ONLY.to_owned())]) } else { Ok(etl) }
}
