//! Follows a run to its end, and closes it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clients::{Bucket, Metadata};
use contract::{Closed, Outcome, RunId, RunRecord, WorkerProgress, WorkerState, layout};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::open::Store;
use super::tally::Tally;
use super::why::{self, Cluster, why_nothing_moves};

/// How often a run is looked at; a long one, whose listings are long, less often.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_AT_LARGE: Duration = Duration::from_secs(5);
const LARGE: u64 = 1000;
/// How often the Job itself is looked at.
const LOOK_AT_JOB: Duration = Duration::from_secs(2);
/// Without a change for this long, the reason is looked for.
const STILL: Duration = Duration::from_secs(30);
/// Without a change for this long, it is heard what workers complain of.
const QUIET: Duration = Duration::from_secs(4);

/// How a run goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    /// So many items are done and failed.
    Items { done: usize, failed: usize, total: u64, workers: usize },
    /// Nothing has moved for so long, for these reasons.
    Still { since: Duration, reasons: Vec<String> },
}

/// How watching ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The run is closed.
    Closed(Closed),
    /// Somebody stopped watching; the run goes on.
    Detached,
}

/// Follows a run until every item has a receipt or a failure, its Job fails, or its time is up.
pub(crate) async fn watch(
    store: &Store,
    cluster: &Cluster,
    record: &RunRecord,
    stop: &CancellationToken,
    tell: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Ended> {
    let bucket = &store.bucket;
    let mut tally = Tally::of(bucket, &record.run).await?;
    let mut workers = Workers::default();
    let (mut moved, mut last, mut job_seen, mut told_still) = (Instant::now(), None, Instant::now(), false);
    let mut complaints = Complaints::since(Timestamp::now());
    let pause = if record.count > LARGE { LOOK_AT_LARGE } else { LOOK };
    loop {
        tally.refresh(bucket).await?;
        workers.refresh(bucket, cluster, &record.run).await?;
        let now = (tally.done(), tally.failed(), workers.running());
        if last != Some(now) {
            if last.is_none_or(|(done, failed, _)| (done, failed) != (now.0, now.1)) {
                complaints = Complaints::since(Timestamp::now());
            }
            (last, moved, told_still) = (Some(now), Instant::now(), false);
            tell(Progress::Items { done: now.0, failed: now.1, total: record.count, workers: now.2 });
        }
        let early = match tally.is_complete() {
            true => None,
            false => early_end(bucket, record, cluster, &mut job_seen).await?,
        };
        if early.is_some() {
            // The last receipts may have come since: a receipt wins.
            tally.refresh(bucket).await?;
        }
        let ended = match (tally.is_complete(), tally.failed()) {
            (true, 0) => Some((Outcome::Done, None)),
            (true, _) => Some((Outcome::Failed, None)),
            (false, _) => early,
        };
        if let Some((outcome, reason)) = ended {
            let preemptions = workers.nodes_lost(cluster).await?;
            let reason = reason.map(|reason| complaints.added_to(reason));
            let closed = close(bucket, record, &tally, outcome, preemptions, reason).await?;
            return Ok(Ended::Closed(closed));
        }
        if moved.elapsed() > QUIET && complaints.are_new(cluster, &record.run).await? {
            tell(Progress::Still { since: moved.elapsed(), reasons: complaints.heard.clone() });
        }
        if moved.elapsed() > STILL && !told_still {
            told_still = true;
            let mut reasons = complaints.heard.clone();
            reasons.extend(why_nothing_moves(cluster, &record.run).await?);
            reasons.extend(workers.longest());
            tell(Progress::Still { since: moved.elapsed(), reasons });
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Ok(Ended::Detached),
        }
    }
}

/// What workers complain of while nothing moves.
struct Complaints {
    /// Older ones are not what keeps the run.
    since: Timestamp,
    heard: Vec<String>,
    asked: Option<Instant>,
}

impl Complaints {
    fn since(since: Timestamp) -> Self {
        Self { since, heard: Vec::new(), asked: None }
    }

    /// Listens, now and then; whether there is something that was not heard before.
    async fn are_new(&mut self, cluster: &Cluster, run: &RunId) -> Result<bool> {
        if self.asked.is_some_and(|asked| asked.elapsed() < LOOK_AT_JOB) {
            return Ok(false);
        }
        self.asked = Some(Instant::now());
        let heard = why::complaints(cluster, run, self.since).await?;
        let is_new = heard.iter().any(|complaint| !self.heard.contains(complaint));
        // A pod that is gone may have been the one that complained.
        if !heard.is_empty() {
            self.heard = heard;
        }
        Ok(is_new)
    }

    /// The reason of an end, with what was heard last.
    fn added_to(&self, reason: String) -> String {
        std::iter::once(reason).chain(self.heard.iter().cloned()).collect::<Vec<_>>().join("\n")
    }
}

/// An end that does not come of the items: cancelled, out of time, or a Job that gave up.
async fn early_end(
    bucket: &Bucket,
    record: &RunRecord,
    cluster: &Cluster,
    seen: &mut Instant,
) -> Result<Option<(Outcome, Option<String>)>> {
    let age = Timestamp::now().duration_since(record.created);
    if age.as_secs() > i64::try_from(record.max_run_time_seconds).unwrap_or(i64::MAX) {
        let reason = format!("max_run_time ({} s) is over", record.max_run_time_seconds);
        return Ok(Some((Outcome::TimedOut, Some(reason))));
    }
    if seen.elapsed() < LOOK_AT_JOB {
        return Ok(None);
    }
    *seen = Instant::now();
    if bucket.stat(&layout::cancelled(&record.run)).await?.is_some() {
        return Ok(Some((Outcome::Cancelled, None)));
    }
    Ok(cluster.job_ended(&record.run).await?.map(|reason| (Outcome::Stalled, Some(reason))))
}

async fn close(
    bucket: &Bucket,
    record: &RunRecord,
    tally: &Tally,
    outcome: Outcome,
    preemptions: usize,
    reason: Option<String>,
) -> Result<Closed> {
    let now = Timestamp::now();
    let closed = Closed {
        outcome,
        at: now,
        done: tally.done() as u64,
        failed: tally.failed() as u64,
        seconds: now.duration_since(record.created).as_secs_f64(),
        preemptions: preemptions as u64,
        reason,
    };
    bucket.create_json(&layout::closed(&record.run), &closed, Metadata::new()).await?;
    // Another watcher may have closed it first: there is one truth.
    let truth = bucket.read_json(&layout::closed(&record.run)).await?;
    truth.map(|(closed, _)| closed).context("the end of the run was written and is not there")
}

/// What the run's workers last said of themselves.
#[derive(Default)]
struct Workers {
    generations: HashMap<String, i64>,
    said: BTreeMap<String, WorkerProgress>,
    alive: HashSet<String>,
    seen: Option<Instant>,
}

impl Workers {
    async fn refresh(&mut self, bucket: &Bucket, cluster: &Cluster, run: &RunId) -> Result<()> {
        if self.seen.is_none_or(|seen| seen.elapsed() > LOOK_AT_JOB) {
            (self.alive, self.seen) = (cluster.alive(run).await?, Some(Instant::now()));
        }
        for stored in bucket.list(&layout::workers(run)).await? {
            if self.generations.get(&stored.name) == Some(&stored.generation) {
                continue;
            }
            if let Some((progress, generation)) = bucket.read_json(&stored.name).await? {
                self.said.insert(stored.name.clone(), progress);
                self.generations.insert(stored.name, generation);
            }
        }
        Ok(())
    }

    /// Those that say that they run, and whose pod does.
    fn alive(&self) -> impl Iterator<Item = &WorkerProgress> {
        let runs = |worker: &&WorkerProgress| {
            worker.state == WorkerState::Running && self.alive.contains(&worker.pod)
        };
        self.said.values().filter(runs)
    }

    fn running(&self) -> usize {
        self.alive().count()
    }

    /// What is being worked on, for people who wait.
    fn longest(&self) -> Option<String> {
        let items = || self.alive().flat_map(|worker| &worker.in_flight);
        let longest = items().min_by_key(|item| item.since)?;
        let seconds = Timestamp::now().duration_since(longest.since).as_secs();
        let stage = format!("{:?}", longest.stage).to_lowercase();
        let item = longest.item.0.escape_debug();
        Some(format!("{} in work; the longest is {item}, {stage}, for {seconds} s", items().count()))
    }

    /// Nodes that went away under a worker: it did not leave by itself, and its node is not there
    /// any more.
    async fn nodes_lost(&self, cluster: &Cluster) -> Result<usize> {
        let there: HashSet<String> = cluster.nodes().await?.into_iter().collect();
        let cut_off = self.said.values().filter(|worker| worker.state != WorkerState::Finished);
        let nodes: HashSet<&str> = cut_off.map(|worker| worker.node.as_str()).collect();
        Ok(nodes.into_iter().filter(|node| !there.contains(*node)).count())
    }
}
