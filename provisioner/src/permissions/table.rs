//! The permissions that each call of each kind asks for, as a table.

use crate::resource::Address;

/// The permissions that a kind's calls ask for, by what is done. A grant's depend on what it is on.
pub(super) struct Row {
    pub kind: &'static str,
    pub read: &'static [&'static str],
    pub create: &'static [&'static str],
    pub update: &'static [&'static str],
    pub delete: &'static [&'static str],
}

pub(super) const CONNECT: &str = "container.clusters.connect";
const ACT_AS: &str = "iam.serviceAccounts.actAs";
const OPERATION: &str = "container.operations.get";
pub(super) const READ_QUOTA: &str = "compute.regions.get";
pub(super) const READ_IMAGE: &str = "artifactregistry.repositories.downloadArtifacts";

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row {
        kind: "api",
        read: &["serviceusage.services.get"],
        create: &["serviceusage.services.enable"],
        update: &[],
        delete: &[],
    },
    Row {
        kind: "topic",
        read: &["pubsub.topics.get", "pubsub.topics.list"],
        create: &["pubsub.topics.create"],
        update: &["pubsub.topics.update"],
        delete: &["pubsub.topics.delete"],
    },
    Row {
        kind: "subscription",
        read: &["pubsub.subscriptions.get", "pubsub.subscriptions.list"],
        create: &["pubsub.subscriptions.create", "pubsub.topics.attachSubscription"],
        update: &["pubsub.subscriptions.update"],
        delete: &["pubsub.subscriptions.delete"],
    },
    Row {
        kind: "bucket",
        read: &["storage.buckets.get", "storage.buckets.list", "storage.objects.list"],
        create: &["storage.buckets.create"],
        update: &["storage.buckets.update"],
        // Emptied first, with soft delete off.
        delete: &["storage.buckets.delete", "storage.buckets.update", "storage.objects.delete", "storage.objects.get"],
    },
    Row {
        kind: "bucket_file",
        read: &["storage.objects.get", "storage.objects.list"],
        create: &["storage.objects.create", "storage.objects.delete"],
        update: &["storage.objects.create", "storage.objects.delete"],
        delete: &["storage.objects.delete"],
    },
    Row {
        kind: "service_account",
        read: &["iam.serviceAccounts.get", "iam.serviceAccounts.list"],
        create: &["iam.serviceAccounts.create", "iam.serviceAccounts.undelete", "iam.serviceAccounts.update"],
        update: &["iam.serviceAccounts.update"],
        delete: &["iam.serviceAccounts.delete"],
    },
    grant("grant on project", &["resourcemanager.projects.getIamPolicy"], &["resourcemanager.projects.setIamPolicy"]),
    grant(
        "grant on pubsub",
        &["pubsub.topics.getIamPolicy", "pubsub.subscriptions.getIamPolicy"],
        &["pubsub.topics.setIamPolicy", "pubsub.subscriptions.setIamPolicy"],
    ),
    grant("grant on bucket", &["storage.buckets.getIamPolicy"], &["storage.buckets.setIamPolicy"]),
    grant("grant on service_account", &["iam.serviceAccounts.getIamPolicy"], &["iam.serviceAccounts.setIamPolicy"]),
    grant("grant on secret", &["secretmanager.secrets.getIamPolicy"], &["secretmanager.secrets.setIamPolicy"]),
    Row {
        kind: "cluster",
        read: &["container.clusters.get", "container.clusters.list"],
        create: &["container.clusters.create", OPERATION, ACT_AS],
        update: &["container.clusters.update", OPERATION],
        delete: &["container.clusters.delete", OPERATION],
    },
    Row {
        kind: "node_pool",
        read: &["container.clusters.get"],
        create: &["container.clusters.update", OPERATION, ACT_AS, CONNECT, "container.nodes.list"],
        update: &["container.clusters.update", OPERATION, ACT_AS, CONNECT, "container.nodes.list"],
        delete: &["container.clusters.update", OPERATION],
    },
    Row {
        kind: "namespace",
        read: &[CONNECT, "container.namespaces.get", "container.namespaces.list"],
        create: &["container.namespaces.create", "container.namespaces.update"],
        update: &["container.namespaces.update"],
        delete: &["container.namespaces.delete"],
    },
    Row {
        kind: "kubernetes_service_account",
        read: &[CONNECT, "container.serviceAccounts.get", "container.serviceAccounts.list"],
        create: &["container.serviceAccounts.create", "container.serviceAccounts.update"],
        update: &["container.serviceAccounts.update"],
        delete: &["container.serviceAccounts.delete"],
    },
    Row {
        // Who may not read values sees them as unknown.
        kind: "secret",
        read: &[CONNECT],
        create: &["container.secrets.create", "container.secrets.get", "container.secrets.list", "container.secrets.update"],
        update: &["container.secrets.get", "container.secrets.list", "container.secrets.update"],
        delete: &["container.secrets.delete", "container.secrets.get", "container.secrets.list"],
    },
    Row {
        kind: "job",
        // The Jobs are those of open runs, which grow with their pool.
        read: &[CONNECT, "container.cronJobs.get", "container.cronJobs.list", "container.jobs.list", "storage.objects.get"],
        create: &["container.cronJobs.create", "container.cronJobs.update", "container.jobs.get", "container.jobs.update"],
        update: &["container.cronJobs.update", "container.jobs.get", "container.jobs.update"],
        delete: &["container.cronJobs.delete"],
    },
];

const fn grant(kind: &'static str, read: &'static [&'static str], set: &'static [&'static str]) -> Row {
    Row { kind, read, create: set, update: set, delete: set }
}

/// What every command begins with.
pub(super) const ALWAYS: &[&str] = &["resourcemanager.projects.get"];

/// What following a run asks for beside a plan: records, messages, dead letters, the Job and its pods.
pub(super) const RUN: &[&str] = &[
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
    "pubsub.topics.publish",
    "pubsub.subscriptions.consume",
    CONNECT,
    "container.cronJobs.get",
    "container.jobs.create",
    "container.jobs.delete",
    "container.jobs.get",
    "container.jobs.list",
    "container.pods.get",
    "container.pods.list",
    "container.pods.delete",
    "container.nodes.list",
    "container.events.list",
];

/// The row of a resource.
pub(super) fn row(address: &Address, id: &str) -> Option<&'static Row> {
    // A grant's id begins with what it is on.
    let on = id.split(' ').next().unwrap_or_default();
    let is_it = |row: &&Row| match row.kind.strip_prefix("grant on ") {
        Some(place) => address.kind == "grant" && place == on,
        None => row.kind == address.kind,
    };
    ROWS.iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_table() {
        for kind in crate::kinds::ALL {
            let named =
                |row: &Row| row.kind == kind.name() || row.kind.split(' ').next() == Some(kind.name());
            assert!(ROWS.iter().any(named), "{} asks for nothing", kind.name());
        }
    }
}
