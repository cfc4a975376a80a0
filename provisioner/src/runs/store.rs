//! The records of runs in a bucket: which runs there are, and what is recorded of each. Reads them, and
//! draws no conclusions.

use anyhow::{Context as _, Result};
use clients::{Bucket, ObjectError};
use contract::{Cancelled, Closed, Failure, ItemLine, Receipt, RunId, RunRecord, layout};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Records read at the same time.
const PARALLEL: usize = 32;

/// The runs recorded in one bucket.
#[derive(Clone)]
pub(crate) struct Store {
    pub bucket: Bucket,
    /// Whose runs, by what the stack's names begin with: a bucket may be shared.
    pub stack: String,
}

/// One run, and how it ended if it did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    #[serde(flatten)]
    pub record: RunRecord,
    pub closed: Option<Closed>,
    /// Who cancelled it, while nobody has closed it yet.
    pub cancelled: Option<Cancelled>,
}

impl Summary {
    /// Whether its items are still to be worked on.
    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none() && self.cancelled.is_none()
    }
}

impl Store {
    /// All runs, oldest first. Of a bucket that is not there: none.
    pub(crate) async fn runs(&self) -> Result<Vec<Summary>> {
        let ids = self.ids().await?;
        let runs = futures::stream::iter(&ids).map(|id| self.run(id));
        let found: Vec<Option<Summary>> = runs.buffered(PARALLEL).try_collect().await?;
        let ours = found.into_iter().flatten().filter(|run| run.record.stack == self.stack);
        let mut found: Vec<Summary> = ours.collect();
        found.sort_by_key(|run| run.record.created);
        Ok(found)
    }

    /// The folders of runs that have no record: not recorded yet, or not removed whole.
    pub(super) async fn without_record(&self) -> Result<Vec<RunId>> {
        let mut found = Vec::new();
        for id in self.ids().await? {
            if self.bucket.stat(&layout::run(&id)).await?.is_none() {
                found.push(id);
            }
        }
        Ok(found)
    }

    async fn ids(&self) -> Result<Vec<RunId>> {
        let folders = match self.bucket.folders(layout::RUNS).await {
            Err(error) if error.is_not_found() => Vec::new(),
            folders => folders?,
        };
        let ids = folders.into_iter().filter_map(|folder| {
            let id = RunId(folder.strip_prefix(layout::RUNS)?.trim_end_matches('/').to_owned());
            id.is_valid().then_some(id)
        });
        Ok(ids.collect())
    }

    /// Whether a run is recorded; an error that says "not found" if the bucket itself is not there.
    pub(crate) async fn has_record(&self, id: &RunId) -> Result<bool, ObjectError> {
        let name = layout::run(id);
        let mut is_there = false;
        self.bucket.each(&name, |listed| is_there |= listed.name == name).await?;
        Ok(is_there)
    }

    /// One run, or none if it was never recorded whole.
    pub(crate) async fn run(&self, id: &RunId) -> Result<Option<Summary>> {
        let Some((record, _)) = self.bucket.read_json(&layout::run(id)).await? else { return Ok(None) };
        let closed = self.bucket.read_json(&layout::closed(id)).await?.map(|(closed, _)| closed);
        let cancelled = match &closed {
            Some(_) => None,
            None => self.bucket.read_json(&layout::cancelled(id)).await?.map(|(cancelled, _)| cancelled),
        };
        Ok(Some(Summary { record, closed, cancelled }))
    }

    /// The runs that have neither ended nor been cancelled.
    pub(crate) async fn open(&self) -> Result<Vec<RunRecord>> {
        let runs = self.runs().await?;
        Ok(runs.into_iter().filter(Summary::is_open).map(|run| run.record).collect())
    }

    /// The items that a run recorded, in the order given.
    pub(super) async fn items(&self, run: &RunId) -> Result<Vec<ItemLine>> {
        let name = layout::items(run);
        let read = self.bucket.read(&name).await?;
        let (text, _) = read.with_context(|| format!("the items of {run} are gone"))?;
        ItemLine::parse_all(&text).with_context(|| format!("{name} is broken"))
    }

    /// Every failure of a run, in the order of their names.
    pub(crate) async fn failures(&self, run: &RunId) -> Result<Vec<Failure>> {
        self.all(&layout::failures(run)).await
    }

    /// Every receipt of a run, in the order of their names.
    pub(crate) async fn receipts(&self, run: &RunId) -> Result<Vec<Receipt>> {
        self.all(&layout::receipts(run)).await
    }

    /// The first failures of a run, in the order of their names.
    pub(super) async fn first_failures(&self, run: &RunId, most: usize) -> Result<Vec<Failure>> {
        let names = self.bucket.list(&layout::failures(run)).await?;
        self.read(names.into_iter().map(|stored| stored.name).take(most)).await
    }

    /// Every JSON object below a prefix.
    pub(super) async fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>> {
        self.read(self.bucket.list(prefix).await?.into_iter().map(|stored| stored.name)).await
    }

    /// The JSON objects of these names, but for those that are gone.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        names: impl Iterator<Item = String>,
    ) -> Result<Vec<T>> {
        let read = |name: String| async move { self.bucket.read_json::<T>(&name).await };
        let found: Result<Vec<_>, ObjectError> =
            futures::stream::iter(names).map(read).buffered(PARALLEL).try_collect().await;
        Ok(found?.into_iter().flatten().map(|(value, _)| value).collect())
    }
}
