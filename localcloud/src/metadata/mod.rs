//! The metadata server, by which programs in a pod learn who they are and get their tokens.
//!
//! GKE tells pods apart by their network. Here all are processes on the loopback, so each pod has a
//! server on a port of its own, named by its `GCE_METADATA_HOST`, that ends with it and with its
//! tokens. Another process of this machine may well ask there; but whoever reaches the local cloud
//! without any token is the project's owner, so there is nothing to win.

mod answer;
mod tree;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::guard::guard;
use crate::iam::Iam;
use crate::iam::caller::Workload;
use crate::kubernetes::{Attendant, BoxedAttendant, Identities, PodAccount};
use crate::resource_manager::project_number;
use crate::server::{self, Server};

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
