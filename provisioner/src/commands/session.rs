//! What most commands begin with: the stack, and the cloud that it is in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use contract::{RunId, RunRecord};
use localcloud::daemon::{self, Daemon};

use super::sql;
use crate::cloud::Cloud;
use crate::exit::Exit;
use crate::kinds::{self, JobSpec};
use crate::report;
use crate::runs::{Cluster, DeadLetters, Store, Summary};
use crate::stack::{Scope, Source, Stack};
use crate::stacks;

/// The project of a local cloud, where nothing names one.
pub(super) const LOCAL_PROJECT: &str = "local-cloud";

/// How often it is looked whether the local cloud is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Which stack, and where.
#[derive(Args, Clone)]
pub(super) struct StackArgs {
    /// The stack's texts.
    #[command(flatten)]
    pub file: Source,
    #[command(flatten)]
    pub cloud: ProjectArgs,
}

/// Which project of which cloud.
#[derive(Args, Clone)]
pub(super) struct ProjectArgs {
    /// The project; it goes before the file's, and that before `GOOGLE_CLOUD_PROJECT`.
    #[arg(long, value_name = "ID")]
    pub project: Option<String>,
    /// Call as this service account, which the credentials at hand must be allowed to act as.
    #[arg(long, value_name = "EMAIL")]
    pub impersonate: Option<String>,
    /// Use the local cloud beside the stack file, started if need be, instead of Google's.
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
    /// The arguments that name the same stack in another command.
    pub words: String,
}

impl StackArgs {
    /// Reads the file, and connects.
    pub(super) async fn open(&self) -> Result<Session> {
        let stack = Stack::read(&self.file)?;
        let project = stack.header.project.clone();
        self.cloud.session(stack, project, &self.file.words()).await
    }

    /// A stack by its name alone; of the file only the project counts, if there is a file.
    pub(super) async fn open_unwritten(&self, owner: &str) -> Result<Session> {
        let stack = Stack::unwritten(&self.file.file, owner).map_err(|wrong| anyhow!(wrong))?;
        let project = project_of(&self.file);
        let mut session = self.cloud.session(stack, project, &format!(" --stack {owner}")).await?;
        let prefix = stacks::prefix_of(&session.cloud, owner).await?;
        session.stack = session.stack.called(owner, &prefix);
        session.cloud.prefix = prefix;
        Ok(session)
    }

    /// The file's stack, under another name than the file has it.
    pub(super) async fn open_as(&self, stack: Stack, words: &str) -> Result<Session> {
        let project = stack.header.project.clone();
        self.cloud.session(stack, project, words).await
    }

    /// The project alone: no stack is meant yet.
    pub(super) async fn connect(&self) -> Result<Cloud> {
        self.cloud.connect(&self.file).await
    }

    /// The same for a command that starts a run: a query that cannot be planned starts nothing.
    pub(super) async fn open_to_run(&self) -> Result<Session> {
        sql::check(&Stack::read(&self.file)?).await?;
        self.open().await
    }

    /// What a command comes to. If it failed because its local cloud is gone, the error says that
    /// first: what the wires say of it means nothing to a person.
    pub(super) async fn or_why(&self, command: impl Future<Output = Result<Exit>>) -> Result<Exit> {
        let told = command.await;
        let Some(daemon) = self.cloud.reached.get() else { return told };
        match told {
            Err(error) if !error.is::<Gone>() && !daemon.is_alive() => {
                Err(error.context(Gone::local_cloud(daemon).0))
            }
            told => told,
        }
    }
}

/// What a run stands on is gone, so that nobody can follow it: the local cloud, or a part of the stack.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Gone(pub String);

impl Gone {
    fn local_cloud(daemon: &Daemon) -> Self {
        Self(format!(
            "the local cloud is gone (process {}, its log is {}): what it acknowledged is kept, and the same \
             command again starts it and goes on",
            daemon.pid(),
            daemon.log().display()
        ))
    }
}

impl ProjectArgs {
    /// The project alone; of the file, if there is one, only its project and folder count.
    pub(super) async fn connect(&self, file: &Source) -> Result<Cloud> {
        let nobody = Stack::unwritten(&file.file, "").map_err(|wrong| anyhow!(wrong))?;
        Ok(self.session(nobody, project_of(file), "").await?.cloud)
    }

    /// The project, as the stack of that name sees it.
    pub(super) async fn connect_as(&self, file: &Source, owner: &str) -> Result<Cloud> {
        let named = Stack::unwritten(&file.file, owner).map_err(|wrong| anyhow!(wrong))?;
        Ok(self.session(named, None, "").await?.cloud)
    }

    async fn session(&self, stack: Stack, project: Option<String>, words: &str) -> Result<Session> {
        let project = self.project(project)?;
        let words = self.words(words);
        if !self.local {
            let cloud = Cloud::google(&project, stack.owner(), self.impersonate.as_deref()).await?;
            return Ok(Session::new(stack, cloud, None, words));
        }
        let daemon = ensure(stack.folder()).await?;
        let daemon = self.reached.get_or_init(|| daemon).clone();
        let endpoints = daemon.endpoints();
        let account = match &self.impersonate {
            Some(account) => {
                let token = daemon.access_token(&project, account).await;
                Some((account.as_str(), token.with_context(|| format!("cannot act as {account}"))?))
            }
            None => None,
        };
        let (url, kubeconfig) = (&endpoints.url, endpoints.kubeconfig());
        let cloud = Cloud::local(url, kubeconfig, &project, stack.owner(), account).await?;
        Ok(Session::new(stack, cloud, Some(daemon), words))
    }

