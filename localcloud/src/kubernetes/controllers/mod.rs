//! The controllers: each makes one kind of object true. They wake when the store changes or at a
//! time that they named, never by a fixed period.

pub(crate) mod cron_job;
pub(crate) mod garbage;
pub(crate) mod job;
pub(crate) mod namespace;
pub(crate) mod pod_garbage;
pub(crate) mod schedule;
pub(crate) mod service_account;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::store::{Change, Key, Store};

/// One controller.
pub(crate) trait Controller: Send + Sync {
    /// What must be looked at again because of a change.
    fn concerns(&self, change: &Change) -> Vec<Key>;

    /// All that must be looked at when it starts, or has missed changes.
    fn all(&self) -> Vec<Key>;

    /// Looks at one object and does what it needs; the time to look again, if time alone can change
    /// what is to be done.
    fn reconcile(&self, key: &Key) -> Option<Timestamp>;
}

/// Runs a controller until the cluster stops.
pub(crate) async fn run(controller: Arc<dyn Controller>, store: Arc<Store>, closing: CancellationToken) {
    let mut revisions = store.subscribe();
    let mut seen = store.revision();
    let mut pending: BTreeSet<Key> = controller.all().into_iter().collect();
    let mut later: BTreeMap<Key, Timestamp> = BTreeMap::new();
    while !closing.is_cancelled() {
        revisions.mark_unchanged();
        if let Ok(changes) = store.changes_since(seen) {
            seen = changes.last().map_or(seen, |change| change.revision);
            pending.extend(changes.iter().flat_map(|change| controller.concerns(change)));
        } else {
            seen = store.revision();
            pending.extend(controller.all());
        }
        let now = store.clock().now();
        pending.extend(later.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()));
        for key in std::mem::take(&mut pending) {
            match controller.reconcile(&key) {
                Some(at) => drop(later.insert(key, at)),
                None => drop(later.remove(&key)),
            }
            // Many objects may wait; the others who share the thread come in between.
            tokio::task::yield_now().await;
        }
        let next = later.values().min().copied();
        let in_time = async {
            match next {
                Some(at) => store.clock().sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            () = in_time => {}
            () = closing.cancelled() => return,
        }
    }
}
