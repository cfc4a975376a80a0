//! Who calls, and by which members of a policy they are meant. Knows nothing of tokens and roles.

use std::fmt;

tokio::task_local! {
    /// Whom the request comes from that is being answered.
    pub(crate) static CALLER: Caller;
}

/// Whom the request comes from that is being answered; the owner, if it is no request but the local
/// cloud itself.
pub(crate) fn current() -> Caller {
    CALLER.try_with(Clone::clone).unwrap_or(Caller::Owner)
}

/// Whom a request comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// No token: the owner of all projects here.
    Owner,
    /// A service account of a project, by the unique id that it had when its token was made.
    Account {
        /// `worker@fx-dev.iam.gserviceaccount.com`.
        email: String,
        /// Of a project's own account; none of Google's service agents.
        unique_id: Option<String>,
    },
    /// A pod, by its Kubernetes service account.
    Workload(Workload),
}

/// A Kubernetes service account, as Workload Identity Federation for GKE sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Workload {
    /// The cluster's project.
    pub(crate) project: String,
    /// Its number.
    pub(crate) number: u64,
    /// `projects/P/locations/L/clusters/C`.
    pub(crate) cluster: String,
    /// The Kubernetes namespace.
    pub(crate) namespace: String,
    /// The name of the Kubernetes service account.
    pub(crate) account: String,
}

impl Caller {
    /// Whether a member of a policy, as it is stored, means this caller.
    pub(crate) fn is_meant_by(&self, member: &str) -> bool {
        match (member, self) {
            ("allUsers", _) | (_, Self::Owner) => true,
            // Google counts federated identities in only where they are named.
            ("allAuthenticatedUsers", caller) => matches!(caller, Self::Account { .. }),
            (member, Self::Account { email, unique_id }) => match unique_id {
                Some(id) => member
                    .strip_prefix("serviceAccount:")
                    .and_then(|member| member.split_once("?uid="))
                    .is_some_and(|named| named == (email, id)),
                None => member.strip_prefix("serviceAccount:") == Some(email),
            },
            (member, Self::Workload(workload)) => workload.is_meant_by(member),
        }
    }

    /// What stands before "does not have … access" in Cloud Storage's refusals.
    pub(crate) fn as_storage_says(&self) -> &str {
        match self {
            Self::Account { email, .. } => email,
            Self::Owner | Self::Workload(_) => "Caller",
        }
    }
}

/// As audit logs name a caller.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Account { email, .. } => write!(f, "serviceAccount:{email}"),
            Self::Workload(workload) => f.write_str(&workload.principal()),
        }
    }
}

impl Workload {
    /// `P.svc.id.goog`.
    pub(crate) fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.project)
    }

    /// The `principal://` that is this workload alone.
    pub(crate) fn principal(&self) -> String {
        let Self { namespace, account, .. } = self;
        format!("principal:{}/subject/ns/{namespace}/sa/{account}", self.identities())
    }

    /// The older name of the same, `serviceAccount:P.svc.id.goog[NAMESPACE/NAME]`.
    pub(crate) fn member(&self) -> String {
        format!("serviceAccount:{}[{}/{}]", self.pool(), self.namespace, self.account)
    }

    fn identities(&self) -> String {
        format!(
            "//iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/{}",
            self.number,
            self.pool()
        )
    }

    fn is_meant_by(&self, member: &str) -> bool {
        if let Some(set) = member.strip_prefix("principalSet:") {
            let set = set.strip_prefix(&self.identities()).and_then(|set| set.strip_prefix('/'));
            return set.is_some_and(|set| self.is_in(set));
        }
        member == self.principal() || member == self.member()
    }

    /// Whether it is of a set of identities of its pool: all, a namespace's, or a cluster's.
    fn is_in(&self, set: &str) -> bool {
        match set.split_once('/') {
            None => set == "*",
            Some(("namespace", namespace)) => namespace == self.namespace,
            Some(("kubernetes.cluster", cluster)) => {
                cluster.strip_prefix("https://container.googleapis.com/v1/") == Some(&self.cluster)
            }
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload() -> Caller {
        Caller::Workload(Workload {
            project: "fx-dev".into(),
            number: 42,
            cluster: "projects/fx-dev/locations/europe-west1-b/clusters/main".into(),
            namespace: "fx".into(),
            account: "worker".into(),
        })
    }

    #[test]
    fn a_workload_is_meant_by_its_names_and_by_the_sets_that_it_is_in() {
        let pool =
            "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/fx-dev.svc.id.goog";
        for member in [
            "allUsers".to_owned(),
            "serviceAccount:fx-dev.svc.id.goog[fx/worker]".into(),
            format!("principal:{pool}/subject/ns/fx/sa/worker"),
            format!("principalSet:{pool}/*"),
            format!("principalSet:{pool}/namespace/fx"),
            format!(
                "principalSet:{pool}/kubernetes.cluster/https://container.googleapis.com/v1/projects/fx-dev/locations/europe-west1-b/clusters/main"
            ),
        ] {
            assert!(workload().is_meant_by(&member), "{member}");
        }
        for member in [
            "allAuthenticatedUsers".to_owned(),
            "serviceAccount:fx-dev.svc.id.goog[fx/other]".into(),
            "serviceAccount:other.svc.id.goog[fx/worker]".into(),
            format!("principal:{pool}/subject/ns/other/sa/worker"),
            format!("principalSet:{pool}/namespace/other"),
            format!("principalSet:{}/*", pool.replace("42", "43")),
        ] {
            assert!(!workload().is_meant_by(&member), "{member}");
        }
    }

    #[test]
    fn a_recreated_account_is_not_meant_by_its_predecessors_bindings() {
        let email = "w@fx-dev.iam.gserviceaccount.com".to_owned();
        let account = Caller::Account { email: email.clone(), unique_id: Some("2".into()) };
        assert!(account.is_meant_by(&format!("serviceAccount:{email}?uid=2")));
        assert!(account.is_meant_by("allAuthenticatedUsers"));
        assert!(!account.is_meant_by(&format!("serviceAccount:{email}?uid=1")));
        assert!(!account.is_meant_by(&format!("serviceAccount:{email}")));
        let agent = Caller::Account { email: email.clone(), unique_id: None };
        assert!(agent.is_meant_by(&format!("serviceAccount:{email}")));
    }
}
