//! The clusters in which a stack lives: its own, and those of others that have its namespace. Nothing
//! on a cluster that others share says who uses it, so every one of the project is asked, once, while
//! the rest is observed. One that does not answer is waited for only as long as it may matter.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use google_cloud_container_v1::model::Cluster;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use tokio::sync::OnceCell;

use super::{Cloud, Kubernetes, Marked, evidence, limited};
use crate::full_name;
use crate::resource::{Address, Owner};

/// Longest that a cluster is waited for which the stack owns or its file names.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest that any other is: all that could be there is what an older file of the stack left.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(3);

/// What is said of a cluster that does not answer in time.
const SILENCE: &str = "it does not answer";

/// A cluster of the project.
pub(super) struct Ground {
    id: String,
    /// As its marks tell it; of others' clusters, as its name would be.
    address: Address,
    is_own: bool,
    patience: Duration,
    cluster: Cluster,
    /// Of another's: what was found there.
    standing: OnceCell<Standing>,
    /// What came instead of a list.
    went_dark: OnceLock<String>,
}

/// Whether the stack lives in a cluster of somebody else.
enum Standing {
    Home,
    Elsewhere,
    /// What came instead of an answer.
    Dark(String),
}

/// A cluster that the stack owns, or that has its namespace.
#[derive(Clone)]
pub(crate) struct Home {
    /// The cluster, in full.
    pub id: String,
    /// Its address, as its marks tell it; of others' clusters, as its name would be.
    pub address: Address,
    /// Its Kubernetes API.
    pub kubernetes: Kubernetes,
    is_own: bool,
}

/// A cluster that could not be asked.
pub(crate) struct Dark {
    /// The cluster, in full.
    pub id: String,
    /// Its address, if the stack owns it: then all that is in it goes with it.
    pub own: Option<Address>,
    /// What came instead of an answer.
    pub why: String,
}

impl Home {
    /// What a thing in it vanishes with: others' clusters stay.
    pub(crate) fn inside(&self) -> Option<Address> {
        self.is_own.then(|| self.address.clone())
    }
}

impl Cloud {
    /// The clusters of the project, asked for once per round of observation.
    pub(crate) async fn all_clusters(&self) -> Result<Arc<Vec<Cluster>>> {
        let list = async {
            let list = self.clusters.list_clusters();
            let list = list.set_parent(format!("{}/locations/-", self.project.path()));
            Ok(Arc::new(limited("list clusters", list.send()).await?.clusters))
        };
        self.seen.all_clusters.once((), list).await
    }

    /// What there is in every cluster that the stack lives in. In one of its own it is asked for at
    /// once; elsewhere it is first asked whether the stack has its namespace there.
    pub(crate) async fn at_home<T, F>(&self, list: impl Fn(Home) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<Vec<T>>>,
    {
        let grounds = self.grounds().await?;
        let looks = grounds.iter().map(|ground| self.listed_in(ground, &list));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// The clusters of the project that do not answer; of its own those in which nothing could be listed.
    pub(crate) async fn dark(&self) -> Result<Vec<Dark>> {
        let grounds = self.grounds().await?;
        let looks = grounds.iter().map(|ground| self.darkness(ground));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    async fn darkness(&self, ground: &Ground) -> Result<Option<Dark>> {
        let why = match ground.went_dark.get() {
            Some(why) => why.clone(),
            None if ground.is_own => return Ok(None),
            None => match self.standing(ground).await? {
                Standing::Dark(why) => why.clone(),
                Standing::Home | Standing::Elsewhere => return Ok(None),
            },
        };
        let own = ground.is_own.then(|| ground.address.clone());
        Ok(Some(Dark { id: ground.id.clone(), own, why }))
    }

    async fn grounds(&self) -> Result<Arc<Vec<Ground>>> {
        let grounds = async {
            let clusters = self.all_clusters().await?;
            Ok(Arc::new(clusters.iter().map(|cluster| self.ground(cluster)).collect()))
        };
        self.seen.grounds.once((), grounds).await
    }

    fn ground(&self, cluster: &Cluster) -> Ground {
        let Cluster { location, name, resource_labels, .. } = cluster;
        let id = full_name::cluster_id(&self.project.id, location, name);
        let Marked { owner, key, .. } = self.unmarked(resource_labels.clone());
        let is_own = owner == Owner::Ours;
        let matters = is_own || self.clusters_of_the_file.contains(&id);
        Ground {
            address: Address::new("cluster", key.filter(|_| is_own).unwrap_or_else(|| name.clone())),
            id,
            is_own,
            patience: if matters { PATIENCE } else { PATIENCE_WITH_OTHERS },
            cluster: cluster.clone(),
            standing: OnceCell::new(),
            went_dark: OnceLock::new(),
        }
    }

    async fn listed_in<T, F>(&self, ground: &Ground, list: &impl Fn(Home) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<Vec<T>>>,
    {
        if !ground.is_own && !matches!(self.standing(ground).await?, Standing::Home) {
            return Ok(Vec::new());
        }
        let listed = async {
            match self.home(ground).await? {
                Some(home) => list(home).await,
                None => Ok(Vec::new()),
            }
        };
        let why = match tokio::time::timeout(ground.patience, listed).await {
            Ok(Err(error)) if evidence::is_silent(&error) => format!("{error:#}"),
            Ok(listed) => return listed,
            Err(_) => SILENCE.to_owned(),
        };
        let _ = ground.went_dark.set(why);
        Ok(Vec::new())
    }

    async fn home(&self, ground: &Ground) -> Result<Option<Home>> {
        let Ground { id, address, is_own, cluster, .. } = ground;
        let kubernetes = self.kubernetes_of(cluster).await?;
        let home =
            |kubernetes| Home { id: id.clone(), address: address.clone(), kubernetes, is_own: *is_own };
        Ok(kubernetes.map(home))
    }

    async fn standing<'a>(&self, ground: &'a Ground) -> Result<&'a Standing> {
        ground.standing.get_or_try_init(|| self.look_into(ground)).await
    }

    async fn look_into(&self, ground: &Ground) -> Result<Standing> {
        let ask = async {
            let Some(home) = self.home(ground).await? else { return Ok(false) };
            let all = Api::<Namespace>::all(home.kubernetes.0.clone());
            Ok::<_, anyhow::Error>(!home.kubernetes.owned(&all, &self.owner).await?.is_empty())
        };
        Ok(match tokio::time::timeout(ground.patience, ask).await {
            Ok(Ok(true)) => Standing::Home,
            Ok(Ok(false)) => Standing::Elsewhere,
            Ok(Err(error)) => Standing::Dark(format!("{error:#}")),
            Err(_) => Standing::Dark(SILENCE.to_owned()),
        })
    }
}
