//! What a role allows, and whether there is one of a name. A role that is not in the table, of a
//! service that is not here, can be granted and allows nothing here.

use super::roles::{ROLES, Role};
use super::{secret_roles, storage_roles};

/// Services whose roles are all here: a role of theirs that is not in the table is no role.
const WHOLE: &[&str] =
    &["container", "iam", "pubsub", "resourcemanager", "secretmanager", "serviceusage", "storage"];

const TABLES: [&[Role]; 3] = [ROLES, secret_roles::ROLES, storage_roles::ROLES];

/// Whether a role, `roles/…`, holds a permission.
pub(super) fn allows(role: &str, permission: &str) -> bool {
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, permission));
    find(role).is_some_and(|role| any(role.allows) && !any(role.but_not))
}

/// Whether there is such a role, as far as that can be known here.
pub(super) fn exists(role: &str) -> bool {
    let Some(name) = role.strip_prefix("roles/") else { return false };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
    let is_of_another_service = || {
        let service = name.split_once('.').map(|(service, _)| service);
        service.is_some_and(|service| !service.is_empty() && !WHOLE.contains(&service))
    };
    name.bytes().all(plain) && (find(role).is_some() || is_of_another_service())
}

fn find(role: &str) -> Option<&'static Role> {
    let name = role.strip_prefix("roles/")?;
    let in_table = |roles: &'static [Role]| {
        roles.binary_search_by_key(&name, |role| role.name).ok().map(|at| &roles[at])
    };
    TABLES.into_iter().find_map(in_table)
}

/// Matches a pattern with at most one `*`, which the table keeps to.
fn matches(pattern: &str, permission: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == permission,
        Some((head, tail)) => {
            permission.len() >= head.len() + tail.len()
                && permission.starts_with(head)
                && permission.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_patterns_are_plain() {
        assert!(TABLES.iter().all(|roles| roles.is_sorted_by(|a, b| a.name < b.name)));
        let patterns = TABLES.into_iter().flatten().flat_map(|role| role.allows.iter().chain(role.but_not));
        patterns.for_each(|pattern| assert!(pattern.matches('*').count() <= 1, "{pattern}"));
    }

    #[test]
    fn roles_hold_what_google_documents() {
        let cases = [
            ("roles/editor", "secretmanager.versions.access", false),
            ("roles/owner", "secretmanager.versions.access", true),
            ("roles/secretmanager.secretAccessor", "secretmanager.versions.access", true),
            ("roles/secretmanager.secretAccessor", "secretmanager.versions.get", false),
            ("roles/secretmanager.viewer", "secretmanager.versions.access", false),
            ("roles/owner", "pubsub.topics.setIamPolicy", true),
            ("roles/owner", "storage.objects.get", false),
            ("roles/editor", "pubsub.topics.create", true),
            ("roles/editor", "pubsub.topics.setIamPolicy", false),
            ("roles/viewer", "container.clusters.get", true),
            ("roles/viewer", "container.clusters.create", false),
            ("roles/pubsub.subscriber", "pubsub.subscriptions.consume", true),
            ("roles/pubsub.subscriber", "pubsub.subscriptions.get", false),
            ("roles/pubsub.publisher", "pubsub.topics.get", false),
            ("roles/pubsub.editor", "pubsub.topics.setIamPolicy", false),
            ("roles/storage.objectUser", "storage.objects.delete", true),
            ("roles/storage.objectUser", "storage.objects.setIamPolicy", false),
            ("roles/storage.objectUser", "storage.buckets.get", false),
            ("roles/storage.objectCreator", "storage.objects.delete", false),
            ("roles/storage.legacyObjectReader", "storage.objects.list", false),
            ("roles/iam.workloadIdentityUser", "iam.serviceAccounts.getAccessToken", true),
            ("roles/iam.serviceAccountUser", "iam.serviceAccounts.getAccessToken", false),
            ("roles/iam.serviceAccountAdmin", "iam.serviceAccounts.actAs", false),
            ("roles/container.developer", "container.pods.create", true),
            ("roles/container.developer", "container.clusters.update", false),
            ("roles/bigquery.admin", "bigquery.jobs.create", false),
        ];
        for (role, permission, expected) in cases {
            assert_eq!(allows(role, permission), expected, "{role} {permission}");
        }
    }

    #[test]
    fn a_role_of_a_service_that_is_here_must_be_in_the_table() {
        for role in ["roles/owner", "roles/pubsub.editor", "roles/bigquery.dataViewer"] {
            assert!(exists(role), "{role}");
        }
        for role in ["roles/pubsub.nonsense", "roles/nonsense", "roles/", "roles/a/b", "projects/p/roles/own"]
        {
            assert!(!exists(role), "{role}");
        }
    }
}
