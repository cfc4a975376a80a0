//! Reads a run's records shard by shard, so that however many items there are, those of one shard at
//! a time are held. Attempts, receipts and failures are listed and not read: a listing tells when
//! each was written, and by whom.

use std::collections::BTreeMap;

use anyhow::Result;
use clients::Bucket;
use contract::{RunId, layout};
use futures::{StreamExt as _, TryStreamExt as _};

use super::record::{self, Record};
use super::tries::Tries;
use crate::runs::tally::SMALL;

/// Shards listed at the same time.
const PARALLEL: usize = 16;

/// Calls `take` with what became of each item, by its name in the records.
pub(super) async fn items(
    bucket: &Bucket,
    run: &RunId,
    count: u64,
    mut take: impl FnMut(&str, &Tries),
) -> Result<()> {
    let shards: Vec<String> = match count <= SMALL {
        true => vec![String::new()],
        false => (0..=255).map(|shard| format!("{shard:02x}/")).collect(),
    };
    let listings = shards.iter().map(|shard| of_shard(bucket, run, shard));
    let mut listings = futures::stream::iter(listings).buffer_unordered(PARALLEL);
    while let Some(items) = listings.try_next().await? {
        for (item, tries) in &items {
            take(item, tries);
        }
    }
    Ok(())
}

async fn of_shard(bucket: &Bucket, run: &RunId, shard: &str) -> Result<BTreeMap<String, Tries>> {
    let mut items: BTreeMap<String, Tries> = BTreeMap::new();
    for (prefix, outcome) in [(layout::receipts(run), Record::Done), (layout::failures(run), Record::Failed)]
    {
        let see = |listed: clients::Listed| {
            if let Some(item) = record::outcome(&listed.name) {
                let tries = items.entry(item.to_owned()).or_default();
                tries.add(outcome.clone(), listed.created_ms);
                tries.reject(record::rows_rejected(&listed));
            }
        };
        bucket.each(&format!("{prefix}{shard}"), see).await?;
    }
    let see = |listed: clients::Listed| {
        if let Some((item, record)) = record::attempt(&listed) {
            items.entry(item.to_owned()).or_default().add(record, listed.created_ms);
        }
    };
    bucket.each(&format!("{}{shard}", layout::attempts(run)), see).await?;
    Ok(items)
}
