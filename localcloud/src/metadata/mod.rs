//! The metadata server, by which programs in a pod learn who they are and get their tokens.
//!
//! GKE tells pods apart by their network. Here all are processes on the loopback, so each pod has a
//! server on a port of its own, named by its `GCE_METADATA_HOST`, that ends with it and with its
//! tokens. Another process of this machine may well ask there; but whoever reaches the local cloud
//! without any token is the project's owner, so there is nothing to win.

mod answer;
#[cfg(test)]
mod tests;
mod tree;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::guard::guard;
use crate::iam::caller::{Caller, Workload};
use crate::iam::{Iam, Resource};
use crate::kubernetes::{Attendant, BoxedAttendant, Identities, PodAccount};
use crate::project::project_number;
use crate::server::{self, Server};

/// Hosts of Artifact Registry end so, after the location.
const REGISTRIES: &str = "-docker.pkg.dev";
/// What pulling an image asks for.
const DOWNLOAD: &str = "artifactregistry.repositories.downloadArtifacts";

/// The metadata servers of all pods.
pub(crate) struct Metadata {
    iam: Arc<Iam>,
    last: AtomicU64,
}

/// The pods of one cluster.
struct OfCluster {
    metadata: Arc<Metadata>,
    project: String,
    location: String,
    cluster: String,
}

/// The server of one pod.
struct OfPod {
    iam: Arc<Iam>,
    /// What its tokens are known by.
    id: u64,
    authority: String,
    server: Server,
}

/// What one pod's server tells.
struct Told {
    iam: Arc<Iam>,
    id: u64,
    workload: Workload,
    location: String,
    cluster: String,
    pod: PodAccount,
}

impl Metadata {
    pub(crate) fn new(iam: &Arc<Iam>) -> Arc<Self> {
        Arc::new(Self { iam: iam.clone(), last: AtomicU64::default() })
    }

    /// What gives the pods of a cluster their identities.
    pub(crate) fn of_cluster(
        self: &Arc<Self>,
        project: &str,
        location: &str,
        cluster: &str,
    ) -> Arc<dyn Identities> {
        Arc::new(OfCluster {
            metadata: self.clone(),
            project: project.into(),
            location: location.into(),
            cluster: cluster.into(),
        })
    }
}

#[tonic::async_trait]
impl Identities for OfCluster {
    async fn attend(&self, pod: PodAccount) -> io::Result<BoxedAttendant> {
        let Self { metadata, project, location, cluster } = self;
        let id = metadata.last.fetch_add(1, Ordering::Relaxed);
        let workload = Workload {
            project: project.clone(),
            number: project_number(project),
            cluster: format!("projects/{project}/locations/{location}/clusters/{cluster}"),
            namespace: pod.namespace.clone(),
            account: pod.account.clone(),
        };
        self.ship_logs(&pod.node_account);
        let listener = server::bind(0, None).await?;
        let port = listener.local_addr()?.port();
        let told = Arc::new(Told {
            iam: metadata.iam.clone(),
            id,
            workload,
            location: location.clone(),
            cluster: cluster.clone(),
            pod,
        });
        let router = Router::new().fallback(answer::answer).with_state(told);
        let server = Server::start(listener, router.layer(from_fn_with_state(port, guard)));
        let authority = format!("127.0.0.1:{port}");
        Ok(Box::new(OfPod { iam: metadata.iam.clone(), id, authority, server }))
    }

    /// Images of Artifact Registry are pulled as the node; others are anybody's.
    fn may_pull(&self, node_account: &str, image: &str) -> Result<(), String> {
        let Some(registry) = image.split('/').next().filter(|host| host.ends_with(REGISTRIES)) else {
            return Ok(());
        };
        let Some(node) = self.node(node_account) else { return Ok(()) };
        let mut path = image.split('/').skip(1);
        let project = path.next().unwrap_or_default();
        let (location, repository) = (registry.trim_end_matches(REGISTRIES), path.next().unwrap_or_default());
        let name = format!("projects/{project}/locations/{location}/repositories/{repository}");
        let on = Resource { name, policy: None, project: Some(project.into()) };
        if self.metadata.iam.allows(&node, DOWNLOAD, &on) {
            return Ok(());
        }
        Err(format!(
            "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://{registry}/v2/token: 403 Forbidden: denied: Permission \"{DOWNLOAD}\" denied on resource \"{}\" (or it may not exist)",
            on.name
        ))
    }
}

impl OfCluster {
    /// The agents on a node send what its pods print and use to Cloud Logging and Monitoring, in the
    /// name of the node. Neither is here, and a node without the permissions only goes unheard, as
    /// with GKE; but that the node's role is used is known.
    fn ship_logs(&self, node_account: &str) {
        let Some(node) = self.node(node_account) else { return };
        for permission in ["logging.logEntries.create", "monitoring.timeSeries.create"] {
            if !self.metadata.iam.allows(&node, permission, &Resource::project(&self.project)) {
                tracing::warn!("{node} lacks {permission} on project {}: its nodes go unheard", self.project);
            }
        }
    }

    /// Who a node is; nobody that is asked for anything, if it runs as an account of Google's own.
    fn node(&self, account: &str) -> Option<Caller> {
        self.metadata.iam.account(account)
    }
}

#[tonic::async_trait]
impl Attendant for OfPod {
    /// Google's libraries read the first, Python's asks at the second whether there is a metadata
    /// server at all, and gcloud reads the third.
    fn environment(&self) -> Vec<(String, String)> {
        let names = ["GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT"];
        names.map(|name| (name.to_owned(), self.authority.clone())).into()
    }

    async fn leave(&self) {
        self.iam.end_tokens(self.id);
        self.server.stop().await;
    }
}
