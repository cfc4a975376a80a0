//! `job`: the template of a job's runs, a suspended `CronJob` that holds the workers' configuration.
//! Each run is one Job made from it.

use anyhow::{Result, bail};
use contract::{CommandConfig, EtlConfig, Handler, WorkerConfig};
use k8s_openapi::api::batch::v1 as batch;
use kube::api::Api;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::in_cluster::{self, InCluster};
use super::kubernetes_service_account::KubernetesServiceAccount;
use super::machine::allocatable;
use super::namespace::Namespace;
use super::{Table, etl};
use crate::cloud::Kubernetes;
use crate::resource::{Address, Desired};
use crate::stack::{AnyTime, FieldProblem, Reference, Scope, Seconds};

mod grants;
mod template;

/// The annotation of the template that holds the workers' configuration.
pub(crate) const CONFIG: &str = "provision/worker-config";
/// The label of a run's Job and pods that names the job; the run is their Job's name.
pub(crate) const JOB: &str = "provision/job";

/// A longer name would not leave room for a run's time and digest in a label of 63 characters.
const LONGEST_KEY: usize = 30;

/// `[job.NAME]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
        let cluster = self.pool.split_once('/').map(|(cluster, _)| cluster);
        let account = self
            .service_account
            .as_deref()
            .map(|key| reference(&["service_account"], "service_account", key));
        let mut all = vec![
            reference(&["subscription"], "subscription", &self.subscription),
            reference(&["bucket"], "bucket", &self.bucket),
        ];
        all.extend(cluster.map(|cluster| reference(&["pool"], "cluster", cluster)));
        all.extend(account);
        all
    }

    fn introduce(&self, _: &str, scope: &mut Scope) {
        let longest = scope.longest_run_in.entry(self.bucket.clone()).or_default();
        *longest = self.max_run_time.get().max(*longest);
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
        self.image_is_known(key, scope)?;
        let address = Address::new(Job::NAME, key);
        let (cluster, _) = self.pool.split_once('/').unwrap_or((&self.pool, ""));
        let account = self.service_account.as_deref();
        let email = account.map(|account| scope.email(&scope.name("service_account", account)));

        let namespace = Namespace::desired(cluster, scope)?.implied(&address);
        let identity =
            KubernetesServiceAccount::desired(cluster, key, email.as_deref(), scope)?.implied(&address);
        let grants = self.grants(key, &address, email.as_deref(), scope)?;
        let config = serde_json::to_value(self.config(scope)?)?;
        let own = Job { manifest: self.manifest(key, scope)?, config };
        let own = in_cluster::desired(key, cluster, &own, scope)?
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
            (Some(etl), _) => Handler::Etl(Box::new(etl)),
            (None, Some(command)) => Handler::Command(command),
            (None, None) => bail!("a job without `etl` or `command`"),
        };
        let item_timeout_seconds = self.item_timeout.get();
        Ok(WorkerConfig { handler, attempts: self.attempts, item_timeout_seconds })
    }

    /// A file may leave the image open, for it is valid with `--local`; a project's cluster needs one.
    fn image_is_known(&self, key: &str, scope: &Scope) -> Result<()> {
        if !scope.project.local && self.image.is_none() {
            bail!(
                "job.{key}: no image, and on GKE the workers need one; set `image = \"REGISTRY/worker@sha256:…\"` in [job.{key}], or use `--local`"
            );
        }
        Ok(())
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
}

impl InCluster for Job {
    type Object = batch::CronJob;

    const NAME: &'static str = "job";

    fn api(kubernetes: &Kubernetes, namespace: &str) -> Api<batch::CronJob> {
        Api::namespaced(kubernetes.0.clone(), namespace)
    }

    fn of(manifest: Value) -> Self {
        let config = manifest["metadata"]["annotations"][CONFIG].as_str();
        let config = config.and_then(|config| serde_json::from_str(config).ok()).unwrap_or_default();
        Self { config, manifest }
    }

    fn manifest(&self) -> Value {
        let mut manifest = self.manifest.clone();
        manifest["metadata"]["annotations"][CONFIG] = self.config.to_string().into();
        manifest
    }

    /// A job's key is its table's, which names no cluster.
    fn key(_: Option<&Address>, name: Option<&str>) -> String {
        name.unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::stack::{Project, Stack};

    /// What a stack with `[job.fx]` in a pool stands for; `job` and `pool` are further lines of theirs.
    pub(super) fn resources(local: bool, pool: &str, job: &str) -> Result<Vec<Desired>> {
        let text = format!(
            r#"
            [stack]
            name = "fx"
            region = "europe-west1"
            [topic.items]
            [subscription.work]
            topic = "items"
            [bucket.data]
            [service_account.worker]
            [cluster.main.pool.steady]
            nodes = 1
            [cluster.main.pool.workers]
            nodes = 3
            {pool}
            [job.fx]
            subscription = "work"
            bucket = "data"
            pool = "main/workers"
            {job}
            [job.fx.etl]
            extract = "gs://data/rates/{{item}}.parquet"
            load = "gs://data/features/{{item}}.parquet"
            "#
        );
        let stack = Stack::parse(Path::new("stack.toml"), &text)?;
        stack.resources(&Project { id: "my-project".into(), number: 123_456_789_012, local })
    }

    /// The manifest of `[job.fx]`.
    pub(super) fn manifest(pool: &str, job: &str) -> Value {
        let resources = resources(true, pool, job).expect("a valid stack");
        let job = resources.into_iter().find(|r| r.address.kind == "job").expect("the job");
        job.fields["manifest"].clone()
    }

    #[test]
    fn workers_on_gke_need_an_image() {
        let refused = resources(false, "", "").expect_err("no image");
        insta::assert_snapshot!(refused, @r#"job.fx: no image, and on GKE the workers need one; set `image = "REGISTRY/worker@sha256:…"` in [job.fx], or use `--local`"#);
        let image = format!("image = \"registry.example/worker@sha256:{}\"", "0".repeat(64));
        assert!(resources(false, "", &image).is_ok());
        assert!(resources(true, "", "").is_ok());
    }

    #[test]
    fn the_configuration_goes_with_the_manifest_and_comes_back() {
        let job = Job {
            config: serde_json::json!({ "attempts": 5 }),
            manifest: serde_json::json!({ "metadata": { "name": "fx" } }),
        };
        let live = Job::of(job.manifest());
        assert_eq!(live.config, job.config);
    }
}
