//! The kinds of resources that a cluster serves: one table. What is not in it does not exist (404).

use std::cmp::Ordering;

/// One kind of resource.
#[expect(clippy::struct_field_names, reason = "Kubernetes calls the name of a kind its kind")]
#[derive(Debug)]
pub(crate) struct Kind {
    /// The API group; empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) namespaced: bool,
    pub(crate) subresources: &'static [&'static str],
    /// Whether deleting one keeps its dependents unless the request says otherwise.
    pub(crate) orphans_by_default: bool,
}

const fn core_kind(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    Kind {
        group: "",
        kind,
        plural,
        singular,
        short,
        namespaced: true,
        subresources: &[],
        orphans_by_default: false,
    }
}

pub(crate) static NAMESPACE: Kind = Kind {
    namespaced: false,
    subresources: &["status", "finalize"],
    ..core_kind("Namespace", "namespaces", "namespace", &["ns"])
};
pub(crate) static NODE: Kind =
    Kind { namespaced: false, subresources: &["status"], ..core_kind("Node", "nodes", "node", &["no"]) };
pub(crate) static POD: Kind = Kind {
    subresources: &["status", "log", "eviction", "binding"],
    ..core_kind("Pod", "pods", "pod", &["po"])
};
pub(crate) static SERVICE_ACCOUNT: Kind =
    core_kind("ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"]);
pub(crate) static CONFIG_MAP: Kind = core_kind("ConfigMap", "configmaps", "configmap", &["cm"]);
pub(crate) static SECRET: Kind = core_kind("Secret", "secrets", "secret", &[]);
pub(crate) static SERVICE: Kind =
    Kind { subresources: &["status"], ..core_kind("Service", "services", "service", &["svc"]) };
pub(crate) static EVENT: Kind = core_kind("Event", "events", "event", &["ev"]);
pub(crate) static JOB: Kind = Kind {
    group: "batch",
    subresources: &["status"],
    orphans_by_default: true,
    ..core_kind("Job", "jobs", "job", &[])
};
pub(crate) static CRON_JOB: Kind = Kind {
    group: "batch",
    subresources: &["status"],
    ..core_kind("CronJob", "cronjobs", "cronjob", &["cj"])
};
pub(crate) static LEASE: Kind =
    Kind { group: "coordination.k8s.io", ..core_kind("Lease", "leases", "lease", &[]) };

/// All kinds. Every version is `v1`.
pub(crate) static KINDS: [&Kind; 11] = [
    &NAMESPACE,
    &NODE,
    &POD,
    &SERVICE_ACCOUNT,
    &CONFIG_MAP,
    &SECRET,
    &SERVICE,
    &EVENT,
    &JOB,
    &CRON_JOB,
    &LEASE,
];

/// The verbs of every kind.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Kind {
    /// The kind of a group that has this plural name.
    pub(crate) fn of_plural(group: &str, plural: &str) -> Option<&'static Self> {
        KINDS.into_iter().find(|kind| kind.group == group && kind.plural == plural)
    }

    /// The kind that an `apiVersion` and a `kind` name.
    pub(crate) fn of(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS.into_iter().find(|known| known.kind == kind && known.api_version() == api_version)
    }

    /// The kind of this name: no two groups have one in common.
    pub(crate) fn named(kind: &str) -> Option<&'static Self> {
        KINDS.into_iter().find(|known| known.kind == kind)
    }

    /// `v1`, `batch/v1` …
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { "v1".into() } else { format!("{}/v1", self.group) }
    }

    /// `pods`, `jobs.batch` …: as messages name it.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.into() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// What can be done with it: namespaces go one by one.
    pub(crate) fn verbs(&self) -> impl Iterator<Item = &'static str> + use<> {
        let one_by_one = self.kind == "Namespace";
        VERBS.into_iter().filter(move |verb| !one_by_one || *verb != "deletecollection")
    }

    /// Whether changes of its spec are counted.
    pub(crate) fn counts_generations(&self) -> bool {
        matches!(self.kind, "Pod" | "Job" | "CronJob")
    }

    /// Whether its status is written apart from the rest.
    pub(crate) fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.plural) == (other.group, other.plural)
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.group, self.plural).cmp(&(other.group, other.plural))
    }
}
