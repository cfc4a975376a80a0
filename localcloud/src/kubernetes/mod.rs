//! One Kubernetes cluster on this machine: an API server that `kubectl` and client libraries talk to,
//! the controllers behind it, nodes that come and go, and a kubelet that runs pods as processes.

mod admission;
mod api;
mod controllers;
mod events;
mod generated;
mod kinds;
mod kubelet;
mod nodes;
mod object;
mod quantity;
mod rules;
mod scheduler;
mod schema;
mod selector;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::Activity;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::folder;
use crate::journal::{Journal, Tables};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use api::fuzz;
use api::{Api, Certificates, Door};
use controllers::Controller;
use controllers::cron_job::CronJobs;
use controllers::garbage::Garbage;
use controllers::job::Jobs;
use controllers::namespace::Namespaces;
use controllers::pod_garbage::PodGarbage;
use controllers::service_account::ServiceAccounts;
use events::Recorder;
pub(crate) use kinds::KINDS;
use kinds::{NAMESPACE, POD};
use kubelet::Kubelet;
pub use kubelet::images::BrokenImage;
use kubelet::leftovers::Running;
use kubelet::logs::Logs;
pub(crate) use kubelet::{Attendant, BoxedAttendant, Identities, PodAccount};
use nodes::{Autoscaler, Nodes, TaintEviction};
pub(crate) use nodes::{Autoscaling, LocationPolicy, Pool, PoolStatus, Shortfall, Taint, processors};
pub use nodes::{Shortage, Stockout};
use scheduler::Scheduler;
use store::{Key, Store};

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Where and how a cluster runs.
pub(crate) struct ClusterSettings {
    /// The cloud name of the GKE cluster, unique in the folder.
    pub(crate) name: String,
    /// Holds the certificates, and the pods' folders and logs. Only its owner can read it.
    pub(crate) folder: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    /// What runs for a container that names no command, or `worker`.
    pub(crate) worker_program: PathBuf,
    /// The stack's folder: commands run here.
    pub(crate) working_folder: PathBuf,
    /// What every pod finds in its environment: the endpoints of the local cloud.
    pub(crate) pod_environment: Vec<(String, String)>,
    /// Where the calls of its API go through.
    pub(crate) calls: Calls,
    /// Who gives pods their identities, if anybody does.
    pub(crate) identities: Option<Arc<dyn Identities>>,
}

