//! Keeps what is worth something from being taken away unasked: what open runs stand on, messages that
//! nobody has read, workers of others.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Result, anyhow, bail};
use contract::RunId;
use jiff::Timestamp;

use super::session::Session;
use crate::change::Change;
use crate::cloud::{Count, errors};
use crate::diff::PRUNED;
use crate::full_name;
use crate::kinds;
use crate::plan::{Allowed, Plan, Refused};
use crate::preflight::backlog;
use crate::report;
use crate::runs::{Cluster, Sifted, Store, Summary, sift};

/// What a guard may do to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Only read.
    Reading,
    /// Take messages of ended runs out of subscriptions, as workers do.
    Sifting,
}

/// What is refused without leave.
pub(super) async fn refusals(
    session: &Session,
    plan: &Plan,
    allowed: Allowed,
    look: Look,
) -> Result<Vec<String>> {
    let mut refused = plan.refusals(allowed);
    refused.extend(interruptions(session, plan, allowed, look).await?);
    Ok(refused)
}

/// Refuses what is not done without leave. Takes messages of ended runs out of subscriptions that go:
/// they are in nobody's way.
pub(super) async fn permit(session: &Session, plan: &Plan, allowed: Allowed) -> Result<()> {
    let refused = refusals(session, plan, allowed, Look::Sifting).await?;
    if refused.is_empty() { Ok(()) } else { bail!(Refused(refused)) }
}

/// What needs `--interrupt-runs`.
async fn interruptions(session: &Session, plan: &Plan, allowed: Allowed, look: Look) -> Result<Vec<String>> {
    if allowed.interrupt_runs {
        return Ok(Vec::new());
    }
    let mut refused = open_runs(session, plan).await?;
    refused.extend(workers_of_others(session, plan).await);
    // Messages of open runs are not counted on top of the runs.
    if refused.is_empty() {
        refused.extend(unread(session, plan, look).await?);
    }
    Ok(refused)
}

fn destructive(plan: &Plan) -> impl Iterator<Item = &Change> {
    plan.changes().iter().filter(|change| change.is_destructive())
}

fn carries_runs(change: &Change) -> bool {
    kinds::named(change.address.kind).is_some_and(kinds::AnyKind::carries_runs)
}

/// Open runs that something would be taken from under.
async fn open_runs(session: &Session, plan: &Plan) -> Result<Vec<String>> {
    // What others granted is no worker's.
    let mut under =
        destructive(plan).filter(|change| change.reason != PRUNED).filter(|change| carries_runs(change));
    let Some(first) = under.next() else { return Ok(Vec::new()) };
    let mut refused = Vec::new();
    for store in stores(session).await? {
        for run in store.open().await? {
            let summary = Summary { record: run.clone(), closed: None, cancelled: None };
            if is_complete(&store, summary).await? {
                // Nobody watched it to its end, and nothing of it is left to do.
                continue;
            }
            refused.push(format!(
                "run {} is open ({} items, since {}), and {} would be taken from under it: wait for it, or add --interrupt-runs",
                run.run, run.count, run.created.strftime("%F %T UTC"), first.address
            ));
        }
    }
    Ok(refused)
}

/// Where runs may be recorded: a bucket that the stack only uses may have left the file together with
/// its job, and then only the job that is there still names it.
async fn stores(session: &Session) -> Result<Vec<Store>> {
    let of_live_jobs = match kinds::buckets_of_jobs(&session.cloud).await {
        // Who may not look was told so by the plan, which is none of a teardown then.
        Err(error) if errors::is_denied(&error) || errors::is_service_disabled(&error) => BTreeSet::new(),
        buckets => buckets?,
    };
    session.stores_and(of_live_jobs).await
}

async fn is_complete(store: &Store, summary: Summary) -> Result<bool> {
    let status = store.status(summary).await?;
    Ok(status.done + status.failed >= status.items)
}

