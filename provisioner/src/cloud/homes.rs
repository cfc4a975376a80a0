//! The clusters in which a stack lives: its own, and those of others that have its namespace. Nothing
//! on a cluster that others share says who uses it, so every one of the project is asked.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use google_cloud_container_v1::model::Cluster;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;

use super::{Cloud, Kubernetes, evidence, limited};
use crate::resource::{Address, Owner};

/// Longest that one cluster is waited for: a control plane that does not answer blocks nothing.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a stack lives.
#[derive(Default)]
pub(crate) struct Homes {
    /// Clusters that answer.
    pub open: Vec<Home>,
    /// Clusters that do not.
    pub dark: Vec<Dark>,
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
    /// Where the stack lives, asked once per round of observation.
    pub(crate) async fn homes(&self) -> Result<Arc<Homes>> {
        let cell = self.seen.homes.lock().await.clone();
        cell.get_or_try_init(|| self.find_homes()).await.cloned()
    }

    async fn find_homes(&self) -> Result<Arc<Homes>> {
        let list = self.clusters.list_clusters();
        let list = list.set_parent(format!("projects/{}/locations/-", self.project.id));
        let clusters = limited("list clusters", list.send()).await?.clusters;
        let looks = clusters.iter().map(|cluster| self.look_into(cluster));
        let mut homes = Homes::default();
        for look in futures::future::try_join_all(looks).await? {
            match look {
                Look::Home(home) => homes.open.push(home),
                Look::Dark(dark) => homes.dark.push(dark),
                Look::Elsewhere => {}
            }
        }
        Ok(Arc::new(homes))
    }

    async fn look_into(&self, cluster: &Cluster) -> Result<Look> {
        let Cluster { location, name, resource_labels, .. } = cluster;
        let id = format!("projects/{}/locations/{location}/clusters/{name}", self.project.id);
        let (owner, key, _) = self.unmarked(resource_labels.clone());
        let is_own = owner == Owner::Ours;
        let address = Address::new("cluster", key.filter(|_| is_own).unwrap_or_else(|| name.clone()));
        let ask = async {
            let Some(kubernetes) = self.kubernetes_of(cluster).await? else { return Ok(None) };
            let found = kubernetes.owned(&Api::<Namespace>::all(kubernetes.0.clone()), &self.owner).await?;
            Ok::<_, anyhow::Error>(Some((kubernetes, !found.is_empty())))
        };
        let answer = tokio::time::timeout(PATIENCE, ask).await;
        let own = is_own.then(|| address.clone());
        let dark = |why: String| Look::Dark(Dark { id: id.clone(), own, why });
        match answer {
            Err(_) => Ok(dark("it does not answer".to_owned())),
            Ok(Ok(Some((kubernetes, lives_here)))) if is_own || lives_here => {
                Ok(Look::Home(Home { id, address, kubernetes, is_own }))
            }
            Ok(Ok(_)) => Ok(Look::Elsewhere),
            // In a cluster of its own the stack may look, or it says that it may not.
            Ok(Err(error)) if is_own && !evidence::is_silent(&error) => Err(error),
            Ok(Err(error)) => Ok(dark(format!("{error:#}"))),
        }
    }
}

/// What a look into a cluster came to.
enum Look {
    Home(Home),
    Dark(Dark),
    Elsewhere,
}
