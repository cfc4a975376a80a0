//! The least roles that hold permissions, out of a table of Google's.

use std::collections::BTreeSet;

use serde::Serialize;

use super::table::{CONNECT, READ_IMAGE, READ_QUOTA};
use crate::wildcard::fits;

/// A role, and what of it is needed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Role {
    /// `roles/pubsub.editor`.
    pub role: String,
    /// The permissions that it is taken for.
    pub permissions: Vec<String>,
}

/// Roles as Google documents them, as far as we need them, the weaker before the stronger.
const ROLES: &[(&str, &[&str])] = &[
    ("browser", &["resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"]),
    ("serviceusage.serviceUsageViewer", &["serviceusage.services.get"]),
    ("serviceusage.serviceUsageAdmin", &["serviceusage.services.*"]),
    ("pubsub.publisher", &["pubsub.topics.publish"]),
    ("pubsub.subscriber", &["pubsub.subscriptions.consume", "pubsub.topics.attachSubscription"]),
    ("pubsub.viewer", &["pubsub.*.get", "pubsub.*.list"]),
    ("storage.bucketViewer", &["storage.buckets.get", "storage.buckets.list"]),
    ("storage.objectViewer", &["storage.objects.get", "storage.objects.list"]),
    (
        "storage.objectUser",
        &["storage.objects.get", "storage.objects.list", "storage.objects.create", "storage.objects.delete"],
    ),
    (
        "iam.serviceAccountViewer",
        &["iam.serviceAccounts.get", "iam.serviceAccounts.list", "iam.serviceAccounts.getIamPolicy"],
    ),
    ("artifactregistry.reader", &[READ_IMAGE]),
    ("compute.viewer", &[READ_QUOTA]),
    ("iam.serviceAccountUser", &["iam.serviceAccounts.actAs"]),
    ("container.clusterViewer", &["container.clusters.get", "container.clusters.list"]),
    ("iam.securityReviewer", &["*.getIamPolicy"]),
    (
        "container.viewer",
        &[
            CONNECT,
            "container.clusters.get",
            "container.clusters.list",
            "container.namespaces.get",
            "container.namespaces.list",
            "container.serviceAccounts.get",
            "container.serviceAccounts.list",
            "container.cronJobs.get",
            "container.cronJobs.list",
            "container.jobs.get",
            "container.jobs.list",
            "container.pods.get",
            "container.pods.list",
            "container.nodes.list",
            "container.events.list",
        ],
    ),
    (
        "container.developer",
        &[
            CONNECT,
            "container.clusters.get",
            "container.clusters.list",
            "container.namespaces.*",
            "container.serviceAccounts.*",
            "container.secrets.*",
            "container.cronJobs.*",
            "container.jobs.*",
            "container.pods.*",
            "container.nodes.list",
            "container.events.list",
        ],
    ),
    ("container.clusterAdmin", &["container.clusters.*", "container.operations.*"]),
    ("pubsub.admin", &["pubsub.*"]),
    ("storage.admin", &["storage.*"]),
    ("resourcemanager.projectIamAdmin", &["resourcemanager.projects.*"]),
    (
        "iam.serviceAccountAdmin",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.create",
            "iam.serviceAccounts.update",
            "iam.serviceAccounts.delete",
            "iam.serviceAccounts.undelete",
            "iam.serviceAccounts.getIamPolicy",
            "iam.serviceAccounts.setIamPolicy",
        ],
    ),
    ("secretmanager.admin", &["secretmanager.*"]),
];

/// The least roles that hold these permissions together, the weaker first; what no role holds comes
/// under none.
pub(crate) fn least_roles(permissions: &BTreeSet<&'static str>) -> Vec<Role> {
    let holds = |role: usize, permission: &str| ROLES[role].1.iter().any(|pattern| fits(pattern, permission));
    let weakest = |permission: &&'static str| (0..ROLES.len()).find(|role| holds(*role, permission));
    let mut taken: BTreeSet<usize> = permissions.iter().filter_map(weakest).collect();
    // What the others hold together anyway is not needed.
    for role in taken.clone() {
        let by_others = |permission: &&&'static str| {
            taken.iter().any(|other| *other != role && holds(*other, permission))
        };
        let own: Vec<_> = permissions.iter().filter(|permission| holds(role, permission)).collect();
        if own.iter().filter(|permission| by_others(permission)).count() == own.len() {
            taken.remove(&role);
        }
    }
    let one = |role: usize| Role {
        role: format!("roles/{}", ROLES[role].0),
        permissions: permissions.iter().filter(|p| holds(role, p)).map(|p| (*p).to_owned()).collect(),
    };
    taken.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::table::{ALWAYS, ROWS, RUN};

    #[test]
    fn every_permission_of_the_table_is_in_a_role() {
        let all = ROWS.iter().flat_map(|row| [row.read, row.create, row.update, row.delete]);
        for permission in all.flatten().chain(ALWAYS).chain(RUN).chain(&[READ_QUOTA, READ_IMAGE]) {
            let is_held = ROLES.iter().any(|(_, holds)| holds.iter().any(|held| fits(held, permission)));
            assert!(is_held, "no role holds {permission}");
        }
    }

    #[test]
    fn a_role_whose_permissions_others_hold_is_left_out() {
        let names = |permissions: &[&'static str]| -> Vec<String> {
            least_roles(&permissions.iter().copied().collect()).into_iter().map(|role| role.role).collect()
        };
        assert_eq!(names(&["pubsub.topics.get"]), ["roles/pubsub.viewer"]);
        assert_eq!(names(&["pubsub.topics.get", "pubsub.topics.create"]), ["roles/pubsub.admin"]);
        assert_eq!(
            names(&["storage.objects.get", "storage.objects.create", "storage.buckets.get"]),
            ["roles/storage.bucketViewer", "roles/storage.objectUser"]
        );
    }
}
