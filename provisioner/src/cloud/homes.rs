//! The clusters in which a stack lives: its own, and those of others that have its namespace. Nothing
//! on a cluster that others share says who uses it, so every one of the project is asked, once, while
//! the rest is observed. One that does not answer is waited for only as long as it may matter.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use google_cloud_container_v1::model::Cluster;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use tokio::sync::OnceCell;

use super::{Cloud, Kubernetes, errors, limited};
use crate::resource::{Address, Owner};

/// Longest that a cluster is waited for which the stack owns or its file names.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest that any other is: all that could be there is what an older file of the stack left.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(3);

/// A cluster of the project.
pub(super) struct Ground {
    id: String,
    /// As its marks tell it; of others' clusters, as its name would be.
    address: Address,
    is_own: bool,
    patience: Duration,
    cluster: Cluster,
    standing: OnceCell<Standing>,
}

/// Whether the stack lives in a cluster.
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
            let list = list.set_parent(format!("projects/{}/locations/-", self.project.id));
            Ok(limited("list clusters", list.send()).await?.clusters)
        };
        self.once("clusters", list).await
    }

    /// What there is in every cluster that the stack lives in. In one of its own it is asked for at
    /// once; that the cluster answers at all shows meanwhile.
    pub(crate) async fn at_home<T, F>(&self, list: impl Fn(Home) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<Vec<T>>>,
    {
        let grounds = self.grounds().await?;
        let looks = grounds.iter().map(|ground| self.listed_in(ground, &list));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// The clusters of the project that do not answer.
    pub(crate) async fn dark(&self) -> Result<Vec<Dark>> {
        let grounds = self.grounds().await?;
        let standings = try_join_all(grounds.iter().map(|ground| self.standing(ground))).await?;
        let dark = grounds.iter().zip(standings).filter_map(|(ground, standing)| match standing {
            Standing::Dark(why) => Some(Dark {
                id: ground.id.clone(),
                own: ground.is_own.then(|| ground.address.clone()),
                why: why.clone(),
            }),
            Standing::Home | Standing::Elsewhere => None,
        });
        Ok(dark.collect())
    }

    async fn grounds(&self) -> Result<Arc<Vec<Ground>>> {
        let grounds = async {
            let clusters = self.all_clusters().await?;
            Ok(clusters.iter().map(|cluster| self.ground(cluster)).collect())
        };
        self.once("grounds", grounds).await
    }

    fn ground(&self, cluster: &Cluster) -> Ground {
        let Cluster { location, name, resource_labels, .. } = cluster;
        let id = format!("projects/{}/locations/{location}/clusters/{name}", self.project.id);
        let (owner, key, _) = self.unmarked(resource_labels.clone());
        let is_own = owner == Owner::Ours;
        let matters = is_own || self.clusters_of_the_file.contains(&id);
        Ground {
            address: Address::new("cluster", key.filter(|_| is_own).unwrap_or_else(|| name.clone())),
            id,
            is_own,
            patience: if matters { PATIENCE } else { PATIENCE_WITH_OTHERS },
            cluster: cluster.clone(),
            standing: OnceCell::new(),
        }
    }

    async fn listed_in<T, F>(&self, ground: &Ground, list: &impl Fn(Home) -> F) -> Result<Vec<T>>
    where
        F: Future<Output = Result<Vec<T>>>,
    {
        let Ok(Some(home)) = self.home(ground).await else {
            // That its API cannot be reached is found and told where it stands.
            return self.standing(ground).await.map(|_| Vec::new());
        };
        if !ground.is_own {
            return match self.standing(ground).await? {
                Standing::Home => list(home).await,
                Standing::Elsewhere | Standing::Dark(_) => Ok(Vec::new()),
            };
        }
        let listing = list(home);
        tokio::pin!(listing);
        let standing = tokio::select! {
            biased;
            found = &mut listing => match found {
                Err(error) if errors::is_silent(&error) => {
                    return match self.standing(ground).await? {
                        Standing::Dark(_) => Ok(Vec::new()),
                        Standing::Home | Standing::Elsewhere => Err(error),
                    };
                }
                found => return found,
            },
            standing = self.standing(ground) => standing?,
        };
        match standing {
            Standing::Dark(_) => Ok(Vec::new()),
            Standing::Home | Standing::Elsewhere => listing.await,
        }
    }

    async fn home(&self, ground: &Ground) -> Result<Option<Home>> {
        let Ground { id, address, is_own, cluster, .. } = ground;
        let kubernetes = self.kubernetes_of(cluster).await?;
        let home = |kubernetes| Home { id: id.clone(), address: address.clone(), kubernetes, is_own: *is_own };
        Ok(kubernetes.map(home))
    }

    async fn standing<'a>(&self, ground: &'a Ground) -> Result<&'a Standing> {
        ground.standing.get_or_try_init(|| self.look_into(ground)).await
    }

    async fn look_into(&self, ground: &Ground) -> Result<Standing> {
        let ask = async {
            let Some(home) = self.home(ground).await? else { return Ok(None) };
            let all = Api::<Namespace>::all(home.kubernetes.0.clone());
            Ok::<_, anyhow::Error>(Some(!home.kubernetes.owned(&all, &self.owner).await?.is_empty()))
        };
        match tokio::time::timeout(ground.patience, ask).await {
            Err(_) => Ok(Standing::Dark("it does not answer".to_owned())),
            Ok(Ok(Some(lives_here))) if ground.is_own || lives_here => Ok(Standing::Home),
            Ok(Ok(_)) => Ok(Standing::Elsewhere),
            // In a cluster of its own the stack may look, or it says that it may not.
            Ok(Err(error)) if ground.is_own && !errors::is_silent(&error) => Err(error),
            Ok(Err(error)) => Ok(Standing::Dark(format!("{error:#}"))),
        }
    }
}
