//! What one round of observation has looked at already. Several kinds ask for the same things, and
//! whoever asks first has them asked for.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use anyhow::Result;
use google_cloud_container_v1::model::Cluster;
use google_cloud_iam_v1::model::Policy;
use google_cloud_storage::model::Bucket;
use tokio::sync::{Mutex, OnceCell};

use super::homes::Ground;
use super::{Cloud, PolicyOf};
use crate::resource::Live;

/// Answers that were asked for once, by what they are about. They are cheap to clone.
pub(crate) struct Memo<K, T>(Mutex<HashMap<K, Arc<OnceCell<T>>>>);

impl<K, T> Default for Memo<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, T: Clone> Memo<K, T> {
    /// The answer of this round. One that failed is asked for again.
    pub(crate) async fn once(&self, about: K, ask: impl Future<Output = Result<T>>) -> Result<T> {
        let cell = self.0.lock().await.entry(about).or_default().clone();
        cell.get_or_try_init(|| ask).await.cloned()
    }

    /// Forgets one answer: the next look asks again.
    pub(crate) async fn forget<Q>(&self, about: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.lock().await.remove(about);
    }

    async fn clear(&self) {
        self.0.lock().await.clear();
    }
}

/// The answers of a round.
#[derive(Default)]
pub(crate) struct Seen {
    /// Clusters, by their full names.
    pub clusters: Memo<String, Option<Arc<Cluster>>>,
    /// Policies of what is there.
    pub policies: Memo<PolicyOf, Option<Arc<Policy>>>,
    /// The clusters of the project.
    pub all_clusters: Memo<(), Arc<Vec<Cluster>>>,
    /// Where the stack may live.
    pub(super) grounds: Memo<(), Arc<Vec<Ground>>>,
    /// The buckets that the stack owns.
    pub buckets: Memo<(), Arc<Vec<Bucket>>>,
    /// What is in a bucket, for people, by its name; none for nothing.
    pub contents: Memo<String, Option<String>>,
    /// What the stack owns, by its kind.
    pub owned: Memo<&'static str, Arc<Vec<Live>>>,
}

impl Cloud {
    /// Forgets what was seen: the next observation asks again.
    pub(crate) async fn forget(&self) {
        let Seen { clusters, policies, all_clusters, grounds, buckets, contents, owned } = &self.seen;
        clusters.clear().await;
        policies.clear().await;
        all_clusters.clear().await;
        grounds.clear().await;
        buckets.clear().await;
        contents.clear().await;
        owned.clear().await;
    }
}
