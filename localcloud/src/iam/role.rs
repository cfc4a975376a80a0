//! Roles, and the permissions that Google documents for them. A role that is not in the table, of a
//! service that is not here, can be granted and allows nothing here.

/// A role: what it allows, as patterns in which `*` stands for any text, and what of that it does not.
struct Role {
    name: &'static str,
    allows: &'static [&'static str],
    but_not: &'static [&'static str],
}

const fn role(name: &'static str, allows: &'static [&'static str]) -> Role {
    Role { name, allows, but_not: &[] }
}

/// Basic roles reach objects only through the bucket's own policy, in which Google names the
/// project's owners, editors and viewers.
const OBJECTS: &[&str] = &["storage.objects.*", "storage.managedFolders.*", "storage.multipartUploads.*"];
/// An editor may change resources, but neither who may use them nor the project itself.
const NOT_AN_EDITORS: &[&str] = &[
    "*.setIamPolicy",
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.sign*",
    "iam.serviceAccounts.implicitDelegation",
    "resourcemanager.projects.delete",
    "resourcemanager.projects.undelete",
    "storage.objects.*",
    "storage.managedFolders.*",
    "storage.multipartUploads.*",
];

/// Services whose roles are all here: a role of theirs that is not in the table is no role.
const WHOLE: &[&str] = &["container", "iam", "pubsub", "resourcemanager", "serviceusage", "storage"];

/// By name.
const ROLES: &[Role] = &[
    role(
        "artifactregistry.reader",
        &[
            "artifactregistry.*.get",
            "artifactregistry.*.list",
            "artifactregistry.files.download",
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.readViaVirtualRepository",
            "artifactregistry.repositories.listEffectiveTags",
            "artifactregistry.repositories.listTagBindings",
        ],
    ),
    role(
        "artifactregistry.writer",
        &[
            "artifactregistry.*.get",
            "artifactregistry.*.list",
            "artifactregistry.files.*",
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.uploadArtifacts",
            "artifactregistry.repositories.readViaVirtualRepository",
            "artifactregistry.tags.create",
            "artifactregistry.tags.update",
        ],
    ),
    role(
        "browser",
        &["resourcemanager.*.get", "resourcemanager.projects.getIamPolicy", "resourcemanager.*.list"],
    ),
    role(
        "container.admin",
        &["container.*", "resourcemanager.projects.get", "resourcemanager.projects.list"],
    ),
    role(
        "container.clusterAdmin",
        &[
            "container.clusters.create",
            "container.clusters.delete",
            "container.clusters.get",
            "container.clusters.getCredentials",
            "container.clusters.list",
            "container.clusters.update",
            "container.operations.*",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "container.clusterViewer",
        &[
            "container.clusters.get",
            "container.clusters.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "container.defaultNodeServiceAccount",
        &[
            "autoscaling.sites.writeMetrics",
            "logging.logEntries.create",
            "monitoring.metricDescriptors.create",
            "monitoring.metricDescriptors.list",
            "monitoring.timeSeries.create",
            "monitoring.timeSeries.list",
        ],
    ),
    Role {
        name: "container.developer",
        allows: &["container.*", "resourcemanager.projects.get", "resourcemanager.projects.list"],
        but_not: &[
            "container.clusters.create",
            "container.clusters.delete",
            "container.clusters.update",
            "container.clusters.getCredentials",
            "container.operations.*",
            "container.clusterRole*",
            "container.role*",
        ],
    },
    role(
        "container.viewer",
        &[
            "container.*.get",
            "container.*.getStatus",
            "container.*.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    Role { name: "editor", allows: &["*"], but_not: NOT_AN_EDITORS },
    role(
        "iam.securityAdmin",
        &["*.getIamPolicy", "*.setIamPolicy", "*.list", "resourcemanager.projects.get"],
    ),
    role("iam.securityReviewer", &["*.getIamPolicy", "*.list"]),
    Role {
        name: "iam.serviceAccountAdmin",
        allows: &["iam.serviceAccounts.*", "resourcemanager.projects.get", "resourcemanager.projects.list"],
        but_not: &[
            "iam.serviceAccounts.actAs",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.implicitDelegation",
            "iam.serviceAccounts.sign*",
        ],
    },
    role(
        "iam.serviceAccountCreator",
        &[
            "iam.serviceAccounts.create",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "iam.serviceAccountDeleter",
        &[
            "iam.serviceAccounts.delete",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role("iam.serviceAccountOpenIdTokenCreator", &["iam.serviceAccounts.getOpenIdToken"]),
    role(
        "iam.serviceAccountTokenCreator",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.implicitDelegation",
            "iam.serviceAccounts.list",
            "iam.serviceAccounts.signBlob",
            "iam.serviceAccounts.signJwt",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "iam.serviceAccountUser",
        &[
            "iam.serviceAccounts.actAs",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "iam.serviceAccountViewer",
        &[
            "iam.serviceAccountKeys.get",
            "iam.serviceAccountKeys.list",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getIamPolicy",
            "iam.serviceAccounts.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "iam.workloadIdentityUser",
        &[
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.getAccessToken",
            "iam.serviceAccounts.getOpenIdToken",
            "iam.serviceAccounts.list",
        ],
    ),
    role("logging.logWriter", &["logging.logEntries.create", "logging.logEntries.route"]),
    role(
        "monitoring.metricWriter",
        &[
            "monitoring.metricDescriptors.create",
            "monitoring.metricDescriptors.get",
            "monitoring.metricDescriptors.list",
            "monitoring.timeSeries.create",
        ],
    ),
    Role { name: "owner", allows: &["*"], but_not: OBJECTS },
    role(
        "pubsub.admin",
        &["pubsub.*", "resourcemanager.projects.get", "serviceusage.*.get", "serviceusage.*.list"],
    ),
    Role {
        name: "pubsub.editor",
        allows: &["pubsub.*", "resourcemanager.projects.get", "serviceusage.*.get", "serviceusage.*.list"],
        but_not: &["pubsub.*.getIamPolicy", "pubsub.*.setIamPolicy"],
    },
    role("pubsub.publisher", &["pubsub.topics.publish"]),
    role(
        "pubsub.subscriber",
        &["pubsub.snapshots.seek", "pubsub.subscriptions.consume", "pubsub.topics.attachSubscription"],
    ),
    role(
        "pubsub.viewer",
        &[
            "pubsub.*.get",
            "pubsub.*.list",
            "pubsub.schemas.listRevisions",
            "pubsub.schemas.validate",
            "resourcemanager.projects.get",
            "serviceusage.*.get",
            "serviceusage.*.list",
        ],
    ),
    role(
        "resourcemanager.projectIamAdmin",
        &[
            "resourcemanager.projects.get",
            "resourcemanager.projects.getIamPolicy",
            "resourcemanager.projects.setIamPolicy",
        ],
    ),
    role("serviceusage.serviceUsageAdmin", &["serviceusage.*", "monitoring.timeSeries.list"]),
    role(
        "serviceusage.serviceUsageConsumer",
        &[
            "monitoring.timeSeries.list",
            "serviceusage.*.get",
            "serviceusage.*.list",
            "serviceusage.services.use",
        ],
    ),
    role(
        "serviceusage.serviceUsageViewer",
        &["monitoring.timeSeries.list", "serviceusage.*.get", "serviceusage.*.list"],
    ),
    role("storage.admin", &["storage.*", "resourcemanager.projects.get", "resourcemanager.projects.list"]),
    role("storage.bucketViewer", &["storage.buckets.get", "storage.buckets.list"]),
    role("storage.insightsCollectorService", &["storage.buckets.get", "storage.buckets.getObjectInsights"]),
    role(
        "storage.legacyBucketOwner",
        &[
            "storage.buckets.enableObjectRetention",
            "storage.buckets.get",
            "storage.buckets.getIamPolicy",
            "storage.buckets.restore",
            "storage.buckets.setIamPolicy",
            "storage.buckets.update",
            "storage.managedFolders.*",
            "storage.multipartUploads.*",
            "storage.objects.create",
            "storage.objects.delete",
            "storage.objects.list",
            "storage.objects.restore",
            "storage.objects.setRetention",
        ],
    ),
    role(
        "storage.legacyBucketReader",
        &[
            "storage.buckets.get",
            "storage.managedFolders.get",
            "storage.managedFolders.list",
            "storage.multipartUploads.list",
            "storage.objects.list",
        ],
    ),
    role(
        "storage.legacyBucketWriter",
        &[
            "storage.buckets.get",
            "storage.managedFolders.create",
            "storage.managedFolders.delete",
            "storage.managedFolders.get",
            "storage.managedFolders.list",
            "storage.multipartUploads.*",
            "storage.objects.create",
            "storage.objects.delete",
            "storage.objects.list",
            "storage.objects.restore",
            "storage.objects.setRetention",
        ],
    ),
    role(
        "storage.legacyObjectOwner",
        &[
            "storage.objects.get",
            "storage.objects.getIamPolicy",
            "storage.objects.overrideUnlockedRetention",
            "storage.objects.setIamPolicy",
            "storage.objects.setRetention",
            "storage.objects.update",
        ],
    ),
    role("storage.legacyObjectReader", &["storage.objects.get"]),
    role(
        "storage.objectAdmin",
        &[
            "storage.folders.*",
            "storage.managedFolders.*",
            "storage.multipartUploads.*",
            "storage.objects.*",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    role(
        "storage.objectCreator",
        &[
            "storage.folders.create",
            "storage.managedFolders.create",
            "storage.multipartUploads.abort",
            "storage.multipartUploads.create",
            "storage.multipartUploads.listParts",
            "storage.objects.create",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    Role {
        name: "storage.objectUser",
        allows: &[
            "storage.folders.*",
            "storage.managedFolders.create",
            "storage.managedFolders.delete",
            "storage.managedFolders.get",
            "storage.managedFolders.list",
            "storage.multipartUploads.*",
            "storage.objects.*",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
        but_not: &[
            "storage.objects.getIamPolicy",
            "storage.objects.overrideUnlockedRetention",
            "storage.objects.setIamPolicy",
            "storage.objects.setRetention",
        ],
    },
    role(
        "storage.objectViewer",
        &[
            "storage.folders.get",
            "storage.folders.list",
            "storage.managedFolders.get",
            "storage.managedFolders.list",
            "storage.objects.get",
            "storage.objects.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
        ],
    ),
    Role {
        name: "viewer",
        allows: &["*.get", "*.list", "resourcemanager.projects.getIamPolicy"],
        but_not: OBJECTS,
    },
];

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
    ROLES.binary_search_by_key(&name, |role| role.name).ok().map(|at| &ROLES[at])
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
        assert!(ROLES.is_sorted_by(|a, b| a.name < b.name));
        let patterns = ROLES.iter().flat_map(|role| role.allows.iter().chain(role.but_not));
        patterns.for_each(|pattern| assert!(pattern.matches('*').count() <= 1, "{pattern}"));
    }

    #[test]
    fn roles_hold_what_google_documents() {
        let cases = [
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
