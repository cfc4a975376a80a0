//! `job`: the template of a job's runs, a suspended `CronJob` that holds the workers' configuration.
//! Each run is one Job made from it.

use anyhow::{Context as _, Result};
use contract::{CommandConfig, EtlConfig, Handler, WorkerConfig, environment};
use k8s_openapi::api::batch::v1 as batch;
use kube::api::Api;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grant::Grant;
use super::kubernetes_service_account::{KubernetesServiceAccount, split};
use super::machine::{Allocatable, allocatable};
use super::namespace::Namespace;
use super::node_pool::SPOT;
use super::{Found, Kind, Place, Table, cluster, etl, manifest};
use crate::cloud::{Cloud, Kubernetes};
use crate::resource::{Address, Desired};
use crate::stack::{AnyTime, FieldProblem, Reference, Scope, Seconds};

/// The annotation of the template that holds the workers' configuration.
pub(crate) const CONFIG: &str = "provision/worker-config";
/// The label of a run's Job and pods that names the job; the run is their Job's name.
pub(crate) const JOB: &str = "provision/job";

/// A longer name would not leave room for a run's time and digest in a label of 63 characters.
const LONGEST_KEY: usize = 30;
/// Seconds that a Spot pod has between SIGTERM and SIGKILL.
const GRACE: u64 = 15;

/// `[job.NAME]`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobSpec {
    /// Key of the subscription that workers pull items from.
    pub subscription: String,
    /// Key of the bucket that runs are recorded in.
    pub bucket: String,
    /// `CLUSTER/POOL` that workers run in.
    pub pool: String,
    /// Key of the Google service account that workers act as; without it, grants go straight to
    /// their Kubernetes identity.
    #[serde(default)]
    pub service_account: Option<String>,
    /// The workers' image. With `--local`, the `worker` beside `provision` runs instead.
    #[serde(default)]
    pub image: Option<String>,
    /// Items that one worker processes at a time.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub concurrency: u32,
    /// Failed attempts after which an item is given up. Preemptions never count.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
    /// How long one attempt may take, 1 second to 50 minutes.
    #[serde(default = "item_timeout")]
    pub item_timeout: Seconds<1, 3_000>,
    /// How long a whole run may take.
    #[serde(default = "max_run_time")]
    pub max_run_time: AnyTime,
    /// Workers at most, whatever the pool allows.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_workers: Option<u32>,
    /// CPU of one worker, in thousandths; without it, one worker fills a node.
    #[serde(default)]
    pub cpu_millis: Option<u64>,
    /// Memory of one worker, in MiB; without it, one worker fills a node.
    #[serde(default)]
    pub memory_mib: Option<u64>,
    /// What a worker does with an item: extract, transform in SQL, load.
    #[serde(default)]
    pub etl: Option<EtlConfig>,
    /// What a worker does with an item: run a program.
    #[serde(default)]
    pub command: Option<CommandConfig>,
}

fn one() -> u32 {
    1
}

fn attempts() -> u32 {
    5
}

fn item_timeout() -> Seconds<1, 3_000> {
    Seconds::clamped(600)
}

fn max_run_time() -> AnyTime {
    Seconds::clamped(86_400)
}

/// A job's template, and the configuration that its runs pin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    config: Value,
    manifest: Value,
}

impl Table for JobSpec {
    const NAME: &'static str = "job";

