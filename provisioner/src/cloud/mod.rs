//! The clouds' clients, as kinds and runs use them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use clients::Target;
use futures::future::try_join_all;
use google_cloud_api_serviceusage_v1::client::ServiceUsage;
use google_cloud_container_v1::client::ClusterManager;
use google_cloud_container_v1::model::Cluster;
use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_gax::retry_policy::RetryPolicyExt;
use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_pubsub::client::{SchemaService, SubscriptionAdmin, TopicAdmin};
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_secretmanager_v1::client::SecretManagerService;
use google_cloud_storage::client::StorageControl;
use tokio::sync::{Mutex, OnceCell};
use tokio_util::task::AbortOnDropHandle;

use crate::stack::Project;

pub(crate) mod advice;
mod backlog;
mod calls;
pub(crate) mod errors;
pub(crate) mod evidence;
mod homes;
mod identity;
mod kubernetes;
mod lists;
mod marks;
mod policies;
mod round;
mod web;

use calls::CALL_LIMIT;
use round::Seen;

pub(crate) use backlog::Count;
pub(crate) use calls::limited;
pub(crate) use homes::{Dark, Home};
pub(crate) use kubernetes::{Kubernetes, MANAGED_BY as KUBERNETES_MANAGED_BY, PART_OF};
pub(crate) use lists::{PAGE, all};
pub(crate) use marks::{EXPIRES, MANAGED_BY, MANAGED_BY_US, MARK, Marked, PREFIX, PROTECT, STACK, marks};
pub(crate) use policies::{PolicyOf, grants};
pub(crate) use web::Answer;

/// Permissions that are asked for at a time.
const PERMISSIONS_AT_ONCE: usize = 100;
/// How long a connection to a cluster is used: its token is one that lasts for minutes, at least.
const CONNECTION: std::time::Duration = std::time::Duration::from_secs(30);

/// One project of one cloud, seen by one stack.
pub(crate) struct Cloud {
    /// The project.
    pub project: Project,
    /// The stack's owner name.
    pub owner: String,
    /// What the stack's names begin with, and its namespace in clusters: its name, or its first one.
    pub prefix: String,
    /// Who calls, for people.
    pub caller: String,
    /// Where Pub/Sub's calls go.
    pub(crate) pubsub: Target,
    pub(crate) topics: TopicAdmin,
    pub(crate) subscriptions: SubscriptionAdmin,
    pub(crate) pubsub_policies: SchemaService,
    pub(crate) buckets: StorageControl,
    pub(crate) objects: clients::Bucket,
    pub(crate) accounts: Iam,
    pub(crate) projects: Projects,
    pub(crate) services: ServiceUsage,
    pub(crate) clusters: ClusterManager,
    pub(crate) secrets: SecretManagerService,
    /// The secrets of Secret Manager that the stack file names, in full.
    pub(crate) secrets_of_the_file: Vec<String>,
    /// The clusters that the stack file names, in full.
    pub(crate) clusters_of_the_file: Vec<String>,
    target: Target,
    kubeconfig: Option<PathBuf>,
    /// What this round of observation has looked at.
    pub(crate) seen: Seen,
    /// Whose turn it is to write a policy.
    turns: policies::Turns,
    connections: Mutex<HashMap<String, Connection>>,
}

/// Since when there is a connection to a cluster, and which.
type Connection = (Instant, Arc<OnceCell<Kubernetes>>);

/// Begins to make a client: each reads the machine's certificates, which takes it many milliseconds.
macro_rules! client {
    ($client:ty, $target:expr) => {{
        let target = $target.clone();
        begun(async move {
            let retry = evidence::ByEvidence.with_time_limit(CALL_LIMIT);
            let builder = <$client>::builder()
                .with_credentials(target.credentials)
                .with_retry_policy(retry)
                .with_backoff_policy(evidence::backoff());
            match target.endpoint {
                Some(endpoint) => Ok(builder.with_endpoint(endpoint).build().await?),
                None => Ok(builder.build().await?),
            }
        })
    }};
}

impl Cloud {
    /// Connects to Google with the credentials that are there, or as the account that they may act as.
    pub(crate) async fn google(project: &str, owner: &str, account: Option<&str>) -> Result<Self> {
        let target = match account {
            Some(account) => Target::google()?.acting_as(account)?,
            None => Target::google()?,
        };
        target.check().await?;
        let caller = account.map_or_else(identity::of_the_machine, str::to_owned);
        Ok(Self { caller, ..Self::connect(target, project, owner).await? })
    }

    /// Connects to a local cloud, whose clusters are reached with the keys of its kubeconfig: as its
    /// owner, or as an account by its token.
    pub(crate) async fn local(
        url: &str,
        kubeconfig: PathBuf,
        project: &str,
        owner: &str,
        account: Option<(&str, String)>,
    ) -> Result<Self> {
        let anonymous = Target::anonymous(url);
        let (target, caller) = match account {
            Some((account, token)) => (anonymous.with_token(&token)?, account.to_owned()),
            None => (anonymous, "the owner of the local cloud".to_owned()),
        };
        let cloud = Self::connect(target, project, owner).await?;
        Ok(Self { kubeconfig: Some(kubeconfig), caller, ..cloud })
    }

