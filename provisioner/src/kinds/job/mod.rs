//! `job`: the template of a job's runs, a suspended `CronJob` that holds the workers' configuration.
//! Each run is one Job made from it.

use anyhow::{Result, bail};
use contract::{CommandConfig, EtlConfig, Handler, LibraryConfig, WorkerConfig};
use k8s_openapi::api::batch::v1 as batch;
use kube::api::Api;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::in_cluster::{self, InCluster};
use super::kubernetes_service_account::KubernetesServiceAccount;
use super::namespace::Namespace;
use super::{Table, command, etl};
use crate::cloud::Kubernetes;
use crate::resource::{Address, Desired};
use crate::stack::{AnyTime, FieldProblem, Reference, Scope, Seconds};

mod grants;
mod limits;
mod live;
mod problems;
mod program;
mod secrets;
mod template;

pub(crate) use live::buckets_of_jobs;
pub(super) use live::variables;

/// The annotation of the template that holds the workers' configuration.
pub(crate) const CONFIG: &str = "provision/worker-config";
/// The label of a run's Job and pods that names the job; the run is their Job's name.
pub(crate) const JOB: &str = "provision/job";

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
    /// The workers' image; of a command, any image that has its program in it. With `--local`, the
    /// `worker` beside `provision` runs instead, and a command is a program of this machine.
    #[serde(default)]
    pub image: Option<String>,
    /// The image of `worker`, which a command's pods copy it from.
    #[serde(default)]
    pub worker_image: Option<String>,
    /// Buckets that the work reads by itself: `["bucket.data"]`. What `extract`, `load` and tables name
    /// need not stand here.
    #[serde(default)]
    pub reads: Vec<String>,
    /// Buckets that the work writes to by itself.
    #[serde(default)]
    pub writes: Vec<String>,
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
    pub item_timeout: Seconds<1, { limits::LONGEST_ITEM }>,
    /// How failed attempts are spaced; an item that was preempted goes on at once.
    #[serde(default)]
    pub retry: limits::Spacing,
    /// How long a worker that is asked to stop may go on, 5 seconds to 2 minutes. A Spot node leaves 15
    /// seconds: for more, its pool needs a kubelet configuration with a longer shutdown grace period
    /// (GKE 1.35 or newer).
    #[serde(default = "limits::grace")]
    pub grace: Seconds<5, 120>,
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
    /// What a worker does with an item: call a handler that was compiled into it.
    #[serde(default)]
    pub library: Option<LibraryConfig>,
}

fn one() -> u32 {
    1
}

fn attempts() -> u32 {
    5
}

fn item_timeout() -> Seconds<1, { limits::LONGEST_ITEM }> {
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
    const IS_NAMED: bool = false;

    fn references(&self) -> Vec<Reference> {
        let reference = |field, table, key: &str| Reference { field, table, key: key.to_owned() };
        let account = self
            .service_account
            .as_deref()
            .map(|key| reference(&["service_account"], "service_account", key));
        let mut all = vec![
            reference(&["subscription"], "subscription", &self.subscription),
            reference(&["bucket"], "bucket", &self.bucket),
        ];
        if self.pool.contains('/') {
            all.push(reference(&["pool"], "cluster", self.cluster()));
        }
        all.extend(account);
        all
    }

    fn introduce(&self, _: &str, scope: &mut Scope) {
        let longest = scope.longest_run_in.entry(self.bucket.clone()).or_default();
        *longest = self.max_run_time.get().max(*longest);
        let cluster = self.cluster();
        scope.secret_uses.extend(self.secrets().map(|secret| (secret.to_owned(), cluster.to_owned())));
    }

    fn problems(&self, key: &str, scope: &Scope) -> Vec<FieldProblem> {
        problems::of(self, key, scope)
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        self.image_is_known(key, scope)?;
        let address = Address::new(Job::NAME, key);
        let cluster = self.cluster();
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
            .after(self.secret_addresses(scope))
            .after(grants.iter().map(|grant| grant.address.clone()));
        Ok([own, namespace, identity].into_iter().chain(grants).collect())
    }
}

impl JobSpec {
    /// What workers are told, with the buckets' cloud names.
    pub(crate) fn config(&self, scope: &Scope) -> Result<WorkerConfig> {
        let handler = match (&self.etl, &self.command, &self.library) {
            (Some(etl), ..) => Handler::Etl(Box::new(etl::resolved(etl, scope)?)),
            (_, Some(command), _) => Handler::Command(command::resolved(command, scope)),
            (.., Some(library)) => Handler::Library(command::library_resolved(library, scope)),
            (None, None, None) => bail!("a job without `etl`, `command` or `library`"),
        };
        let item_timeout_seconds = self.item_timeout.get();
        let (attempts, retry) = (self.attempts, self.retry.into());
        Ok(WorkerConfig { handler, attempts, item_timeout_seconds, retry })
    }