    fn references(&self) -> Vec<Reference> {
        let reference = |field, table, key: &str| Reference { field, table, key: key.to_owned() };
        let cluster = self.pool.split('/').next().unwrap_or_default();
        let account = self
            .service_account
            .as_deref()
            .map(|key| reference(&["service_account"], "service_account", key));
        let mut all = vec![
            reference(&["subscription"], "subscription", &self.subscription),
            reference(&["bucket"], "bucket", &self.bucket),
            reference(&["pool"], "cluster", cluster),
        ];
        all.extend(account);
        all
    }

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        if key.len() > LONGEST_KEY {
            let what = format!("`{key}` is too long for the name of a job: at most {LONGEST_KEY} characters");
            problems.push(FieldProblem::at(&[], what));
        }
        match (&self.etl, &self.command) {
            (Some(etl), None) => problems.extend(etl::problems(etl)),
            (None, Some(_)) => {
                let what = "this version's workers cannot run a command yet";
                problems.push(FieldProblem::at(&["command"], what).help(format!("use [job.{key}.etl]")));
            }
            (None, None) => {
                let what = "a job says what is done with an item";
                problems.push(FieldProblem::at(&[], what).help(format!("add [job.{key}.etl]")));
            }
            (Some(_), Some(_)) => {
                problems.push(FieldProblem::at(&["command"], "a job has `etl` or `command`, not both"));
            }
        }
        let bounds = [("concurrency", self.concurrency, 1000), ("attempts", self.attempts, 100)];
        for (field, value, most) in
            bounds.into_iter().chain(self.max_workers.map(|n| ("max_workers", n, 100_000)))
        {
            if !(1..=most).contains(&value) {
                problems.push(FieldProblem::at(&[field], format!("`{field}` is from 1 to {most}")));
            }
        }
        if self.max_run_time.get() < self.item_timeout.get() {
            problems.push(FieldProblem::at(
                &["max_run_time"],
                "`max_run_time` is shorter than one item's `item_timeout`",
            ));
        }
        problems.extend(self.pool_problem(key, scope));
        problems
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let address = Address::new(<Job as Kind>::NAME, key);
        let (cluster, _) = self.pool.split_once('/').unwrap_or((&self.pool, ""));
        let account = self.service_account.as_deref();
        let email = account.map(|account| scope.email(&scope.name("service_account", account)));

        let namespace = Namespace::desired(cluster, scope)?.implied(&address);
        let identity =
            KubernetesServiceAccount::desired(cluster, key, email.as_deref(), scope)?.implied(&address);
        let grants = self.grants(key, &address, email.as_deref(), scope)?;
        let config = serde_json::to_value(self.config(scope)?)?;
        let own = Job { manifest: self.manifest(key, scope)?, config };
        let id = format!("{}/namespaces/{}/cronjobs/{key}", scope.cluster(cluster), scope.owner);
        let own = Desired::new(key, id, &own)?
            .inside(Address::new("cluster", cluster))
            .after([identity.address.clone(), Address::new("node_pool", self.pool.as_str())])
            .after(grants.iter().map(|grant| grant.address.clone()));
        Ok([own, namespace, identity].into_iter().chain(grants).collect())
    }
}

impl JobSpec {
    /// What workers are told, with the buckets' cloud names.
    pub(crate) fn config(&self, scope: &Scope) -> Result<WorkerConfig> {
        let etl = self.etl.as_ref().map(|etl| etl::resolved(etl, scope)).transpose()?;
        let handler = match (etl, self.command.clone()) {
            (Some(etl), _) => Handler::Etl(etl),
            (None, Some(command)) => Handler::Command(command),
            (None, None) => anyhow::bail!("a job without `etl` or `command`"),
        };
        let item_timeout_seconds = self.item_timeout.get();
        Ok(WorkerConfig { handler, attempts: self.attempts, item_timeout_seconds })
    }

    fn pool_problem(&self, key: &str, scope: &Scope) -> Option<FieldProblem> {
        let Some((cluster, pool)) = self.pool.split_once('/') else {
            let help = "write it as `pool = \"main/workers\"`";
            return Some(
                FieldProblem::at(&["pool"], "`pool` names a cluster and one of its pools").help(help),
            );
        };
        if !scope.has("cluster", cluster) {
            return None;
        }
        let Some(facts) = scope.pools.get(&self.pool) else {
            let known: Vec<&str> =
                scope.pools.keys().filter_map(|p| p.strip_prefix(&format!("{cluster}/"))).collect();
            let help = match crate::stack::nearest(pool, known.iter().copied()) {
                Some(near) => format!("did you mean \"{cluster}/{near}\"?"),
                None => format!("cluster.{cluster} has the pools {}", known.join(", ")),
            };
            return Some(
                FieldProblem::at(&["pool"], format!("cluster.{cluster} has no pool \"{pool}\"")).help(help),
            );
        };
        if self.cpu_millis.is_some() && self.memory_mib.is_some() {
            return None;
        }
        allocatable(&facts.machine_type).is_none().then(|| {
            let what = format!("how much a worker may use of a `{}` is not known here", facts.machine_type);
            FieldProblem::at(&["pool"], what)
                .help(format!("set `cpu_millis` and `memory_mib` in [job.{key}]"))
        })
    }

