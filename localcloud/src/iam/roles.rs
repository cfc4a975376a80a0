//! The table of roles: the permissions that Google documents for each. Knows nothing of who has them.

/// A role: what it allows, as patterns in which `*` stands for any text, and what of that it does not.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) allows: &'static [&'static str],
    pub(super) but_not: &'static [&'static str],
}

pub(super) const fn role(name: &'static str, allows: &'static [&'static str]) -> Role {
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
    "secretmanager.versions.access",
    "resourcemanager.projects.undelete",
    "storage.objects.*",
    "storage.managedFolders.*",
    "storage.multipartUploads.*",
];

/// By name, which looking them up relies on.
pub(super) const ROLES: &[Role] = &[
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
        "compute.viewer",
        &["compute.*.get", "compute.*.list", "resourcemanager.projects.get", "resourcemanager.projects.list"],
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
    role(
        "monitoring.viewer",
        &[
            "monitoring.*.get",
            "monitoring.*.list",
            "resourcemanager.projects.get",
            "resourcemanager.projects.list",
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
    Role {
        name: "viewer",
        allows: &[
            "*.get",
            "*.list",
            "artifactregistry.repositories.downloadArtifacts",
            "resourcemanager.projects.getIamPolicy",
        ],
        but_not: OBJECTS,
    },
];