    fn words(&self, stack: &str) -> String {
        let project = self.project.as_ref().map(|project| format!(" --project {project}"));
        let account = self.impersonate.as_ref().map(|account| format!(" --impersonate {account}"));
        let local = self.local.then_some(" --local");
        [local.unwrap_or_default(), stack, &project.unwrap_or_default(), &account.unwrap_or_default()]
            .concat()
    }

    fn project(&self, of_file: Option<String>) -> Result<String> {
        let named = self.project.clone().or(of_file);
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

/// The project that a file names, if it can be read.
fn project_of(file: &Source) -> Option<String> {
    Stack::read(file).ok()?.header.project
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
    fn new(stack: Stack, mut cloud: Cloud, daemon: Option<Daemon>, words: String) -> Self {
        cloud.secrets_of_the_file = stack.kept_secrets(&cloud.project);
        stack.header.prefix().clone_into(&mut cloud.prefix);
        let scope = stack.scope(cloud.project.clone());
        cloud.clusters_of_the_file = scope.keys("cluster").map(|key| scope.cluster(key)).collect();
        Self { stack, cloud, daemon, words }
    }

    /// Waits until the local cloud is gone. Google's never is.
    pub(super) async fn local_cloud_is_gone(&self) -> Gone {
        let Some(daemon) = &self.daemon else { return std::future::pending().await };
        while daemon.is_alive() {
            tokio::time::sleep(LOOK).await;
        }
        Gone::local_cloud(daemon)
    }

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

    /// The records of a job's runs.
    pub(super) fn store(&self, job: &JobSpec) -> Store {
        self.store_in(&self.scope().name("bucket", &job.bucket))
    }

    /// The records of every run: one store for each bucket of a job, and for each that the stack
    /// owns, since the file may have forgotten the job of an open run.
    pub(super) async fn stores(&self) -> Result<Vec<Store>> {
        self.stores_and(BTreeSet::new()).await
    }

    /// The same, and those of other buckets.
    pub(super) async fn stores_and(&self, mut buckets: BTreeSet<String>) -> Result<Vec<Store>> {
        let scope = self.scope();
        buckets.extend(self.stack.jobs().map(|(_, job)| scope.name("bucket", &job.bucket)));
        buckets.extend(self.cloud.owned_buckets().await?.into_iter().map(|bucket| bucket.bucket_id));
        Ok(buckets.iter().map(|bucket| self.store_in(bucket)).collect())
    }

    fn store_in(&self, bucket: &str) -> Store {
        Store { bucket: self.cloud.bucket(bucket), stack: self.cloud.prefix.clone() }
    }

    /// The run of that name, or else the newest of those that count, with the store that holds it.
    pub(super) async fn run(
        &self,
        name: Option<&str>,
        counts: impl Fn(&Summary) -> bool,
    ) -> Result<(Store, Summary)> {
        let id = name.map(|name| RunId(name.to_owned()));
        let mut newest: Option<(Store, Summary)> = None;
        for store in self.stores().await? {
            let runs = match &id {
                Some(id) if id.is_valid() => store.run(id).await?.into_iter().collect(),
                Some(_) => Vec::new(),
                None => store.runs().await?.into_iter().filter(&counts).collect(),
            };
            for run in runs {
                if newest.as_ref().is_none_or(|(_, newest)| newest.record.created < run.record.created) {
                    newest = Some((store.clone(), run));
                }
            }
        }
        newest.with_context(|| match name {
            Some(name) => format!("no run `{name}`: `provision runs list` shows them"),
            None => "there is none: `provision run --items FILE` starts one".to_owned(),
        })
    }

    /// The dead letters of a run's job, if the file still has the job and implies where they go.
    pub(super) async fn dead_letters(&self, run: &RunRecord) -> Result<Option<DeadLetters>> {
        let Some((_, job)) = self.stack.jobs().find(|(key, _)| *key == run.job) else { return Ok(None) };
        let scope = self.scope();
        if !scope.dead_lettered.contains(&job.subscription) {
            return Ok(None);
        }
        let subscription = scope.subscription(&kinds::dead_letters(&job.subscription));
        let stores = self.stores().await?;
        Ok(Some(DeadLetters { pubsub: self.cloud.pubsub.clone(), subscription, stores }))
    }

    /// Has what Pub/Sub gave up count as failed, as far as it is of open runs. That it cannot be done
    /// hides nothing else.
    pub(super) async fn take_dead_letters(&self) -> Result<()> {
        let mut taken = BTreeSet::new();
        for store in self.stores().await? {
            for run in store.open().await? {
                let Some(letters) = self.dead_letters(&run).await? else { continue };
                if !taken.insert(letters.subscription.clone()) {
                    continue;
                }
                match letters.drain(&|told| report::warning(&told)).await {
                    Ok(0) => {}
                    Ok(count) => report::note(&format!(
                        "{count} items were given up by Pub/Sub: they count as failed now"
                    )),
                    Err(error) => report::warning(&format!("{error:#}")),
                }
            }
        }
        Ok(())
    }

    /// The cluster that a run's Job is in, as long as there is one: its job's, or, if the file has
    /// forgotten the job, any that has the Job.
    pub(super) async fn cluster_of(&self, run: &RunRecord) -> Result<Option<Cluster>> {
        let scope = self.scope();
        if let Some((_, job)) = self.stack.jobs().find(|(key, _)| *key == run.job) {
            return Cluster::found(&self.cloud, &scope.cluster(job.cluster())).await;
        }
        for key in scope.keys("cluster") {
            let Some(cluster) = Cluster::found(&self.cloud, &scope.cluster(key)).await? else { continue };
            if cluster.job(&run.run).await?.is_some() {
                return Ok(Some(cluster));
            }
        }
        Ok(None)
    }
}