    /// The least that workers need: pull and republish items, read and write the bucket's objects.
    fn grants(&self, key: &str, by: &Address, email: Option<&str>, scope: &Scope) -> Result<Vec<Desired>> {
        let project = &scope.project;
        let identity = match email {
            Some(email) => format!("serviceAccount:{email}"),
            None => format!(
                "principal://iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/{}.svc.id.goog/subject/ns/{}/sa/{key}",
                project.number, project.id, scope.owner
            ),
        };
        let mut grants = Vec::new();
        let mut add = |name: String, grant: Grant, on: Address| -> Result<()> {
            let account = self.service_account.as_deref().map(|key| Address::new("service_account", key));
            grants.push(grant.desired(&format!("{key}-{name}"))?.inside(on).after(account).implied(by));
            Ok(())
        };
        let subscription = Address::new("subscription", self.subscription.as_str());
        let pull = Grant::on_subscription(
            &scope.subscription(&self.subscription),
            "roles/pubsub.subscriber",
            &identity,
        );
        add("pull".into(), pull, subscription)?;
        if let Some(topic) = scope.topic_of.get(&self.subscription) {
            let publish = Grant::on_topic(&scope.topic(topic), "roles/pubsub.publisher", &identity);
            add("publish".into(), publish, Address::new("topic", topic.as_str()))?;
        }
        let etl = self.etl.iter().flat_map(|etl| etl::buckets(etl, scope));
        let records = (self.bucket.as_str(), "roles/storage.objectUser");
        let mut buckets = std::collections::BTreeMap::from([records]);
        for (bucket, role) in etl {
            // Who may write may read.
            buckets
                .entry(bucket)
                .and_modify(|had| {
                    if role.ends_with("User") {
                        *had = role;
                    }
                })
                .or_insert(role);
        }
        for (bucket, role) in buckets {
            let grant = Grant::on_bucket(&scope.name("bucket", bucket), role, &identity);
            add(format!("objects-{bucket}"), grant, Address::new("bucket", bucket))?;
        }
        if let (Some(email), Some(account)) = (email, self.service_account.as_deref()) {
            let member = format!("serviceAccount:{}.svc.id.goog[{}/{key}]", project.id, scope.owner);
            let bind = Grant::on_service_account(email, "roles/iam.workloadIdentityUser", &member);
            let cluster = self.pool.split('/').next().unwrap_or_default();
            add("identity".into(), bind, Address::new("service_account", account))?;
            // The pool of identities comes with the project's first cluster.
            if let Some(bind) = grants.last_mut() {
                bind.needs.push(Address::new("cluster", cluster));
            }
        }
        Ok(grants)
    }

    fn manifest(&self, key: &str, scope: &Scope) -> Result<Value> {
        let facts = scope.pools.get(&self.pool).with_context(|| format!("no pool {}", self.pool))?;
        let (_, pool) = self.pool.split_once('/').unwrap_or(("", &self.pool));
        let mut manifest = manifest::read(include_str!("../../../manifests/job.yaml"))?;
        manifest["metadata"]["name"] = key.into();
        manifest["metadata"]["namespace"] = scope.owner.as_str().into();
        manifest::mark(&mut manifest, &scope.owner);

        let template = &mut manifest["spec"]["jobTemplate"];
        template["spec"]["activeDeadlineSeconds"] = self.max_run_time.get().into();
        for metadata in ["/metadata", "/spec/template/metadata"] {
            let labels = manifest::marks(&scope.owner).into_iter().chain([(JOB, key)]);
            let labels = json!(labels.collect::<std::collections::BTreeMap<_, _>>());
            match template.pointer_mut(metadata) {
                Some(metadata) => metadata["labels"] = labels,
                None => template["metadata"] = json!({ "labels": labels }),
            }
        }
        let pod = &mut template["spec"]["template"]["spec"];
        pod["serviceAccountName"] = key.into();
        pod["nodeSelector"] = json!({ "cloud.google.com/gke-nodepool": pool });
        if facts.spot {
            pod["nodeSelector"][SPOT] = "true".into();
            pod["tolerations"] =
                json!([{ "key": SPOT, "operator": "Equal", "value": "true", "effect": "NoSchedule" }]);
        }
        let container = &mut pod["containers"][0];
        container["image"] = self.image.as_deref().unwrap_or(LOCAL_IMAGE).into();
        container["resources"] = self.resources_of_a_worker(allocatable(&facts.machine_type));
        container["env"] = self.environment(scope);
        Ok(manifest)
    }

