//! Keeps open runs from having what they stand on taken away unasked.

use anyhow::{Result, bail};

use super::session::Session;
use crate::plan::{Allowed, Plan, Refused};
use crate::runs::Summary;

/// What an open run stands on.
const UNDER_A_RUN: [&str; 7] =
    ["topic", "subscription", "bucket", "cluster", "node_pool", "namespace", "job"];

/// Refuses to take away what an open run stands on.
pub(super) async fn runs(session: &Session, plan: &Plan, allowed: Allowed) -> Result<()> {
    let hit: Vec<_> = plan
        .changes()
        .iter()
        .filter(|change| change.is_destructive() && UNDER_A_RUN.contains(&change.address.kind))
        .collect();
    if hit.is_empty() || allowed.interrupt_runs {
        return Ok(());
    }
    let mut refused = Vec::new();
    for store in session.stores().await? {
        for run in store.open().await? {
            let summary = Summary { record: run.clone(), closed: None, cancelled: None };
            let status = store.status(summary).await?;
            if status.done + status.failed >= status.items {
                // Nobody watched it to its end, and nothing of it is left to do.
                continue;
            }
            refused.push(format!(
                "run {} is open ({} items, since {}), and {} would be taken from under it: wait for it, or add --interrupt-runs",
                run.run, run.count, run.created.strftime("%F %T UTC"), hit[0].address
            ));
        }
    }
    if refused.is_empty() { Ok(()) } else { bail!(Refused(refused)) }
}
