//! What is still to be done of a run, and who works on it, told from its records and its pods. Pub/Sub
//! itself tells no such thing: its metrics are minutes late.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use clients::Bucket;
use contract::layout::AttemptRecord;
use contract::{RunId, WorkerProgress, layout};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use super::cluster::phase;
use super::status::RunStatus;
use super::store::{Store, Summary};
use super::tally::{SMALL, Tally};
use super::workers::is_running;

/// Items that wait or are worked on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Queue {
    /// Items with neither a receipt nor a failure.
    pub open: u64,
    /// Of these, in the hands of a worker that is there.
    pub in_flight: u64,
    /// Of these, tried in vain, and to be tried again.
    pub retrying: u64,
    /// Since when the oldest of them waits: its run's beginning.
    pub oldest: Option<Timestamp>,
}

/// A run that has not ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OpenRun {
    #[serde(flatten)]
    pub status: RunStatus,
    /// When its last receipt was written; none before the first.
    pub last_receipt: Option<Timestamp>,
    /// What of it is still to be done.
    pub queue: Queue,
    /// Workers that say that they run, and whose pod does.
    pub workers: usize,
    /// The pods of its Job.
    pub pods: Pods,
    /// Why nothing moves, if nothing has moved for a while, and what else is wrong with it.
    pub reasons: Vec<String>,
}

/// How many pods of a Job are in which phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pods {
    pub pending: usize,
    pub running: usize,
    pub succeeded: usize,
    pub failed: usize,
}

impl Queue {
    /// Both together.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            open: self.open + other.open,
            in_flight: self.in_flight + other.in_flight,
            retrying: self.retrying + other.retrying,
            oldest: self.oldest.into_iter().chain(other.oldest).min(),
        }
    }
}

impl Pods {
    fn count(pods: &[Pod]) -> Self {
        let of = |wanted: &str| pods.iter().filter(|pod| phase(pod) == wanted).count();
        Self {
            pending: of("Pending"),
            running: of("Running"),
            succeeded: of("Succeeded"),
            failed: of("Failed"),
        }
    }
}

impl Store {
    /// How a run stands that has not ended, with these pods of its Job. Why it does is not told here.
    pub(crate) async fn open_run(&self, summary: Summary, pods: &[Pod]) -> Result<OpenRun> {
        let run = summary.record.run.clone();
        let running = pods.iter().filter(|pod| phase(pod) == "Running");
        let alive: HashSet<String> = running.filter_map(|pod| pod.metadata.name.clone()).collect();
        let publishing = self.publishing(&summary).await?;
        let tally = self.tally(&run).await?;
        let mut workers: Vec<WorkerProgress> = self.all(&layout::workers(&run)).await?;
        workers.retain(|worker| is_running(worker, &alive));
        let in_flight = in_flight(&workers, &run, &tally);
        let tries = if tally.open_shards().next().is_some() {
            tries(&self.bucket, &run, summary.record.count, &tally).await?
        } else {
            Tries::default()
        };
        let status = summary.counted(&tally, publishing);
        let open = status.items.saturating_sub(status.done + status.failed);
        let queue = Queue {
            open,
            in_flight: in_flight.len() as u64,
            retrying: tries.retrying(&in_flight, &tally),
            oldest: (open > 0).then_some(status.created),
        };
        let (workers, pods) = (workers.len(), Pods::count(pods));
        Ok(OpenRun { status, last_receipt: tally.last_receipt(), queue, workers, pods, reasons: Vec::new() })
    }
}

/// An item by its shard and the name of its records.
type Named = (String, String);

/// What workers have in hand of a run. They speak every few seconds: what is settled since is not in it.
fn in_flight(workers: &[WorkerProgress], run: &RunId, tally: &Tally) -> HashSet<Named> {
    let items = workers.iter().flat_map(|worker| &worker.in_flight).filter(|held| held.run == *run);
    let named = items.map(|held| (held.item.shard(), held.item.record_name()));
    named.filter(|(shard, name)| tally.is_open(shard, name)).collect()
}

/// The last attempt at each item, and whether it is known to have failed.
#[derive(Default)]
struct Tries(BTreeMap<Named, (u32, bool)>);

impl Tries {
    /// Takes the record of an attempt for what its name says.
    fn learn(&mut self, object: &str) {
        let mut parts = object.rsplitn(4, '/');
        let (file, item, shard) = (parts.next(), parts.next(), parts.next());
        let (Some(file), Some(item), Some(shard)) = (file, item, shard) else { return };
        let Some((number, record)) = layout::attempt_record(file) else { return };
        let failed = record == AttemptRecord::Failed;
        let last = self.0.entry((shard.to_owned(), item.to_owned())).or_insert((number, failed));
        if number > last.0 {
            *last = (number, failed);
        } else if number == last.0 {
            last.1 |= failed;
        }
    }

    fn retrying(&self, in_flight: &HashSet<Named>, tally: &Tally) -> u64 {
        let waits = |(named, (_, failed)): &(&Named, &(u32, bool))| {
            *failed && !in_flight.contains(*named) && tally.is_open(&named.0, &named.1)
        };
        self.0.iter().filter(waits).count() as u64
    }
}

/// The attempts at what is open; of a large run only its open shards are listed.
async fn tries(bucket: &Bucket, run: &RunId, items: u64, tally: &Tally) -> Result<Tries> {
    let (attempts, mut tries) = (layout::attempts(run), Tries::default());
    if items <= SMALL {
        bucket.each(&attempts, |found| tries.learn(&found.name)).await?;
        return Ok(tries);
    }
    let prefixes: Vec<String> = tally.open_shards().map(|shard| format!("{attempts}{shard}/")).collect();
    bucket.each_of(prefixes, |found| tries.learn(&found.name)).await?;
    Ok(tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(names: &[&str]) -> Tries {
        let mut tries = Tries::default();
        for name in names {
            tries.learn(&format!("runs/r/attempts/{name}"));
        }
        tries
    }

    #[test]
    fn an_item_is_tried_again_if_its_last_attempt_failed() {
        let tries = tries(&[
            "aa/failed/0001.failed.json",
            "aa/failed/0001.json",
            "aa/again/0001.failed.json",
            "aa/again/0001.json",
            "aa/again/0002.json",
            "bb/given back/0001.json",
            "bb/given back/0001.yielded.json",
            "bb/strange/note.txt",
        ]);
        let failed: Vec<_> =
            tries.0.iter().filter(|(_, (_, failed))| *failed).map(|(named, _)| named.1.as_str()).collect();
        assert_eq!(failed, ["failed"]);
    }

    #[test]
    fn two_queues_are_as_old_as_the_older_one() {
        let at = |second| Timestamp::from_second(second).ok();
        let one = Queue { open: 2, in_flight: 1, retrying: 0, oldest: at(20) };
        let other = Queue { open: 3, in_flight: 0, retrying: 1, oldest: at(10) };
        assert_eq!(one.and(&other), Queue { open: 5, in_flight: 1, retrying: 1, oldest: at(10) });
    }
}
