//! The roles of Cloud Storage, as Google documents them.

use super::roles::{Role, role};

/// By name, which looking them up relies on.
pub(super) const ROLES: &[Role] = &[
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
];