    /// The key of the cluster that its pool is in.
    pub(crate) fn cluster(&self) -> &str {
        self.pool.split('/').next().unwrap_or_default()
    }

    /// Workers that the job's pool has room for.
    pub(crate) fn room(&self, scope: &Scope) -> Option<u32> {
        let most = scope.pools.get(&self.pool)?.max_nodes;
        Some(self.max_workers.unwrap_or(most).min(most))
    }

    /// A file may leave the images open, for it is valid with `--local`; a project's cluster needs them.
    fn image_is_known(&self, key: &str, scope: &Scope) -> Result<()> {
        if scope.project.local {
            return Ok(());
        }
        if self.image.is_none() {
            bail!(
                "job.{key}: no image, and on GKE the workers need one; set `image = \"REGISTRY/worker@sha256:…\"` in [job.{key}], or use `--local`"
            );
        }
        if self.command.is_some() && self.worker_image.is_none() {
            bail!(
                "job.{key}: no worker image, and on GKE a command's pods copy the worker from one; set `worker_image = \"REGISTRY/worker@sha256:…\"` in [job.{key}], or use `--local`"
            );
        }
        Ok(())
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
    pub(super) fn resources_of(local: bool, pool: &str, job: &str) -> Result<Vec<Desired>> {
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
            "#
        );
        let stack = Stack::parse(Path::new("stack.toml"), &text)?;
        stack.resources(&Project { id: "my-project".into(), number: 123_456_789_012, local })
    }

    /// The same, of an etl.
    pub(super) fn resources(local: bool, pool: &str, job: &str) -> Result<Vec<Desired>> {
        let etl = r#"
            [job.fx.etl]
            extract = "gs://data/rates/{item}.parquet"
            load = "gs://data/features/{item}.parquet"
            "#;
        resources_of(local, pool, &format!("{job}\n{etl}"))
    }

    /// The manifest of `[job.fx]` with an etl.
    pub(super) fn manifest(pool: &str, job: &str) -> Value {
        the_job(resources(true, pool, job))["manifest"].clone()
    }

    /// The manifest of `[job.fx]` with any work.
    pub(super) fn manifest_of(job: &str) -> Value {
        the_job(resources_of(true, "", job))["manifest"].clone()
    }

    fn the_job(resources: Result<Vec<Desired>>) -> Value {
        let mut resources = resources.expect("a valid stack").into_iter();
        resources.find(|resource| resource.address.kind == "job").expect("the job").fields
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
    fn commands_on_gke_need_the_image_of_the_worker_too() {
        let command = "image = \"python:3.13-slim\"\n[job.fx.command]\nargv = [\"true\"]";
        let refused = resources_of(false, "", command).expect_err("no image");
        insta::assert_snapshot!(refused, @r#"job.fx: no worker image, and on GKE a command's pods copy the worker from one; set `worker_image = "REGISTRY/worker@sha256:…"` in [job.fx], or use `--local`"#);
        assert!(
            resources_of(false, "", &format!("worker_image = \"registry.example/worker\"\n{command}"))
                .is_ok()
        );
        assert!(resources_of(true, "", command).is_ok());
    }

    #[test]
    fn buckets_are_known_by_their_cloud_names_wherever_a_configuration_names_them() {
        let command = r#"
            [job.fx.command]
            argv = ["python3", "gs://data/work.py", "gs://elsewhere/x"]
            load = "gs://data/out/{item}/"
            env = { TABLE = "gs://data/codes.csv" }"#;
        let library = r#"
            [job.fx.library]
            program = "my-worker"
            config = { tables = [{ from = "gs://data/codes.csv" }], limit = 3 }"#;
        let fields = the_job(resources_of(true, "", command));
        insta::assert_snapshot!(format!("{:#}", fields["config"]["handler"]), @r#"
        {
          "command": {
            "argv": [
              "python3",
              "gs://my-project-fx-data/work.py",
              "gs://elsewhere/x"
            ],
            "env": {
              "TABLE": "gs://my-project-fx-data/codes.csv"
            },
            "load": "gs://my-project-fx-data/out/{item}/",
            "max_files": 100,
            "max_output": "1GiB",
            "max_scratch": "4GiB"
          }
        }
        "#);
        let fields = the_job(resources_of(true, "", library));
        insta::assert_snapshot!(format!("{:#}", fields["config"]["handler"]), @r#"
        {
          "library": {
            "config": {
              "limit": 3,
              "tables": [
                {
                  "from": "gs://my-project-fx-data/codes.csv"
                }
              ]
            },
            "program": "my-worker"
          }
        }
        "#);
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
