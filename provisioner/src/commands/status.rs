//! `provision status`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use super::runs::reasons;
use super::session::{Session, StackArgs};
use crate::change::Action;
use crate::cloud::{Cloud, limited};
use crate::exit::Exit;
use crate::kinds;
use crate::options::Options;
use crate::plan::{self, Plan};
use crate::report::{self, Format, publishing_interrupted, status_text};
use crate::resource::{Address, Health};
use crate::runs::{OpenRun, Queue};
use crate::stack::PoolFacts;
use crate::status::{Is, PoolStatus, ResourceStatus, StackStatus};

/// Resources whose health is asked for at the same time.
const PARALLEL: usize = 32;

/// Shows the stack's resources, nodes, queue, open runs and cost.
#[derive(Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Status {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let status = status(&session).await?;
        match self.format {
            Format::Text => report::data(&status_text(&status, &session.words, Timestamp::now())),
            Format::Json => report::json(&status),
        }
        Ok(Exit::Done)
    }
}

async fn status(session: &Session) -> Result<StackStatus> {
    session.take_dead_letters().await?;
    let plan = plan::of(&session.stack, &session.cloud, &Options::default()).await?;
    let runs = open_runs(session).await?;
    Ok(StackStatus {
        stack: session.stack.owner().to_owned(),
        project: session.cloud.project.id.clone(),
        resources: resources(session, &plan).await?,
        differences: plan
            .changes()
            .iter()
            .map(|change| (change.address.to_string(), change.action))
            .collect(),
        pools: pools(session).await?,
        queue: runs.iter().fold(Queue::default(), |sum, run| sum.and(&run.queue)),
        runs,
        cost: plan.cost().map(|cost| cost.before).unwrap_or_default(),
    })
}

async fn resources(session: &Session, plan: &Plan) -> Result<Vec<ResourceStatus>> {
    let desired = plan::wanted(&session.stack, &session.cloud.project)?;
    let action = |address: &Address| {
        plan.changes().iter().find(|change| change.address == *address).map(|change| change.action)
    };
    let declared = desired.iter().map(|want| {
        let is = match action(&want.address) {
            _ if plan.unseen.contains(&want.address) => Is::Unknown,
            Some(Action::Create) => Is::Missing,
            // What is let go is there, whoever's it is.
            None | Some(Action::Release) => Is::AsDeclared,
            Some(_) => Is::Different,
        };
        (want.address.clone(), want.id.clone(), is)
    });
    let is_declared = |address: &Address| desired.iter().any(|want| want.address == *address);
    let left =
        plan.changes().iter().filter(|change| change.desired.is_none() && !is_declared(&change.address));
    let left = left.filter_map(|change| Some((change.address.clone(), change.live.as_ref()?.id.clone())));
    let left = left.map(|(address, id)| (address, id, Is::Undeclared));
    let all = declared.chain(left).map(|(address, id, is)| async move {
        let health = health(&session.cloud, &address, &id, is).await?;
        anyhow::Ok(ResourceStatus { address, id, is, health })
    });
    futures::stream::iter(all).buffered(PARALLEL).try_collect().await
}

async fn health(cloud: &Cloud, address: &Address, id: &str, is: Is) -> Result<Option<Health>> {
    match kinds::named(address.kind) {
        Some(kind) if !matches!(is, Is::Missing | Is::Unknown) => kind.health(cloud, id).await,
        _ => Ok(None),
    }
}

async fn pools(session: &Session) -> Result<BTreeMap<String, PoolStatus>> {
    let scope = session.scope();
    let empty = |facts: &PoolFacts| PoolStatus {
        min: facts.min_nodes,
        max: facts.max_nodes,
        ..PoolStatus::default()
    };
    let mut pools: BTreeMap<String, PoolStatus> =
        scope.pools.iter().map(|(key, facts)| (key.clone(), empty(facts))).collect();
    for key in scope.keys("cluster") {
        let Some(kubernetes) = session.cloud.kubernetes(&scope.cluster(key)).await? else { continue };
        let nodes =
            limited("list nodes", Api::<Node>::all(kubernetes.0).list(&ListParams::default())).await?;
        for node in &nodes.items {
            let pool = node.labels().get(kinds::POOL).map(|pool| format!("{key}/{pool}"));
            if let Some(pool) = pool.and_then(|pool| pools.get_mut(&pool)) {
                pool.nodes += 1;
                pool.ready += usize::from(kinds::is_ready(node));
            }
        }
    }
    Ok(pools)
}

async fn open_runs(session: &Session) -> Result<Vec<OpenRun>> {
    let mut open = Vec::new();
    for store in session.stores().await? {
        for summary in store.runs().await?.into_iter().filter(|run| run.closed.is_none()) {
            let record = summary.record.clone();
            let pods = match session.cluster_of(&record).await? {
                Some(cluster) => cluster.pods(&record.run).await?,
                None => Vec::new(),
            };
            let mut run = store.open_run(summary, &pods).await?;
            run.reasons.extend(publishing_interrupted(&run.status, Timestamp::now()));
            run.reasons.extend(reasons(session, &record, &run.status).await?);
            open.push(run);
        }
    }
    Ok(open)
}
