//! What a run came to: how fast it went, what was wasted, what it cost. Told from its records alone,
//! of a run that is open as of one that has ended.

mod cost;
mod crew;
mod gather;
mod record;
mod timeline;
mod tries;

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use contract::{Closed, Failure, Item, Outcome, RunId, RunRecord, WorkerProgress, layout};
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::cost::Cost;
use self::crew::Crew;
use self::timeline::Timeline;
use self::tries::{Settled, Spent, Tries};
use super::store::{Store, Summary};
use crate::prices::count;

/// Failures that are told in full.
const FAILURES: usize = 20;
/// Items that are named for having taken longest.
const SLOWEST: usize = 5;
/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account {
    pub run: RunId,
    pub job: String,
    pub by: String,
    pub retry_of: Option<RunId>,
    pub created: Timestamp,
    /// Its end, or the moment at which it was looked at.
    pub until: Timestamp,
    /// How it ended; none while it is open.
    pub outcome: Option<Outcome>,
    pub reason: Option<String>,
    pub seconds: f64,
    pub items: u64,
    pub done: u64,
    pub failed: u64,
    pub items_per_second: f64,
    pub rejected: Rejected,
    pub attempts: Attempts,
    /// Nodes that were taken away under a worker.
    pub preemptions: u64,
    /// Time of attempts that ended without a receipt.
    pub wasted_item_seconds: f64,
    /// From the end or death of attempts to the beginning of the next.
    pub redelivery_seconds: f64,
    /// Time in which an index that was to be replaced had no pod.
    pub backoff_seconds: f64,
    pub took: Took,
    pub nodes: Nodes,
    pub cost: Cost,
    pub timeline: Timeline,
    /// The first few.
    pub failures: Vec<Failure>,
}

/// Rows that did not fit their schema, and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rejected {
    pub rows: u64,
    /// Items that lost any.
    pub items: u64,
}

impl Rejected {
    fn add(&mut self, rows: u64) {
        self.rows += rows;
        self.items += u64::from(rows > 0);
    }
}

/// The attempts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Attempts {
    pub made: u64,
    /// Those that were not an item's first.
    pub retries: u64,
    pub failed: u64,
    /// Given back because their worker was asked to stop, or lost its lease.
    pub yielded: u64,
    /// That ended without a word.
    pub vanished: u64,
    pub in_flight: u64,
}

/// How long the attempts took that made outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Took {
    /// All of them together.
    pub item_seconds: f64,
    pub median_seconds: f64,
    pub longest_seconds: f64,
    /// The items that took longest.
    pub slowest: Vec<(Item, f64)>,
}

/// The nodes of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Nodes {
    /// Different nodes that held a worker.
    pub seen: u64,
    /// Time for which they did, each from the first to the last sign of a worker. What a node takes to
    /// start and to be taken away again is not in it.
    pub seconds: f64,
    /// The least that the work could have taken: the time of attempts that made outputs, divided by
    /// the items that a node works on at once.
    pub least_seconds: Option<f64>,
}

impl Store {
    /// What a run came to.
    pub(crate) async fn account(&self, summary: Summary, now: Timestamp) -> Result<Account> {
        let Summary { record, closed, .. } = summary;
        let workers: Vec<WorkerProgress> = self.all(&layout::workers(&record.run)).await?;
        let mut sums = Sums::of(&record, closed.as_ref(), &workers, now);
        gather::items(&self.bucket, &record.run, record.count, |item, tries| sums.add(item, tries)).await?;
        let failures = self.first_failures(&record.run, FAILURES).await?;
        let slowest = self.keys(&record.run, &sums.slowest).await?;
        Ok(sums.account(record, closed, slowest, failures))
    }

    /// The rows that items of a run lost, told by one listing of its receipts.
    pub(crate) async fn rejected(&self, run: &RunId) -> Result<Rejected> {
        let mut rejected = Rejected::default();
        let see = |listed| rejected.add(record::rows_rejected(&listed));
        self.bucket.each(&layout::receipts(run), see).await?;
        Ok(rejected)
    }

    /// The items of some record names, each with the milliseconds that it took. The list of all items is
    /// read only where a name is too short to tell.
    async fn keys(&self, run: &RunId, spelled: &[(String, u32)]) -> Result<Vec<(Item, u32)>> {
        let told = |(name, ms): &(String, u32)| Some((Item::of_record_name(name)?, *ms));
        if let Some(all) = spelled.iter().map(told).collect() {
            return Ok(all);
        }
        let mut keys: HashMap<&str, Item> = HashMap::new();
        let names: HashSet<&str> = spelled.iter().map(|(name, _)| name.as_str()).collect();
        for line in self.items(run).await? {
            if let Some(name) = names.get(line.item.record_name().as_str()) {
                keys.insert(name, line.item);
            }
        }
        let found = |(name, ms): &(String, u32)| Some((keys.remove(name.as_str())?, *ms));
        Ok(spelled.iter().filter_map(found).collect())
    }
}

