//! The records of runs in a bucket: which there are, and how they stand.

use anyhow::{Context as _, Result};
use clients::Bucket;
use contract::{Closed, RunId, RunRecord, layout};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

/// Records read at the same time.
const PARALLEL: usize = 16;

/// The runs recorded in one bucket.
#[derive(Clone)]
pub(crate) struct Store {
    pub bucket: Bucket,
}

/// One run and how it ended, if it did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    #[serde(flatten)]
    pub record: RunRecord,
    pub closed: Option<Closed>,
}

impl Store {
    /// All runs, oldest first. Of a bucket that is not there: none.
    pub(crate) async fn runs(&self) -> Result<Vec<Summary>> {
        let folders = match self.bucket.folders(layout::RUNS).await {
            Err(error) if error.is_not_found() => Vec::new(),
            folders => folders?,
        };
        let ids = folders.into_iter().filter_map(|folder| {
            let id = RunId(folder.strip_prefix(layout::RUNS)?.trim_end_matches('/').to_owned());
            id.is_valid().then_some(id)
        });
        let runs = futures::stream::iter(ids).map(|id| async move { self.run(&id).await });
        let found: Vec<Option<Summary>> = runs.buffered(PARALLEL).try_collect().await?;
        let mut found: Vec<Summary> = found.into_iter().flatten().collect();
        found.sort_by_key(|run| run.record.created);
        Ok(found)
    }

    /// One run, or none if it was never recorded whole.
    pub(crate) async fn run(&self, id: &RunId) -> Result<Option<Summary>> {
        let Some((record, _)) = self.bucket.read_json(&layout::run(id)).await? else { return Ok(None) };
        let closed = self.bucket.read_json(&layout::closed(id)).await?.map(|(closed, _)| closed);
        Ok(Some(Summary { record, closed }))
    }

    /// The runs that have not ended.
    pub(crate) async fn open(&self) -> Result<Vec<RunRecord>> {
        let runs = self.runs().await?;
        Ok(runs.into_iter().filter(|run| run.closed.is_none()).map(|run| run.record).collect())
    }

    /// The run of that name, or the newest.
    pub(crate) async fn named_or_newest(&self, name: Option<&str>) -> Result<Summary> {
        match name {
            Some(name) => {
                let id = RunId(name.to_owned());
                let found = if id.is_valid() { self.run(&id).await? } else { None };
                found.with_context(|| format!("no run `{name}`: `provision runs list` shows them"))
            }
            None => {
                self.runs().await?.pop().context("no run yet: start one with `provision run --items FILE`")
            }
        }
    }
}
