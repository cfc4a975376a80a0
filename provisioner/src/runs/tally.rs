//! How many of a run's items are done and failed, told from its receipts and failures. A shard that
//! is complete is never listed again.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use clients::{Bucket, Listed};
use contract::{Outcome, RunId, layout};

use super::store::Store;

/// Objects of one page of a listing.
const PAGE: usize = 1000;
/// Runs of at most this many items are small: their receipts are one page, and are listed whole.
pub(super) const SMALL: u64 = PAGE as u64;

/// The count of one run.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    run: RunId,
    items: usize,
    open: BTreeMap<String, Shard>,
    closed: (usize, usize),
    moved: i64,
}

/// The items whose hash begins with the same two digits.
#[derive(Clone, Debug, Default)]
struct Shard {
    items: usize,
    done: HashSet<String>,
    failed: HashSet<String>,
}

impl Shard {
    fn done(&mut self) -> &mut HashSet<String> {
        &mut self.done
    }

    fn failed(&mut self) -> &mut HashSet<String> {
        &mut self.failed
    }

    fn counts(&self) -> (usize, usize) {
        // A receipt wins.
        (self.done.len(), self.failed.difference(&self.done).count())
    }

    fn is_complete(&self) -> bool {
        let (done, failed) = self.counts();
        done + failed >= self.items
    }
}

impl Tally {
    /// A count of nothing yet, for the items that the run recorded.
    pub(crate) async fn of(store: &Store, run: &RunId) -> Result<Self> {
        let items = store.items(run).await?;
        let mut open: BTreeMap<String, Shard> = BTreeMap::new();
        for line in &items {
            open.entry(line.item.shard()).or_default().items += 1;
        }
        Ok(Self { run: run.clone(), items: items.len(), open, closed: (0, 0), moved: 0 })
    }

    /// Items with a receipt.
    pub(crate) fn done(&self) -> usize {
        self.closed.0 + self.open.values().map(|shard| shard.counts().0).sum::<usize>()
    }

    /// Items with a failure and no receipt.
    pub(crate) fn failed(&self) -> usize {
        self.closed.1 + self.open.values().map(|shard| shard.counts().1).sum::<usize>()
    }

    /// How the run ended, if every item has one or the other.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let failed = self.failed();
        let ended = if failed == 0 { Outcome::Done } else { Outcome::Failed };
        (self.done() + failed >= self.items).then_some(ended)
    }

    /// When the last of them was written, in seconds since 1970 by the server's clock; 0 before the first.
    pub(crate) fn moved(&self) -> i64 {
        self.moved
    }

    /// Looks again: at the shards that are open, or at all of them together where that is fewer pages.
    pub(crate) async fn refresh(&mut self, bucket: &Bucket) -> Result<()> {
        let (receipts, failures) = (layout::receipts(&self.run), layout::failures(&self.run));
        if self.open.len() > self.items.div_ceil(PAGE) {
            bucket
                .each(&receipts, |found| self.learn(&found.name, found.created_ms / 1000, Shard::done))
                .await?;
        } else {
            let shards: Vec<String> = self.open.keys().map(|shard| format!("{receipts}{shard}/")).collect();
            bucket.each_of(shards, |found| self.learn(&found.name, found.created, Shard::done)).await?;
        }
        // Failures are few.
        if !self.open.is_empty() {
            let see = |found: Listed| self.learn(&found.name, found.created_ms / 1000, Shard::failed);
            bucket.each(&failures, see).await?;
        }
        self.close_shards();
        Ok(())
    }

    /// Takes in a record that was stored at that second.
    fn learn(&mut self, record: &str, stored: i64, of: fn(&mut Shard) -> &mut HashSet<String>) {
        self.moved = self.moved.max(stored);
        let (shard, name) = place(record);
        if let Some(shard) = self.open.get_mut(shard)
            && !of(shard).contains(name)
        {
            of(shard).insert(name.to_owned());
        }
    }

    fn close_shards(&mut self) {
        for shard in self.open.values().filter(|shard| shard.is_complete() && shard.failed.is_empty()) {
            self.closed.0 += shard.counts().0;
        }
        // A failure may yet be outdone by a receipt: such a shard stays open while the run does.
        self.open.retain(|_, shard| !shard.is_complete() || !shard.failed.is_empty());
    }
}

/// `runs/<run>/receipts/<hh>/<item>.json` in its shard and item.
fn place(name: &str) -> (&str, &str) {
    let mut parts = name.rsplitn(3, '/');
    let item = parts.next().unwrap_or_default();
    (parts.next().unwrap_or_default(), item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(tally: &mut Tally, names: &[&str]) {
        for name in names {
            let of = if name.contains("/receipts/") { Shard::done } else { Shard::failed };
            tally.learn(name, 0, of);
        }
    }

    fn tally() -> Tally {
        let shard = |items| Shard { items, ..Shard::default() };
        let open = BTreeMap::from([("aa".to_owned(), shard(2)), ("bb".to_owned(), shard(1))]);
        Tally { run: RunId("r".into()), items: 3, open, closed: (0, 0), moved: 0 }
    }

    #[test]
    fn a_receipt_outdoes_a_failure() {
        let mut tally = tally();
        learn(&mut tally, &["runs/r/receipts/bb/x.json", "runs/r/failures/bb/x.json"]);
        assert_eq!((tally.done(), tally.failed()), (1, 0));
    }

    #[test]
    fn a_complete_shard_is_never_listed_again_and_still_counts() {
        let mut tally = tally();
        learn(&mut tally, &["runs/r/receipts/bb/x.json"]);
        tally.close_shards();
        assert_eq!(tally.open.keys().collect::<Vec<_>>(), ["aa"]);
        assert_eq!((tally.done(), tally.outcome()), (1, None));
        learn(&mut tally, &["runs/r/receipts/aa/y.json", "runs/r/receipts/aa/z.json"]);
        assert_eq!(tally.outcome(), Some(Outcome::Done));
    }
}
