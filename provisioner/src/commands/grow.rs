//! The workers of open runs, which grow with their pools.

use anyhow::{Context as _, Result};

use super::session::Session;
use crate::kinds::JobSpec;
use crate::plan::{Growth, Plan};
use crate::report::{self, EventStream};
use crate::runs::{self, Cluster, Room};

/// A job of the file with what its runs are made of.
struct Place<'a> {
    key: &'a str,
    job: &'a JobSpec,
    cluster: Cluster,
}

/// The plan with what becomes of the open runs. Who may not look at them is told so, and plans.
pub(super) async fn with_growths(session: &Session, mut plan: Plan) -> Plan {
    match growths(session, &plan).await {
        Ok(growths) => plan.growths = growths,
        Err(error) => {
            report::warning(&format!("whether open runs get more workers is not known: {error:#}"));
        }
    }
    plan
}

/// Gives open runs their workers, once the plan is carried out.
pub(super) async fn grow(session: &Session, plan: &Plan, stream: &EventStream) -> Result<()> {
    for growth in &plan.growths {
        let Growth { run, from, to } = growth;
        let failed = || format!("run {run} still has {from} workers: the same command again gives it {to}");
        let places = places(session, plan).await.with_context(failed)?;
        for place in places {
            runs::grow(&place.cluster, growth).await.with_context(failed)?;
        }
        report::note(&format!("run {run}: {to} workers instead of {from}"));
        stream.grown(run, *from, *to);
    }
    Ok(())
}

async fn growths(session: &Session, plan: &Plan) -> Result<Vec<Growth>> {
    let scope = session.scope();
    let mut found = Vec::new();
    for Place { key, job, cluster } in places(session, plan).await? {
        let Some(workers) = job.room(&scope) else { continue };
        let room = Room { job: key, concurrency: job.concurrency, workers };
        found.extend(runs::growths(&session.store(job), &cluster, &room).await?);
    }
    Ok(found)
}

/// The jobs that a plan means and whose cluster is there.
async fn places<'a>(session: &'a Session, plan: &Plan) -> Result<Vec<Place<'a>>> {
    let scope = session.scope();
    let mut found = Vec::new();
    for (key, job) in session.stack.jobs() {
        if !plan.means(&[format!("job.{key}"), format!("node_pool.{}", job.pool)]) {
            continue;
        }
        let cluster = scope.cluster(job.pool.split('/').next().unwrap_or_default());
        if let Some(cluster) = Cluster::found(&session.cloud, &cluster).await? {
            found.push(Place { key, job, cluster });
        }
    }
    Ok(found)
}
