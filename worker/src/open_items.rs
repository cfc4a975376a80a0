//! Which items of a run are open, and what was tried at them. What is settled stays settled, so a
//! shard whose items all are is never listed again.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context as _, Result};
use clients::{Bucket, ObjectError, Stored};
use contract::{ItemLine, RunId, layout};
use tokio::try_join;

use crate::protocol::History;

/// Runs of at most this many items are listed whole: one page, whatever is settled.
const SMALL: usize = 1000;

/// A run's items, as far as they are known to be open.
#[derive(Debug)]
pub(crate) struct OpenItems {
    run: RunId,
    lines: Vec<ItemLine>,
    /// The open items of each shard, by their place in the list.
    open: BTreeMap<String, Vec<usize>>,
}

/// An item with neither receipt nor failure.
pub(crate) struct OpenItem<'a> {
    pub(crate) line: &'a ItemLine,
    pub(crate) history: History,
}

impl OpenItems {
    /// All items of the run, none of which is known to be settled yet.
    pub(crate) async fn of(bucket: &Bucket, run: &RunId) -> Result<Self> {
        let name = layout::items(run);
        let (text, _) = bucket.read(&name).await?.with_context(|| format!("{name} is missing"))?;
        let lines = ItemLine::parse_all(&text).with_context(|| format!("{name} is broken"))?;
        Ok(Self::new(run.clone(), lines))
    }

    fn new(run: RunId, lines: Vec<ItemLine>) -> Self {
        let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, line) in lines.iter().enumerate() {
            open.entry(line.item.shard()).or_default().push(at);
        }
        Self { run, lines, open }
    }

    /// Looks again. The open items, in the order of the list, each with its attempts.
    pub(crate) async fn look(&mut self, bucket: &Bucket) -> Result<Vec<OpenItem<'_>>> {
        let (receipts, failures) = (layout::receipts(&self.run), layout::failures(&self.run));
        let (receipts, failures) = try_join!(self.list(bucket, &receipts), self.list(bucket, &failures))?;
        self.settle(receipts.into_iter().chain(failures));
        let attempts = self.list(bucket, &layout::attempts(&self.run)).await?;
        Ok(self.with(&attempts))
    }

    /// What lies below a prefix, of the shards that have open items.
    async fn list(&self, bucket: &Bucket, prefix: &str) -> Result<Vec<Stored>, ObjectError> {
        if self.lines.len() <= SMALL {
            return bucket.list(prefix).await;
        }
        let (shards, mut found) = (self.open.keys().map(|shard| format!("{prefix}{shard}/")), Vec::new());
        bucket.each_of(shards, |stored| found.push(stored)).await?;
        Ok(found)
    }

    /// Takes out the items that these receipts and failures settle.
    fn settle(&mut self, records: impl Iterator<Item = Stored>) {
        let settled: HashSet<String> = records.map(|record| record.name).collect();
        let (run, lines) = (&self.run, &self.lines);
        self.open.retain(|_, places| {
            places.retain(|at| {
                let item = &lines[*at].item;
                !settled.contains(&layout::receipt(run, item))
                    && !settled.contains(&layout::failure(run, item))
            });
            !places.is_empty()
        });
    }

    fn with(&self, attempts: &[Stored]) -> Vec<OpenItem<'_>> {
        let mut histories: HashMap<&str, History> = HashMap::new();
        for object in attempts {
            if let Some((folder, file)) = object.name.rsplit_once('/') {
                histories.entry(folder).or_default().add(file, object);
            }
        }
        let mut places: Vec<usize> = self.open.values().flatten().copied().collect();
        places.sort_unstable();
        let open = places.into_iter().map(|at| {
            let line = &self.lines[at];
            let folder = layout::attempts_of(&self.run, &line.item);
            let history = histories.remove(folder.trim_end_matches('/')).unwrap_or_default();
            OpenItem { line, history }
        });
        open.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Item;

    fn stored(name: String) -> Stored {
        let (crc32c, metadata) = (String::new(), clients::Metadata::new());
        Stored { name, generation: 1, size: 0, crc32c, metadata, created: 0 }
    }

    #[test]
    fn settled_items_and_their_shards_are_out_for_good() {
        let run = RunId("r".into());
        let keys: Vec<Item> = ["a", "b", "c"].map(|key| Item(key.into())).into();
        let lines = keys.iter().map(|item| ItemLine { item: item.clone(), payload: None }).collect();
        let mut items = OpenItems::new(run.clone(), lines);
        items.settle(
            [stored(layout::receipt(&run, &keys[0])), stored(layout::failure(&run, &keys[2]))].into_iter(),
        );
        assert_eq!(items.open.keys().collect::<Vec<_>>(), [&keys[1].shard()]);
        items.settle(std::iter::empty());

        let attempts = [1, 2].map(|number| stored(layout::attempt(&run, &keys[1], number)));
        let open = items.with(&attempts);
        let [only] = &open[..] else { panic!("one item is open") };
        assert_eq!((&only.line.item, only.history.latest().map(|(number, _)| number)), (&keys[1], Some(2)));
    }
}