/// Running workers of other stacks in clusters and pools that would go. A control plane that does not
/// answer is no reason to keep a cluster.
async fn workers_of_others(session: &Session, plan: &Plan) -> Vec<String> {
    let mut refused = Vec::new();
    let dark = session.cloud.dark().await.unwrap_or_default();
    let machines = |change: &&Change| matches!(change.address.kind, "cluster" | "node_pool");
    for change in destructive(plan).filter(machines) {
        let Some(live) = &change.live else { continue };
        let (cluster, pool) = full_name::cluster_and_pool(&live.id);
        let silence = dark.iter().find(|dark| dark.id == cluster);
        let owners = match Cluster::found(&session.cloud, cluster).await {
            // It was waited for long enough.
            Ok(Some(_)) if let Some(dark) = silence => Err(anyhow!(dark.why.clone())),
            Ok(Some(cluster)) => cluster.running_workers_of_others(pool).await,
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        if let Err(error) = &owners {
            report::warning_once(&format!(
                "whether workers of other stacks run in {} is not known: {error:#}",
                change.address
            ));
        }
        refused.extend(owners.unwrap_or_default().into_iter().map(|(owner, count)| {
            format!(
                "{} would be taken from under {} of the stack {owner}: wait for its runs, or add --interrupt-runs",
                change.address,
                report::counted(count as u64, "running worker")
            )
        }));
    }
    refused
}

/// Runs that have ended, as far as their messages may still be somewhere.
#[derive(Default)]
struct Past {
    runs: HashSet<RunId>,
    items: u64,
    /// When the last of them ended.
    end: Option<Timestamp>,
}

impl Past {
    async fn of(session: &Session) -> Result<Self> {
        let mut past = Self::default();
        for store in stores(session).await? {
            for run in store.runs().await? {
                let end = run.closed.as_ref().map(|closed| closed.at);
                let (id, items) = (run.record.run.clone(), run.record.count);
                if !run.is_open() || is_complete(&store, run).await? {
                    past.runs.insert(id);
                    past.items += items;
                    past.end = past.end.max(end);
                }
            }
        }
        Ok(past)
    }
}

/// Messages that nobody has read, in subscriptions that would go.
async fn unread(session: &Session, plan: &Plan, look: Look) -> Result<Vec<String>> {
    let going: Vec<&Change> = plan.changes().iter().filter(|change| backlog::is_at_stake(change)).collect();
    let ids: Vec<&str> = going.iter().filter_map(|change| Some(change.live.as_ref()?.id.as_str())).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // That nobody knows is said in the plan; what it counted then still counts where nobody does now.
    let counts = session.cloud.backlogs(&ids).await.unwrap_or_default();
    if counts.len() == ids.len() && counts.values().all(|count| count.messages == 0) {
        return Ok(Vec::new());
    }
    let past = Past::of(session).await?;
    let mut refused = Vec::new();
    for (change, id) in going.into_iter().zip(ids) {
        let Some(count) = counts.get(id) else {
            refused.extend(change.live.as_ref().and_then(|live| live.holds.as_ref()).map(|holds| {
                format!(
                    "{} would be deleted with {holds}, as the plan counted: have them read, or add --interrupt-runs",
                    change.address
                )
            }));
            continue;
        };
        if count.messages == 0 {
            continue;
        }
        let sifted = match look {
            Look::Sifting if !past.runs.is_empty() => {
                match sift(&session.cloud.pubsub, id, &past.runs, count.messages).await {
                    // Who may not look at messages does not know that they are of ended runs.
                    Err(error) if errors::is_denied(&error) => Sifted { others: true, ..Sifted::default() },
                    sifted => sifted?,
                }
            }
            _ => Sifted::default(),
        };
        refused.extend(left(*count, &past, &sifted).map(|messages| {
            format!(
                "{} would be deleted with {} (counted at {}): have them read, or add --interrupt-runs",
                change.address,
                backlog::said(messages),
                count.at.strftime("%T UTC")
            )
        }));
    }
    Ok(refused)
}

/// Messages that are worth something: those of ended runs are not, whether they were taken out, or
/// cannot be seen because a worker that is gone still has them. A count from before the last run ended
/// says nothing.
fn left(count: Count, past: &Past, sifted: &Sifted) -> Option<u64> {
    let rest = count.messages.saturating_sub(sifted.ended);
    let is_old = past.end.is_some_and(|end| count.at < end);
    match sifted.others {
        true => Some(rest.max(1)),
        false if is_old || rest <= past.items => None,
        false => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_ended_runs_are_worth_nothing_and_those_of_others_are() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let count = |messages| Count { messages, at: at(100) };
        let past = |items, end| Past { items, end: Some(at(end)), ..Past::default() };
        let sifted = |ended, others| Sifted { ended, others };
        let none = Past::default();
        assert_eq!(left(count(7), &none, &sifted(0, false)), Some(7));
        assert_eq!(left(count(7), &past(32, 50), &sifted(5, false)), None, "two are held by a dead worker");
        assert_eq!(left(count(70), &past(32, 50), &sifted(5, false)), Some(65), "more than the runs had");
        assert_eq!(left(count(70), &past(32, 101), &sifted(0, false)), None, "counted before the run ended");
        assert_eq!(left(count(7), &past(32, 101), &sifted(7, true)), Some(1), "one was seen");
    }
}