    /// One worker fills a node: over half of its CPU, and three quarters of its memory, which leaves
    /// room for the system's own pods. Memory is limited to what was asked for; CPU is not limited.
    fn resources_of_a_worker(&self, node: Option<Allocatable>) -> Value {
        let cpu = self.cpu_millis.or(node.map(|node| node.cpu_millis * 55 / 100)).unwrap_or(500);
        let memory = self.memory_mib.or(node.map(|node| node.memory_mib * 75 / 100)).unwrap_or(512);
        // Kubernetes writes whole CPUs without the `m`, and would show a difference for ever.
        let cpu = if cpu.is_multiple_of(1000) { format!("{}", cpu / 1000) } else { format!("{cpu}m") };
        let memory =
            if memory.is_multiple_of(1024) { format!("{}Gi", memory / 1024) } else { format!("{memory}Mi") };
        json!({ "requests": { "cpu": cpu, "memory": memory }, "limits": { "memory": memory } })
    }

    /// What every run of the job has in common; the run itself adds its name.
    fn environment(&self, scope: &Scope) -> Value {
        let topic =
            scope.topic_of.get(&self.subscription).map(|topic| scope.topic(topic)).unwrap_or_default();
        let lease = scope.lease_of.get(&self.subscription).copied().unwrap_or(60);
        let field = |path: &str| json!({ "fieldRef": { "apiVersion": "v1", "fieldPath": path } });
        let plain = [
            (environment::BUCKET, scope.name("bucket", &self.bucket)),
            (environment::SUBSCRIPTION, scope.subscription(&self.subscription)),
            (environment::TOPIC, topic),
            (environment::CONCURRENCY, self.concurrency.to_string()),
            (environment::LEASE_SECONDS, lease.to_string()),
            (environment::GRACE_SECONDS, GRACE.to_string()),
        ];
        let plain = plain.into_iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let of_the_pod = [
            (environment::RUN, "metadata.labels['batch.kubernetes.io/job-name']"),
            (environment::POD, "metadata.name"),
            (environment::NODE, "spec.nodeName"),
        ];
        let of_the_pod =
            of_the_pod.into_iter().map(|(name, path)| json!({ "name": name, "valueFrom": field(path) }));
        plain.chain(of_the_pod).collect()
    }
}

/// Stands for the `worker` beside `provision`, which the local cloud runs whatever the image.
const LOCAL_IMAGE: &str = "provision.local/worker";

impl Kind for Job {
    const NAME: &'static str = "job";

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let (cluster, namespace, name) = split(id);
        let Some(kubernetes) = cloud.kubernetes(cluster).await? else { return Ok(None) };
        let live = kubernetes.get(&api(&kubernetes, namespace), name).await?;
        live.map(|live| found(cloud, cluster, &live, None)).transpose()
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let mut owned = Vec::new();
        for (id, live) in cluster::owned(cloud).await? {
            let Some(kubernetes) = cloud.kubernetes(&id).await? else { continue };
            let inside = Address::new("cluster", super::key(cloud.unmarked(live.resource_labels).1, &id));
            for template in kubernetes.owned(&api(&kubernetes, &cloud.owner), &cloud.owner).await? {
                owned.push(found(cloud, &id, &template, Some(inside.clone()))?);
            }
        }
        Ok(owned)
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        let kubernetes = cloud.kubernetes(cluster).await?.context("the cluster's API does not answer")?;
        let mut manifest = self.manifest.clone();
        manifest["metadata"]["annotations"][CONFIG] = self.config.to_string().into();
        kubernetes.apply(&api(&kubernetes, namespace), name, &manifest).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        self.create(cloud, at).await
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let (cluster, namespace, name) = split(at.id);
        match cloud.kubernetes(cluster).await? {
            Some(kubernetes) => kubernetes.delete(&api(&kubernetes, namespace), name).await,
            None => Ok(()),
        }
    }
}

fn api(kubernetes: &Kubernetes, namespace: &str) -> Api<batch::CronJob> {
    Api::namespaced(kubernetes.0.clone(), namespace)
}

fn found(cloud: &Cloud, cluster: &str, live: &batch::CronJob, inside: Option<Address>) -> Result<Found<Job>> {
    let manifest = manifest::of(live)?;
    let owner = manifest::owner(&manifest, &cloud.owner);
    let config = manifest["metadata"]["annotations"][CONFIG].as_str();
    let config = config.and_then(|config| serde_json::from_str(config).ok()).unwrap_or_default();
    let name = live.metadata.name.clone().unwrap_or_default();
    let namespace = live.metadata.namespace.as_deref().unwrap_or_default();
    let id = format!("{cluster}/namespaces/{namespace}/cronjobs/{name}");
    Ok(Found { id, key: name, owner, fields: Job { config, manifest }, holds: None, inside })
}
