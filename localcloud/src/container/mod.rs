//! Google Kubernetes Engine, v1 REST: clusters, node pools and operations. Each running cluster has a
//! Kubernetes cluster of its own, which this module starts and tells how many nodes of what kind
//! should be there; it knows nothing of what runs on them.

mod admin;
mod calls;
mod defaults;
mod kubeconfig;
mod live;
mod names;
mod obey;
mod operation;
mod orders;
mod outcome;
mod rest;
mod run;
mod server_config;
mod state;
mod status;
mod update;
mod validate;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use admin::{ORDERS, PREEMPT, Preempt};
pub(crate) use kubeconfig::FILE as KUBECONFIG;
use names::ClusterName;
pub use orders::{OperationFailure, Operations, Order, Orders};
use state::State;

use crate::calls::Calls;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::iam::Iam;
use crate::journal::{Journal, Tables};
use crate::kubernetes;
use crate::metadata::Metadata;

/// What a Kubernetes cluster needs to know of this machine.
pub(crate) struct Surroundings {
    /// `.provision/local`.
    pub(crate) folder: PathBuf,
    /// Where the stack is.
    pub(crate) working_folder: PathBuf,
    /// What a container without a program of its own runs.
    pub(crate) worker_program: PathBuf,
    /// Where the other services are, for pods.
    pub(crate) pod_environment: Vec<(String, String)>,
    /// Where the calls of clusters go through.
    pub(crate) calls: Calls,
    /// Tells pods who they are.
    pub(crate) metadata: Arc<Metadata>,
}

/// All clusters of all projects.
pub(crate) struct Container {
    journal: Journal,
    clock: Clock,
    iam: Arc<Iam>,
    surroundings: Surroundings,
    state: Mutex<State>,
    orders: watch::Sender<Orders>,
    /// The Kubernetes clusters that run.
    live: Mutex<BTreeMap<ClusterName, Arc<kubernetes::Cluster>>>,
    /// What the journal held for Kubernetes clusters that were not started again yet. Also keeps
    /// starts and changes of pools in order.
    tables: tokio::sync::Mutex<Tables>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Container {
    /// Starts the clusters that ran, and goes on with the operations that a stop cut off.
    pub(crate) async fn open(
        journal: &Journal,
        mut tables: Tables,
        clock: &Clock,
        iam: &Arc<Iam>,
        surroundings: Surroundings,
    ) -> std::io::Result<Arc<Self>> {
        let state = Mutex::new(State::open(journal, &mut tables)?);
        let orders = watch::Sender::new(obey::kept(&mut tables)?);
        let container = Arc::new(Self {
            journal: journal.clone(),
            clock: clock.clone(),
            iam: iam.clone(),
            surroundings,
            state,
            orders,
            live: Mutex::new(BTreeMap::new()),
            tables: tokio::sync::Mutex::new(tables),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        container.restart().await;
        Ok(container)
    }

    /// Ends all pods and operations; what is under way goes on at the next start.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let live: Vec<_> = self.live().values().cloned().collect();
        futures::future::join_all(live.iter().map(|cluster| cluster.stop())).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changes are single assignments: a panic elsewhere leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<ClusterName, Arc<kubernetes::Cluster>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A short hash of what a client may change.
fn etag<T: Serialize>(of: &T) -> Result<String, ApiError> {
    // By way of a value, whose maps are sorted: a model's are not.
    let digest = Sha256::digest(defaults::value(of)?.to_string());
    Ok(hex::encode(&digest[..8]))
}