/// What adds up while items are read.
struct Sums {
    is_open: bool,
    until: Timestamp,
    crew: Crew,
    spent: Spent,
    retries: u64,
    done: u64,
    failed: u64,
    rejected: Rejected,
    /// Milliseconds that each item took that is done.
    took: Vec<u32>,
    slowest: Vec<(String, u32)>,
    timeline: Timeline,
}

impl Sums {
    fn of(record: &RunRecord, closed: Option<&Closed>, workers: &[WorkerProgress], now: Timestamp) -> Self {
        let until = closed.map_or(now, |closed| closed.at);
        let crew = Crew::of(workers, closed.is_none(), until.as_millisecond());
        Self {
            is_open: closed.is_none(),
            until,
            crew,
            spent: Spent::default(),
            retries: 0,
            done: 0,
            failed: 0,
            rejected: Rejected::default(),
            took: Vec::new(),
            slowest: Vec::new(),
            timeline: Timeline::between(record.created.as_millisecond(), until.as_millisecond()),
        }
    }

    fn add(&mut self, item: &str, tries: &Tries) {
        let spent = tries.spent(&self.crew.heard, self.is_open, self.until.as_millisecond());
        let sum = &mut self.spent;
        sum.attempts += spent.attempts;
        sum.failed += spent.failed;
        sum.yielded += spent.yielded;
        sum.vanished += spent.vanished;
        sum.in_flight += spent.in_flight;
        sum.busy_ms += spent.busy_ms;
        sum.wasted_ms += spent.wasted_ms;
        sum.redelivery_ms += spent.redelivery_ms;
        self.retries += spent.attempts.saturating_sub(1);
        self.rejected.add(tries.rows_rejected());
        let Some((settled, at)) = tries.settled() else { return };
        self.timeline.settle(settled, at);
        match settled {
            Settled::Failed => self.failed += 1,
            Settled::Done => {
                self.done += 1;
                self.took(item, u32::try_from(spent.busy_ms).unwrap_or(u32::MAX));
            }
        }
    }

    fn took(&mut self, item: &str, ms: u32) {
        self.took.push(ms);
        let at = self.slowest.partition_point(|(_, slower)| *slower >= ms);
        if at < SLOWEST {
            self.slowest.insert(at, (item.to_owned(), ms));
            self.slowest.truncate(SLOWEST);
        }
    }

    fn account(
        mut self,
        record: RunRecord,
        closed: Option<Closed>,
        slowest: Vec<(Item, u32)>,
        failures: Vec<Failure>,
    ) -> Account {
        self.timeline.finish(&self.crew);
        let seconds = self.until.duration_since(record.created).as_secs_f64().max(0.0);
        let Spent { attempts, failed, yielded, vanished, in_flight, .. } = self.spent;
        let nodes = Nodes {
            seen: self.crew.nodes.len() as u64,
            seconds: in_seconds(self.crew.node_ms()),
            least_seconds: at_once(&record).map(|slots| in_seconds(self.spent.busy_ms) / slots),
        };
        let preempted = self.crew.preempted.len() as u64;
        Account {
            items_per_second: if seconds > 0.0 { count(self.done) / seconds } else { 0.0 },
            attempts: Attempts {
                made: attempts,
                retries: self.retries,
                failed,
                yielded,
                vanished,
                in_flight,
            },
            preemptions: closed.as_ref().map_or(preempted, |closed| closed.preemptions),
            wasted_item_seconds: in_seconds(self.spent.wasted_ms),
            redelivery_seconds: in_seconds(self.spent.redelivery_ms),
            backoff_seconds: in_seconds(self.crew.backoff_ms),
            took: self.times(slowest),
            cost: Cost::of(record.fleet, nodes.seconds, attempts, self.done),
            nodes,
            run: record.run,
            job: record.job,
            by: record.by,
            retry_of: record.retry_of,
            created: record.created,
            until: self.until,
            outcome: closed.as_ref().map(|closed| closed.outcome),
            reason: closed.and_then(|closed| closed.reason),
            seconds,
            items: record.count,
            done: self.done,
            failed: self.failed,
            rejected: self.rejected,
            timeline: self.timeline,
            failures,
        }
    }

    fn times(&mut self, slowest: Vec<(Item, u32)>) -> Took {
        self.took.sort_unstable();
        let at = |at: usize| self.took.get(at).map_or(0.0, |ms| f64::from(*ms) / 1000.0);
        let slowest = slowest.into_iter().map(|(item, ms)| (item, f64::from(ms) / 1000.0));
        Took {
            item_seconds: in_seconds(self.spent.busy_ms),
            median_seconds: at(self.took.len() / 2),
            longest_seconds: at(self.took.len().saturating_sub(1)),
            slowest: slowest.collect(),
        }
    }
}

/// Items that one node works on at the same time, where the record tells.
fn at_once(record: &RunRecord) -> Option<f64> {
    let fleet = record.fleet.as_ref()?;
    let workers = record.workers.div_ceil(fleet.nodes.max(1)).max(1);
    Some(f64::from(workers) * f64::from(fleet.concurrency.max(1)))
}

fn in_seconds(ms: i64) -> f64 {
    count(ms.max(0).unsigned_abs()) / 1000.0
}

#[cfg(test)]
pub(crate) mod tests;
