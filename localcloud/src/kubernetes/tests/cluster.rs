//! What all tests of a cluster start from.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::super::{Autoscaling, Cluster, ClusterSettings, LocationPolicy, Pool, Taint};
use crate::calls::{self, Calls};
use crate::clock::Clock;
use crate::journal::Journal;

/// What is waited for at most. The machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster in a folder of its own, and a client of it.
pub(super) struct Scene {
    pub(super) folder: tempfile::TempDir,
    pub(super) cluster: Arc<Cluster>,
    pub(super) client: Client,
    /// The cluster's time.
    pub(super) clock: Clock,
}

impl Scene {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::system();
        let cluster = start(folder.path(), &clock).await;
        let client = client(&cluster).await;
        Self { folder, cluster, client, clock }
    }

    /// Stops the cluster and starts it again from its folder.
    pub(super) async fn restart(&mut self) {
        self.cluster.stop().await;
        self.cluster = start(self.folder.path(), &self.clock).await;
        self.client = client(&self.cluster).await;
    }

    pub(super) fn jobs(&self) -> Api<Job> {
        Api::default_namespaced(self.client.clone())
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    pub(super) fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    /// Makes a Job of one container that runs a shell command.
    pub(super) async fn job(&self, name: &str, command: &str, spec: Value) -> Job {
        let job = job(name, command, spec);
        self.jobs().create(&PostParams::default(), &job).await.expect("a job")
    }

    /// Waits until a Job has a condition.
    pub(super) async fn job_is(&self, name: &str, condition: &str) -> Job {
        let jobs = self.jobs();
        until(&format!("job {name} is {condition}"), async || {
            let job = jobs.get(name).await.expect("the job");
            let status = job.status.clone().unwrap_or_default();
            let is = status
                .conditions
                .iter()
                .flatten()
                .any(|held| held.type_ == condition && held.status == "True");
            if is { Ok(job) } else { Err(status) }
        })
        .await
    }

    /// The pods of a Job, by name.
    pub(super) async fn pods_of(&self, job: &str) -> Vec<Pod> {
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
        self.pods().list(&of_job).await.expect("pods").items
    }

    /// Reasons and messages of all events.
    pub(super) async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::default_namespaced(self.client.clone());
        let events = events.list(&ListParams::default()).await.expect("events");
        let told = |event: Event| {
            format!("{}: {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default())
        };
        events.items.into_iter().map(told).collect()
    }
}

/// A Job of one container that runs a shell command; `spec` adds to it.
pub(super) fn job(name: &str, command: &str, spec: Value) -> Job {
    let mut job = json!({"metadata": {"name": name}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
        "containers": [{"name": "main", "command": ["/bin/sh", "-c", command]}]}}}});
    json_merge(&mut job["spec"], spec);
    serde_json::from_value(job).expect("a job")
}

fn json_merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                json_merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

async fn start(folder: &Path, clock: &Clock) -> Arc<Cluster> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (journal, mut tables) = Journal::open(&folder.join("journal")).expect("a journal");
    let settings = ClusterSettings {
        name: "main".into(),
        folder: folder.join("clusters/main"),
        journal,
        clock: clock.clone(),
        worker_program: "/bin/echo".into(),
        working_folder: folder.into(),
        calls: Calls::new(&Clock::system(), calls::by_bearing()),
        pod_environment: vec![("PUBSUB_EMULATOR_HOST".into(), "127.0.0.1:1".into())],
        identities: None,
    };
    Cluster::start(settings, &mut tables).await.expect("a cluster")
}

pub(super) async fn client(cluster: &Cluster) -> Client {
    let config: Kubeconfig = serde_json::from_value(kubeconfig(cluster)).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(config, &options).await.expect("a config");
    Client::try_from(config).expect("a client")
}

/// The kubeconfig of the cluster's administrator.
pub(super) fn kubeconfig(cluster: &Cluster) -> Value {
    use base64::Engine as _;
    let data = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "main", "user": "main"}}],
        "clusters": [{"name": "main", "cluster": {
            "server": format!("https://{}", cluster.endpoint()),
            "certificate-authority-data": data(cluster.ca_certificate())}}],
        "users": [{"name": "main", "user": {
            "client-certificate-data": data(cluster.client_certificate()),
            "client-key-data": data(cluster.client_key())}}],
    })
}

/// Tries until it succeeds; panics with what was seen last.
pub(super) async fn until<T, E: Debug>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > PATIENCE => panic!("waited in vain: {what}; saw {seen:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// A pool of fixed size.
pub(super) fn fixed(name: &str, nodes: u32) -> Pool {
    Pool {
        name: name.into(),
        machine_type: "e2-standard-4".into(),
        spot: false,
        service_account: String::new(),
        labels: [("role".to_owned(), name.to_owned())].into(),
        taints: vec![],
        initial_nodes: nodes,
        autoscaling: None,
        zones: vec!["local-a".into()],
        location_policy: LocationPolicy::Balanced,
    }
}

/// A Spot pool that grows from nothing.
pub(super) fn spot(name: &str, most: u32) -> Pool {
    let taint =
        Taint { key: "cloud.google.com/gke-spot".into(), value: "true".into(), effect: "NoSchedule".into() };
    Pool {
        spot: true,
        taints: vec![taint],
        initial_nodes: 0,
        autoscaling: Some(Autoscaling { min_nodes: 0, max_nodes: most, per_zone: false }),
        ..fixed(name, 0)
    }
}

/// What a Job's template needs to run in a Spot pool, one pod per node.
pub(super) fn on_spot() -> Value {
    json!({"template": {"spec": {
        "nodeSelector": {"cloud.google.com/gke-spot": "true"},
        "tolerations": [{"key": "cloud.google.com/gke-spot", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchExpressions": [
                {"key": "batch.kubernetes.io/job-name", "operator": "Exists"}]}}]}}}}})
}

/// Applies an object server-side.
pub(super) async fn apply<K>(api: &Api<K>, name: &str, manager: &str, object: Value) -> kube::Result<K>
where
    K: Clone + Debug + serde::de::DeserializeOwned,
{
    api.patch(name, &PatchParams::apply(manager), &Patch::Apply(object)).await
}