    /// The clients are made while the project is looked up.
    async fn connect(target: Target, project: &str, owner: &str) -> Result<Self> {
        let local = target.endpoint.is_some();
        let projects = client!(Projects, target).await??;
        let data = begun({
            let target = target.clone();
            async move { Ok(target.storage().await?.0) }
        });
        let (topics, subscriptions) = (client!(TopicAdmin, target), client!(SubscriptionAdmin, target));
        let (pubsub_policies, buckets) = (client!(SchemaService, target), client!(StorageControl, target));
        let (accounts, services) = (client!(Iam, target), client!(ServiceUsage, target));
        let (clusters, secrets) = (client!(ClusterManager, target), client!(SecretManagerService, target));
        let number = project_number(&projects, project, target.endpoint.as_deref()).await?;
        let buckets = buckets.await??;
        Ok(Self {
            project: Project { id: project.to_owned(), number, local },
            owner: owner.to_owned(),
            prefix: owner.to_owned(),
            caller: "the caller".to_owned(),
            topics: topics.await??,
            subscriptions: subscriptions.await??,
            pubsub_policies: pubsub_policies.await??,
            buckets: buckets.clone(),
            objects: clients::Bucket::new((data.await??, buckets), ""),
            accounts: accounts.await??,
            projects,
            services: services.await??,
            clusters: clusters.await??,
            secrets: secrets.await??,
            secrets_of_the_file: Vec::new(),
            clusters_of_the_file: Vec::new(),
            pubsub: target.clone(),
            target,
            kubeconfig: None,
            seen: Seen::default(),
            turns: policies::Turns::default(),
            connections: Mutex::default(),
        })
    }

    /// Those of these permissions that the caller has on the project.
    pub(crate) async fn held(&self, asked: &[&str]) -> Result<HashSet<String>> {
        let some = asked.chunks(PERMISSIONS_AT_ONCE).map(async |some| {
            let test = self.projects.test_iam_permissions().set_permissions(some.iter().copied());
            let test = test.set_resource(self.project.path());
            // A POST that changes nothing.
            let test = test.with_idempotency(true);
            Ok::<_, anyhow::Error>(
                limited("ask for the caller's permissions", test.send()).await?.permissions,
            )
        });
        Ok(try_join_all(some).await?.into_iter().flatten().collect())
    }

    /// A cluster as the service has it, asked once per round of observation.
    pub(crate) async fn cluster(&self, id: &str) -> Result<Option<Arc<Cluster>>> {
        let look = async {
            let get = self.clusters.get_cluster().set_name(id);
            Ok(errors::found(limited("look up the cluster", get.send()).await)?.map(Arc::new))
        };
        self.seen.clusters.once(id.to_owned(), look).await
    }

    /// The Kubernetes API of a cluster, or none if there is no such cluster, or none that answers yet.
    pub(crate) async fn kubernetes(&self, cluster: &str) -> Result<Option<Kubernetes>> {
        let Some(found) = self.cluster(cluster).await? else { return Ok(None) };
        self.kubernetes_of(&found).await
    }

    /// One connection serves all that asks within a while: each has a handshake of its own.
    async fn kubernetes_of(&self, cluster: &Cluster) -> Result<Option<Kubernetes>> {
        // One that is not running yet, or was made anew, is another one to connect to.
        let Cluster { location, name, id, endpoint, status, .. } = cluster;
        let which = format!("{location}/{name} {id} {endpoint} {status}");
        let cell = {
            let mut connections = self.connections.lock().await;
            connections.retain(|_, (since, _)| since.elapsed() < CONNECTION);
            let fresh = || (Instant::now(), Arc::default());
            connections.entry(which).or_insert_with(fresh).1.clone()
        };
        let connect = || async {
            let connected = match &self.kubeconfig {
                Some(kubeconfig) => Kubernetes::local(cluster, kubeconfig).await,
                None => Kubernetes::of(cluster, &self.target.credentials).await,
            };
            // That it cannot be reached yet is asked anew each time.
            connected.map_err(Some)?.ok_or(None)
        };
        match cell.get_or_try_init(connect).await {
            Ok(connected) => Ok(Some(connected.clone())),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// A bucket's objects.
    pub(crate) fn bucket(&self, name: &str) -> clients::Bucket {
        self.objects.sibling(name)
    }
}

/// Begins something that somebody waits for later.
fn begun<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> AbortOnDropHandle<Result<T>> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

/// The number of a project, which stands in its service agents' names.
async fn project_number(projects: &Projects, id: &str, endpoint: Option<&str>) -> Result<u64> {
    let get = projects.get_project().set_name(format!("projects/{id}"));
    let project = limited("look up the project", get.send()).await.map_err(|error| match () {
        () if errors::is_not_found(&error) || errors::is_denied(&error) => error.context(format!(
            "project `{id}` does not exist, or these credentials may not see it (resourcemanager.projects.get)"
        )),
        () => {
            let silent = endpoint.filter(|_| errors::status(&error).is_none());
            error.context(match silent {
                Some(endpoint) => format!("no answer from {endpoint}"),
                None => format!("cannot look up project `{id}`"),
            })
        }
    })?;
    let number = project.name.strip_prefix("projects/").and_then(|n| n.parse().ok());
    match number {
        Some(number) => Ok(number),
        None => bail!("project `{id}` has no number: the service calls it `{}`", project.name),
    }
}
