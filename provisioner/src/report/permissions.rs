//! The least roles of a command, as text and as data.

use serde::Serialize;

use crate::permissions::{Doing, Role};

/// One role a line, for `xargs` and for people.
pub(crate) fn permissions_text(roles: &[Role]) -> String {
    roles.iter().flat_map(|role| [role.role.as_ref(), "\n"]).collect()
}

/// The roles, each with the permissions that it is taken for.
pub(crate) fn permissions_json(doing: Doing, stack: &str, roles: &[Role]) -> impl Serialize {
    serde_json::json!({ "format_version": 1, "stack": stack, "command": doing, "roles": roles })
}
