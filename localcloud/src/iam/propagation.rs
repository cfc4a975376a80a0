//! Eventual consistency: how long a change of IAM takes until it counts. Readers of a policy see it
//! at once; only its effect lags, as it does with Google.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use crate::journal::{Journal, Tables};

const TABLE: &str = "iam.settling";

/// How long what is new takes until it counts; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Propagation {
    /// Until a new service account can be read, and named in a policy.
    pub accounts: Duration,
    /// Until a policy's change has effect: grants and revocations alike.
    pub grants: Duration,
}

/// Changes of policies that do not count yet.
pub(super) struct Settling {
    journal: Journal,
    /// By the etag of the policy that is to come: etags are never given twice.
    changes: Mutex<BTreeMap<String, Change>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Change {
    /// From when on the new policy counts.
    from: Timestamp,
    /// What counts until then.
    before: Policy,
}

impl Settling {
    pub(super) fn open(journal: &Journal, tables: &mut Tables) -> io::Result<Self> {
        Ok(Self { journal: journal.clone(), changes: Mutex::new(tables.take(TABLE)?) })
    }

    /// A policy has taken the place of `before`, and counts from an instant on.
    pub(super) fn replaced(
        &self,
        before: &Policy,
        etag: &str,
        from: Timestamp,
        now: Timestamp,
    ) -> io::Result<()> {
        let mut changes = self.changes();
        let settled: Vec<String> =
            changes.iter().filter(|(_, change)| change.from <= now).map(|(etag, _)| etag.clone()).collect();
        for etag in settled {
            self.journal.delete(TABLE, &etag)?;
            changes.remove(&etag);
        }
        if from > now {
            let change = Change { from, before: before.clone() };
            self.journal.put(TABLE, etag, &change)?;
            changes.insert(etag.to_owned(), change);
        }
        Ok(())
    }

    /// The policy that counts now in place of one that is held.
    pub(super) fn in_effect(&self, held: &Policy, now: Timestamp) -> Policy {
        let changes = self.changes();
        let mut effective = held;
        while let Some(change) = changes.get(&effective.etag).filter(|change| change.from > now) {
            effective = &change.before;
        }
        effective.clone()
    }

    fn changes(&self) -> MutexGuard<'_, BTreeMap<String, Change>> {
        // Changes are single insertions and removals: a panic elsewhere leaves the map whole.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn policy(etag: &str) -> Policy {
        Policy { etag: etag.into(), ..Policy::default() }
    }

    #[test]
    fn of_changes_that_follow_one_another_each_counts_when_its_time_has_come() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, mut tables) = Journal::open(&folder.path().join("journal")).expect("a journal");
        let settling = Settling::open(&journal, &mut tables).expect("open");
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        settling.replaced(&policy("a"), "b", at(10), at(0)).expect("written");
        settling.replaced(&policy("b"), "c", at(15), at(5)).expect("written");
        let etags = |seconds| settling.in_effect(&policy("c"), at(seconds)).etag;
        assert_eq!([0, 9, 10, 14, 15].map(etags), ["a", "a", "b", "b", "c"]);

        drop(settling);
        drop(journal);
        let (journal, mut tables) = Journal::open(&folder.path().join("journal")).expect("a journal");
        let settling = Settling::open(&journal, &mut tables).expect("open");
        assert_eq!(settling.in_effect(&policy("c"), at(9)).etag, "a");
        settling.replaced(&policy("c"), "d", at(20), at(20)).expect("written");
        assert_eq!(settling.in_effect(&policy("d"), at(20)).etag, "d");
    }
}
