//! Which permissions each action on each kind of resource asks for, and the least roles that hold
//! them. Knows no cloud.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::change::{Action, Change};
use crate::preflight::images::are_checked;
use crate::resource::{Address, Desired};

/// The permissions that a kind's calls ask for, by what is done. A grant's depend on what it is on.
struct Row {
    kind: &'static str,
    read: &'static [&'static str],
    create: &'static [&'static str],
    update: &'static [&'static str],
    delete: &'static [&'static str],
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Doing {
    /// Look, and change nothing.
    Plan,
    /// Make the cloud match the file.
    Apply,
    /// Run a job of a stack that is applied.
    Run,
    /// Delete everything that the stack owns.
    Teardown,
    /// Give the stack another name.
    Rename,
}

/// A role, and what of it is needed.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Role {
    /// `roles/pubsub.editor`.
    pub role: String,
    /// The permissions that it is taken for.
    pub permissions: Vec<String>,
}

const CONNECT: &str = "container.clusters.connect";
const ACT_AS: &str = "iam.serviceAccounts.actAs";
const OPERATION: &str = "container.operations.get";
const READ_QUOTA: &str = "compute.regions.get";
const READ_IMAGE: &str = "artifactregistry.repositories.downloadArtifacts";

#[rustfmt::skip]
const ROWS: &[Row] = &[
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
const ALWAYS: &[&str] = &["resourcemanager.projects.get"];

/// What following a run asks for beside a plan: records, messages, dead letters, the Job and its pods.
const RUN: &[&str] = &[
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

/// The permissions of a command on a stack.
pub(crate) fn of(doing: Doing, desired: &[Desired]) -> BTreeSet<&'static str> {
    // What has left the file is looked for among all kinds, and policies of all that is owned are read.
    let mut all: BTreeSet<&str> =
        ROWS.iter().filter(|row| row.kind != "grant on secret").flat_map(|row| row.read).copied().collect();
    all.extend(ALWAYS);
    for want in desired {
        let Some(row) = row(&want.address, &want.id) else { continue };
        all.extend(row.read);
        match doing {
            Doing::Plan | Doing::Run => {}
            _ if want.existing => {}
            // Replacing is deleting and creating.
            Doing::Apply => all.extend(row.create.iter().chain(row.update).chain(row.delete)),
            Doing::Teardown => all.extend(row.delete),
            Doing::Rename if is_marked(row) => all.extend(row.update),
            Doing::Rename => {}
        }
    }
    if doing == Doing::Run {
        all.extend(RUN);
    }
    if doing != Doing::Teardown {
        all.extend(preflight(desired));
    }
    all
}

/// What a plan looks at beside what it changes. Without it a plan is made all the same, and says what
/// is unknown.
fn preflight(desired: &[Desired]) -> impl Iterator<Item = &'static str> {
    let own = || desired.iter().filter(|want| !want.existing);
    let quota = own().any(|want| want.address.kind == "node_pool").then_some(READ_QUOTA);
    let image = own().any(|want| want.address.kind == "job" && are_checked(want)).then_some(READ_IMAGE);
    [quota, image].into_iter().flatten()
}

/// The permissions that changes ask for, each with the first resource that needs it and whether that
/// is to be made: before it is there only the project's policy counts.
pub(crate) fn of_changes(changes: &[Change]) -> BTreeMap<&'static str, (&Address, bool)> {
    let mut all = BTreeMap::new();
    for change in changes {
        let wanted = change.desired.as_ref().map(|want| want.id.as_str());
        let id = wanted.or(change.live.as_ref().map(|live| live.id.as_str())).unwrap_or_default();
        let Some(row) = row(&change.address, id) else { continue };
        let needs: Vec<&[&str]> = match change.action {
            Action::Create => vec![row.create],
            Action::Update | Action::Release | Action::Rename => vec![row.update],
            Action::Replace => vec![row.delete, row.create],
            Action::Delete => vec![row.delete],
        };
        for permission in needs.into_iter().flatten() {
            let made = change.action == Action::Create;
            all.entry(*permission).or_insert((&change.address, made)).1 |= made;
        }
    }
    all
}

/// The permissions that any change can ask for.
pub(crate) fn of_any_change() -> Vec<&'static str> {
    let all = ROWS.iter().flat_map(|row| row.create.iter().chain(row.update).chain(row.delete));
    all.copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether resources of a row bear marks: those of grants stand for all policies.
fn is_marked(row: &Row) -> bool {
    crate::kinds::named(row.kind).is_some_and(crate::kinds::AnyKind::is_marked)
}

fn row(address: &Address, id: &str) -> Option<&'static Row> {
    // A grant's id begins with what it is on.
    let on = id.split(' ').next().unwrap_or_default();
    let is_it = |row: &&Row| match row.kind.strip_prefix("grant on ") {
        Some(place) => address.kind == "grant" && place == on,
        None => row.kind == address.kind,
    };
    ROWS.iter().find(is_it)
}

/// The least roles that hold these permissions together, the weaker first; what no role holds comes
/// under none.
pub(crate) fn least_roles(permissions: &BTreeSet<&'static str>) -> Vec<Role> {
    let holds =
        |role: usize, permission: &str| ROLES[role].1.iter().any(|pattern| matches(pattern, permission));
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
    fn every_permission_of_the_table_is_in_a_role() {
        let all = ROWS.iter().flat_map(|row| [row.read, row.create, row.update, row.delete]);
        for permission in all.flatten().chain(ALWAYS).chain(RUN).chain(&[READ_QUOTA, READ_IMAGE]) {
            let is_held = ROLES.iter().any(|(_, holds)| holds.iter().any(|held| matches(held, permission)));
            assert!(is_held, "no role holds {permission}");
        }
    }

    #[test]
    fn every_kind_is_in_the_table() {
        for kind in crate::kinds::ALL {
            let named =
                |row: &Row| row.kind == kind.name() || row.kind.split(' ').next() == Some(kind.name());
            assert!(ROWS.iter().any(named), "{} asks for nothing", kind.name());
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
