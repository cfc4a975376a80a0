//! `provision status`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde::Serialize;

use super::runs::reasons;
use super::session::{Session, StackArgs};
use crate::cloud::limited;
use crate::diff::Action;
use crate::exit::Exit;
use crate::kinds;
use crate::plan;
use crate::report::{self, Format, status_text};
use crate::runs::RunStatus;

/// Shows the stack's resources, nodes and open runs.
#[derive(Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a stack stands.
#[derive(Serialize)]
pub(crate) struct StackStatus {
    pub stack: String,
    pub project: String,
    /// Resources that are not as the file says, with what apply would do.
    pub differences: BTreeMap<String, Action>,
    /// Nodes of each pool: ready, and at most.
    pub pools: BTreeMap<String, PoolStatus>,
    /// Runs that have not ended.
    pub runs: Vec<OpenRun>,
}

#[derive(Serialize)]
pub(crate) struct PoolStatus {
    pub ready: usize,
    pub max: u32,
}

#[derive(Serialize)]
pub(crate) struct OpenRun {
    #[serde(flatten)]
    pub status: RunStatus,
    /// Why nothing moves, if nothing has moved for a while.
    pub reasons: Vec<String>,
}

impl Status {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let status = status(&session).await?;
        match self.format {
            Format::Text => report::data(&status_text(&status)),
            Format::Json => report::json(&status),
        }
        Ok(Exit::Done)
    }
}

async fn status(session: &Session) -> Result<StackStatus> {
    session.take_dead_letters().await?;
    let plan = plan::of(&session.stack, &session.cloud).await?;
    Ok(StackStatus {
        stack: session.stack.owner().to_owned(),
        project: session.cloud.project.id.clone(),
        differences: plan
            .changes()
            .iter()
            .map(|change| (change.address.to_string(), change.action))
            .collect(),
        pools: pools(session).await?,
        runs: open_runs(session).await?,
    })
}

async fn pools(session: &Session) -> Result<BTreeMap<String, PoolStatus>> {
    let scope = session.scope();
    let mut pools: BTreeMap<String, PoolStatus> = scope
        .pools
        .iter()
        .map(|(key, facts)| (key.clone(), PoolStatus { ready: 0, max: facts.max_nodes }))
        .collect();
    for key in scope.keys("cluster") {
        let Some(kubernetes) = session.cloud.kubernetes(&scope.cluster(key)).await? else { continue };
        let nodes =
            limited("list nodes", Api::<Node>::all(kubernetes.0).list(&ListParams::default())).await?;
        for node in nodes.items.iter().filter(|node| is_ready(node)) {
            let pool = node.labels().get(kinds::POOL).map(|pool| format!("{key}/{pool}"));
            if let Some(pool) = pool.and_then(|pool| pools.get_mut(&pool)) {
                pool.ready += 1;
            }
        }
    }
    Ok(pools)
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn open_runs(session: &Session) -> Result<Vec<OpenRun>> {
    let mut open = Vec::new();
    for store in session.stores().await? {
        for summary in store.runs().await?.into_iter().filter(|run| run.closed.is_none()) {
            let record = summary.record.clone();
            let status = store.status(summary).await?;
            let reasons = reasons(session, &record, &status).await?;
            open.push(OpenRun { status, reasons });
        }
    }
    Ok(open)
}
