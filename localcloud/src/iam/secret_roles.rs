//! The roles of Secret Manager, as Google documents them.

use super::roles::Role;

const GET: &str = "resourcemanager.projects.get";
const LIST: &str = "resourcemanager.projects.list";

/// By name, which looking them up relies on.
pub(super) const ROLES: &[Role] = &[
    Role { name: "secretmanager.admin", allows: &["secretmanager.*", GET, LIST], but_not: &[] },
    Role {
        name: "secretmanager.secretAccessor",
        allows: &["secretmanager.versions.access", GET, LIST],
        but_not: &[],
    },
    Role {
        name: "secretmanager.secretVersionAdder",
        allows: &["secretmanager.versions.add", GET, LIST],
        but_not: &[],
    },
    Role {
        name: "secretmanager.secretVersionManager",
        allows: &["secretmanager.versions.*", GET, LIST],
        but_not: &["secretmanager.versions.access"],
    },
    Role {
        name: "secretmanager.viewer",
        allows: &[
            "secretmanager.*.get",
            "secretmanager.*.list",
            "secretmanager.secrets.getIamPolicy",
            GET,
            LIST,
        ],
        but_not: &[],
    },
];