/// A running cluster.
pub(crate) struct Cluster {
    name: String,
    folder: PathBuf,
    journal: Journal,
    port: u16,
    certificates: Certificates,
    store: Arc<Store>,
    nodes: Arc<Nodes>,
    kubelet: Arc<Kubelet>,
    activity: Activity,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Cluster {
    /// Starts a cluster, with the state that it had when it was stopped or killed.
    pub(crate) async fn start(settings: ClusterSettings, tables: &mut Tables) -> anyhow::Result<Arc<Self>> {
        let ClusterSettings {
            name,
            folder,
            journal,
            clock,
            worker_program,
            working_folder,
            pod_environment,
            calls,
            identities,
        } = settings;
        let pods = folder.join("pods");
        folder::make(&pods).with_context(|| format!("could not make {}", pods.display()))?;
        let certificates = Certificates::open(&folder, &name)?;
        let store = Store::open(journal.clone(), tables, &table(&name, "objects"), clock)?;
        let store = Arc::new(store);
        let running = Running::open(journal.clone(), tables, &table(&name, "processes"), &pods)?;
        let logs = Arc::new(Logs::new(&pods));
        let settings =
            kubelet::Settings { pods, worker_program, working_folder, pod_environment, identities };
        let kubelet = Kubelet::new(&store, &logs, running, settings);
        kubelet.fail_interrupted();
        let nodes = Nodes::open(&name, &journal, tables, &store, &kubelet)?;
        make_namespaces(&store)?;

        let last = tables.take::<u16>(&table(&name, "port"))?.remove("port");
        let listener = api::listen(last).await.context("could not open a port for the Kubernetes API")?;
        let port = listener.local_addr()?.port();
        journal.put(&table(&name, "port"), "port", &port)?;

        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        for controller in controllers(&store, &nodes) {
            tasks.spawn(controllers::run(controller, store.clone(), closing.clone()));
        }
        tasks.spawn(kubelet.clone().run(closing.clone()));
        let activity = Activity::new();
        let api = Api {
            cluster: name.clone(),
            store: store.clone(),
            logs,
            closing: closing.clone(),
            activity: activity.clone(),
            calls,
        };
        let door = Door::new(&certificates, &listener)?;
        tasks.spawn(api::serve(Arc::new(api), listener, door));
        Ok(Arc::new(Self {
            name,
            folder,
            journal,
            port,
            certificates,
            store,
            nodes,
            kubelet,
            activity,
            closing,
            tasks,
        }))
    }

    /// Where its API is: `127.0.0.1:PORT`. The port stays the same over restarts if it is free.
    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate of its authority, in PEM.
    pub(crate) fn ca_certificate(&self) -> &str {
        &self.certificates.authority
    }

    /// The certificate of its administrator, in PEM.
    pub(crate) fn client_certificate(&self) -> &str {
        &self.certificates.client
    }

    /// The key to that certificate, in PEM.
    pub(crate) fn client_key(&self) -> &str {
        &self.certificates.client_key
    }

    /// Says which pools should be there; nodes follow. The number of nodes of a living autoscaled
    /// pool is the autoscaler's; a fixed pool follows `initial_nodes`.
    #[expect(clippy::unused_async, reason = "whoever calls need not know that nothing waits here")]
    pub(crate) async fn set_pools(&self, pools: Vec<Pool>) {
        self.nodes.set_pools(pools);
    }

    /// Gives a pool the size that its `initial_nodes` say, whatever the autoscaler made of it.
    pub(crate) fn resize(&self, pool: &str) {
        self.nodes.resize(pool);
    }

    /// How many nodes the pools have.
    pub(crate) fn pools(&self) -> Vec<PoolStatus> {
        self.nodes.pools()
    }

    /// How many pods there are in each phase.
    pub(crate) fn pods(&self) -> BTreeMap<String, u32> {
        let mut phases = BTreeMap::new();
        for pod in self.store.list(&POD, None) {
            let phase = pod["status"]["phase"].as_str().unwrap_or("Pending");
            *phases.entry(phase.to_owned()).or_default() += 1;
        }
        phases
    }

    /// For how long nobody asked its API for anything.
    pub(crate) fn idle(&self) -> Duration {
        self.activity.idle()
    }

    /// Preempts a Spot node, or one at random, busy ones first: its pods are told to end and killed
    /// after `grace` (by default what Spot pods get), then the node is gone. Returns its name at
    /// once; nothing if there is no Spot node.
    #[expect(clippy::unused_async, reason = "whoever calls need not know that nothing waits here")]
    pub(crate) async fn preempt(
        &self,
        node: Option<&str>,
        grace: Option<Duration>,
    ) -> anyhow::Result<Vec<String>> {
        self.nodes.preempt(node, grace)
    }

    /// Cuts a node's power: its processes are gone, and the control plane finds out by itself.
    pub(crate) fn cut_power(&self, node: &str) -> anyhow::Result<()> {
        self.nodes.cut_power(node)
    }

    /// Ends a running pod's container, or all of them, as the kernel does for want of memory. False if
    /// no such pod runs.
    pub(crate) fn starve(&self, namespace: &str, pod: &str, container: Option<&str>) -> bool {
        let pod = self.store.get(&Key::new(&POD, namespace, pod));
        pod.is_some_and(|pod| self.kubelet.starve(&pod, container))
    }

    /// Says which machines can't be had from now on.
    pub(crate) fn set_stockouts(&self, stockouts: Vec<Stockout>) {
        self.nodes.set_stockouts(stockouts);
    }

    /// Says which images can't be pulled from now on.
    pub(crate) fn break_images(&self, broken: Vec<BrokenImage>) {
        self.kubelet.break_images(broken);
    }

    /// Where a pool waits for machines that can't be had.
    pub(crate) fn shortfalls(&self, pool: &str) -> Vec<Shortfall> {
        self.nodes.shortfalls(pool)
    }

    /// Ends the pods and gives the port free. The state stays.
    pub(crate) async fn stop(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.nodes.settle().await;
    }

    /// Stops, and forgets everything.
    pub(crate) async fn delete(&self) {
        self.stop().await;
        self.store.clear();
        self.nodes.forget();
        let forgotten = self.journal.delete(&table(&self.name, "port"), "port");
        let removed = forgotten.and_then(|()| std::fs::remove_dir_all(&self.folder));
        if let Err(error) = removed {
            tracing::warn!(folder = %self.folder.display(), %error, "a deleted cluster's folder could not be removed");
        }
    }
}

fn table(cluster: &str, what: &str) -> String {
    format!("kubernetes/{cluster}/{what}")
}

fn make_namespaces(store: &Store) -> anyhow::Result<()> {
    for name in NAMESPACES {
        if store.get(&Key::new(&NAMESPACE, "", name)).is_none() {
            let mut namespace = json!({"metadata": {"name": name}});
            admission::prepare_new(&NAMESPACE, &mut namespace);
            store.create(&NAMESPACE, namespace)?;
        }
    }
    Ok(())
}

fn controllers(store: &Arc<Store>, nodes: &Arc<Nodes>) -> Vec<Arc<dyn Controller>> {
    let store = || store.clone();
    let recorder = |component| Recorder::new(&store(), component);
    vec![
        Arc::new(Jobs {
            store: store(),
            recorder: recorder("job-controller"),
            failed_at: Mutex::new(HashMap::new()),
        }),
        Arc::new(CronJobs { store: store(), recorder: recorder("cronjob-controller") }),
        Arc::new(Garbage { store: store() }),
        Arc::new(Namespaces { store: store() }),
        Arc::new(ServiceAccounts { store: store() }),
        Arc::new(PodGarbage { store: store() }),
        Arc::new(Scheduler { store: store(), recorder: recorder("default-scheduler") }),
        nodes.clone(),
        Arc::new(Autoscaler::new(nodes)),
        Arc::new(TaintEviction::new(&store())),
    ]
}

#[cfg(test)]
impl Cluster {
    /// Writes a config map past the API, to make many changes at once.
    fn churn(&self, map: &serde_json::Value) {
        let key = Key::of(&kinds::CONFIG_MAP, map);
        if self.store.create(&kinds::CONFIG_MAP, map.clone()).is_err() {
            self.store.amend(&key, |held| held["data"] = map["data"].clone());
        }
    }
}
