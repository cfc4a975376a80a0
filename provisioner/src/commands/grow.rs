//! The workers of open runs, which grow with their pools.

use anyhow::{Context as _, Result};

use super::session::Session;
use crate::cloud::errors;
use crate::kinds::JobSpec;
use crate::plan::{Growth, Plan};
use crate::report::{self, EventStream};
use crate::runs::{self, Cluster, Room};

/// A job of the file with what its runs are made of.
struct Seat<'a> {
    key: &'a str,
    job: &'a JobSpec,
    cluster: Cluster,
}

/// A plan with what becomes of the open runs, looked at at the same time. Who may not look at them is
/// told so, and plans.
pub(super) async fn with_growths(
    session: &Session,
    targets: &[String],
    planning: impl Future<Output = Result<Plan>>,
) -> Result<Plan> {
    let (plan, growths) = futures::join!(planning, growths(session, targets));
    let mut plan = plan?;
    match growths {
        Ok(growths) => plan.growths = growths,
        // Then there is no cluster yet.
        Err(error) if errors::is_service_disabled(&error) => {}
        Err(error) => {
            report::warning(&format!("whether open runs get more workers is not known: {error:#}"));
        }
    }
    Ok(plan)
}

/// Gives open runs their workers, once the plan is carried out.
pub(super) async fn grow(session: &Session, plan: &Plan, stream: &EventStream) -> Result<()> {
    for growth in &plan.growths {
        let Growth { run, from, to } = growth;
        let failed = || format!("run {run} still has {from} workers: the same command again gives it {to}");
        let seats = seats(session, &plan.targets).await.with_context(failed)?;
        let mut is_grown = false;
        for seat in seats {
            is_grown |= runs::grow(&seat.cluster, growth).await.with_context(failed)?;
        }
        if is_grown {
            report::note(&format!("run {run}: {to} workers instead of {from}"));
            stream.grown(run, *from, *to);
        }
    }
    Ok(())
}

async fn growths(session: &Session, targets: &[String]) -> Result<Vec<Growth>> {
    let scope = session.scope();
    let mut found = Vec::new();
    for Seat { key, job, cluster } in seats(session, targets).await? {
        let Some(workers) = job.room(&scope) else { continue };
        let room = Room { job: key, concurrency: job.concurrency, workers };
        found.extend(runs::growths(&session.store(job), &cluster, &room).await?);
    }
    Ok(found)
}

/// The jobs that are meant and whose cluster is there.
async fn seats<'a>(session: &'a Session, targets: &[String]) -> Result<Vec<Seat<'a>>> {
    let scope = session.scope();
    let mut found = Vec::new();
    for (key, job) in session.stack.jobs() {
        let own = [format!("job.{key}"), format!("node_pool.{}", job.pool)];
        if !targets.is_empty() && !targets.iter().any(|target| own.contains(target)) {
            continue;
        }
        let cluster = scope.cluster(job.cluster());
        if let Some(cluster) = Cluster::found(&session.cloud, &cluster).await? {
            found.push(Seat { key, job, cluster });
        }
    }
    Ok(found)
}
