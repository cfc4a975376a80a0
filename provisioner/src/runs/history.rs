//! What became of one item: each try at it, how it ended, and the last that it printed, from the
//! records in the bucket. They outlive pods and nodes.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use contract::{Attempt, AttemptEnd, Failure, Item, Receipt, RunId, layout};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Serialize;

use super::store::Store;

/// Records read at the same time.
const PARALLEL: usize = 16;

/// Everything that is recorded of one item of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ItemHistory {
    pub run: RunId,
    pub item: Item,
    /// In order.
    pub attempts: Vec<Tried>,
    pub receipt: Option<Receipt>,
    pub failure: Option<Failure>,
}

/// One try at the item.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tried {
    #[serde(flatten)]
    pub attempt: Attempt,
    pub state: Ended,
    /// How it ended, unless with a receipt.
    pub end: Option<AttemptEnd>,
    /// Of one that is open: what its pod's log still tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PodLog>,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// With the item's receipt.
    Done,
    /// It counts against `attempts`.
    Failed,
    /// Cut short through no fault of the item.
    Yielded,
    /// Not at all: its worker is still at it, or was killed.
    Open,
}

/// What is left of what a pod printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PodLog {
    Lines(Vec<String>),
    /// Why there are none.
    Gone(String),
}

impl ItemHistory {
    /// Only the tries that count.
    pub(crate) fn retain(&mut self, counts: impl Fn(&Tried) -> bool) {
        self.attempts.retain(counts);
    }
}

impl Tried {
    /// When it was last heard of.
    pub(crate) fn last(&self) -> Timestamp {
        self.end.as_ref().map_or(self.attempt.started, |end| end.at)
    }
}

impl Store {
    /// What is recorded of an item; an error if the run has no such item.
    pub(crate) async fn history(&self, run: &RunId, item: &Item) -> Result<ItemHistory> {
        let prefix = layout::attempts_of(run, item);
        let (receipt, failure) = (layout::receipt(run, item), layout::failure(run, item));
        let (listed, receipt, failure) = futures::try_join!(
            self.bucket.list(&prefix),
            self.bucket.read_json::<Receipt>(&receipt),
            self.bucket.read_json::<Failure>(&failure),
        )?;
        let (receipt, failure) = (receipt.map(|(found, _)| found), failure.map(|(found, _)| found));
        let numbers: BTreeSet<u32> =
            listed.iter().filter_map(|stored| number(stored.name.strip_prefix(&prefix)?)).collect();
        if numbers.is_empty() && receipt.is_none() && failure.is_none() {
            let all = self.items(run).await?;
            if !all.iter().any(|line| line.item == *item) {
                bail!("run {run} has no item `{}`", item.0.escape_debug());
            }
        }
        let names: BTreeSet<&str> = listed.iter().map(|stored| stored.name.as_str()).collect();
        let read = |number| self.tried(run, item, number, &names, receipt.as_ref());
        let tried: Vec<Option<Tried>> =
            futures::stream::iter(numbers).map(read).buffered(PARALLEL).try_collect().await?;
        let attempts = tried.into_iter().flatten().collect();
        Ok(ItemHistory { run: run.clone(), item: item.clone(), attempts, receipt, failure })
    }

    async fn tried(
        &self,
        run: &RunId,
        item: &Item,
        number: u32,
        there: &BTreeSet<&str>,
        receipt: Option<&Receipt>,
    ) -> Result<Option<Tried>> {
        let name = layout::attempt(run, item, number);
        let Some((attempt, _)) = self.bucket.read_json::<Attempt>(&name).await? else { return Ok(None) };
        let ends = [
            (layout::attempt_failed(run, item, number), Ended::Failed),
            (layout::attempt_yielded(run, item, number), Ended::Yielded),
        ];
        let by_receipt = receipt.is_some_and(|receipt| receipt.execution == attempt.execution);
        let (mut state, mut end) = (if by_receipt { Ended::Done } else { Ended::Open }, None);
        for (name, ended) in ends {
            // A receipt wins.
            if !by_receipt && there.contains(name.as_str()) {
                state = ended;
                end = self.bucket.read_json::<AttemptEnd>(&name).await?.map(|(found, _)| found);
            }
        }
        Ok(Some(Tried { attempt, state, end, log: None }))
    }
}

/// The number of the attempt that a record is about, by its name.
fn number(file: &str) -> Option<u32> {
    layout::attempt_record(file).map(|(number, _)| number)
}
