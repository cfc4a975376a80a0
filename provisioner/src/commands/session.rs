//! What most commands begin with: the stack, and the cloud that it is in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use localcloud::daemon::{self, Daemon};

use crate::cloud::Cloud;
use crate::exit::Exit;
use crate::kinds::JobSpec;
use crate::runs::{Cluster, Store};
use crate::stack::{Scope, Source, Stack};

/// The project of a local cloud, where nothing names one.
pub(super) const LOCAL_PROJECT: &str = "local-cloud";

/// Which stack, and where.
#[derive(Args, Clone)]
pub(super) struct StackArgs {
    /// The stack's texts.
    #[command(flatten)]
    pub file: Source,
    /// The project; it goes before the file's, and that before `GOOGLE_CLOUD_PROJECT`.
    #[arg(long, value_name = "ID")]
    pub project: Option<String>,
    /// Use this folder's local cloud, started if need be, instead of Google's.
    #[arg(long)]
    pub local: bool,
    /// The local cloud that was reached.
    #[arg(skip)]
    reached: Arc<OnceLock<Daemon>>,
}

/// A stack and its cloud.
pub(super) struct Session {
    pub stack: Stack,
    pub cloud: Cloud,
    pub daemon: Option<Daemon>,
}

impl StackArgs {
    /// Reads the file, and connects.
    pub(super) async fn open(&self) -> Result<Session> {
        let stack = Stack::read(&self.file)?;
        let project = self.project(&stack)?;
        if !self.local {
            let cloud = Cloud::google(&project, stack.owner()).await?;
            return Ok(Session { stack, cloud, daemon: None });
        }
        let daemon = ensure(stack.folder()).await?;
        let daemon = self.reached.get_or_init(|| daemon).clone();
        let endpoints = daemon.endpoints();
        let cloud = Cloud::local(&endpoints.url, endpoints.kubeconfig(), &project, stack.owner()).await?;
        Ok(Session { stack, cloud, daemon: Some(daemon) })
    }

    /// What a command comes to. If it failed because its local cloud is gone, the error says that
    /// first: what the wires say of it means nothing to a person.
    pub(super) async fn or_why(&self, command: impl Future<Output = Result<Exit>>) -> Result<Exit> {
        let told = command.await;
        let Some(daemon) = self.reached.get() else { return told };
        match told {
            Err(error) if !daemon.is_alive() => Err(error.context(format!(
                "the local cloud of this folder has ended (process {}, its log is {}): what it acknowledged \
                 is kept, and the same command again starts it and goes on",
                daemon.pid(),
                daemon.log().display()
            ))),
            told => told,
        }
    }

    fn project(&self, stack: &Stack) -> Result<String> {
        let named = self.project.clone().or_else(|| stack.header.project.clone());
        // The variable means the real cloud: it says nothing of the local one.
        let meant = || {
            std::env::var("GOOGLE_CLOUD_PROJECT").ok().filter(|project| !project.is_empty() && !self.local)
        };
        match named.or_else(meant) {
            Some(project) => Ok(project),
            None if self.local => Ok(LOCAL_PROJECT.to_owned()),
            None => bail!(
                "which Google Cloud project? set `project` in [stack], give --project, or set GOOGLE_CLOUD_PROJECT; \
                 or try the stack on this machine with --local"
            ),
        }
    }
}

/// The folder of the local cloud of a stack's folder.
pub(super) fn local_folder(stack_folder: &Path) -> PathBuf {
    stack_folder.join(".provision").join("local")
}

/// The local cloud of a stack's folder, started if need be.
pub(super) async fn ensure(stack_folder: &Path) -> Result<Daemon> {
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    daemon::ensure(&local_folder(stack_folder), &program, &["local", "serve"]).await
}

impl Session {
    /// The names of the stack in its project.
    pub(super) fn scope(&self) -> Scope {
        self.stack.scope(self.cloud.project.clone())
    }

    /// The job of that name, or the only one.
    pub(super) fn job(&self, name: Option<&str>) -> Result<(&str, &JobSpec)> {
        let all = || self.stack.jobs().map(|(key, _)| key).collect::<Vec<_>>().join(", ");
        let mut jobs = self.stack.jobs().filter(|(key, _)| name.is_none_or(|name| name == *key));
        match (jobs.next(), jobs.next(), name) {
            (Some(job), None, _) => Ok(job),
            (Some(_), Some(_), _) => bail!("which job? --job is one of {}", all()),
            (None, _, Some(name)) => {
                bail!("no job \"{name}\" in {}: it has {}", self.stack.path.display(), all())
            }
            (None, _, None) => bail!("{} has no job", self.stack.path.display()),
        }
    }

    /// The job that a run's name says it is of.
    pub(super) fn job_of_run(&self, run: &str) -> Option<&str> {
        let is_of = |key: &&str| run.strip_prefix(*key).is_some_and(|rest| rest.matches('-').count() == 3);
        self.stack.jobs().map(|(key, _)| key).find(is_of)
    }

    /// The records of a job's runs.
    pub(super) fn store(&self, job: &JobSpec) -> Store {
        Store { bucket: self.cloud.bucket(&self.scope().name("bucket", &job.bucket)) }
    }

    /// The records of every job's runs: one store for each bucket.
    pub(super) fn stores(&self) -> Vec<Store> {
        let scope = self.scope();
        let mut buckets: Vec<String> =
            self.stack.jobs().map(|(_, job)| scope.name("bucket", &job.bucket)).collect();
        buckets.sort();
        buckets.dedup();
        buckets.iter().map(|bucket| Store { bucket: self.cloud.bucket(bucket) }).collect()
    }

    /// The cluster that a job runs in.
    pub(super) async fn cluster(&self, job: &JobSpec) -> Result<Cluster> {
        let key = job.pool.split('/').next().unwrap_or_default();
        Cluster::of(&self.cloud, &self.scope().cluster(key)).await
    }
}
