//! `provision run`: apply, start, follow, report, and perhaps tear down.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use localcloud::daemon::Daemon;

use super::carry_out::CarryOut;
use super::items::ItemArgs;
use super::launch::{LaunchArgs, time};
use super::session::{Session, StackArgs};
use super::teardown::what_remains;
use crate::apply::Pace;
use crate::exit::Exit;
use crate::options::Options;
use crate::plan::{self, Allowed};
use crate::report::{self, EventStream, Style, plan_text};

/// Pushes items through a job.
#[derive(Args)]
#[command(
    override_usage = "provision run [OPTIONS] <--items <FILE>|--item <ITEM>|--range <RANGE>|-- <ITEM>...>"
)]
#[command(after_help = "Examples:
  provision run --local --yes --items examples/fx/items.txt
  ls videos | provision run --yes --items -
  provision run --yes -- USD GBP                                     items as arguments
  provision run --yes --range 2026-01-01..2026-01-31                 days (UTC) as items
  provision run --local --yes --items items.txt --preempt-every 1s   nodes vanish, no item does")]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    #[command(flatten)]
    items: ItemArgs,
    /// The job; the only one without it.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    #[command(flatten)]
    launch: LaunchArgs,
    /// Tear the stack down after a run in which every item was done. Buckets with data stay.
    #[arg(long)]
    teardown: bool,
    /// Buckets with data go, too.
    #[arg(long, requires = "teardown")]
    delete_data: bool,
    /// Preempt a node of the job's pool this often while the run goes on (with --local), but never
    /// the last one: on a node that lives for a second nothing can ever end.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "local")]
    preempt_every: Option<Duration>,
}

impl Run {
    pub(super) async fn run(self) -> Result<Exit> {
        // Before anything is changed: a list that cannot be used starts nothing.
        let items = self.items.read().await?;
        let session = self.stack.open_to_run().await?;
        let (_, job) = session.job(self.job.as_deref())?;
        let preempting = preempt(self.preempt_every, session.daemon.as_ref(), &job.pool);
        let exit = self.launch.launch(&session, self.job.as_deref(), &items, None, preempting).await?;
        match exit {
            Exit::Done if self.teardown => self.tear_down(&session).await,
            exit => Ok(exit),
        }
    }

    async fn tear_down(&self, session: &Session) -> Result<Exit> {
        let look = || async {
            let plan = plan::teardown(&session.stack, &session.cloud, &Options::default()).await?;
            Ok::<_, anyhow::Error>(if self.delete_data { (plan, Vec::new()) } else { plan.sparing_data() })
        };
        let (plan, kept) = look().await?;
        report::note(&plan_text(&plan, Style::of_stderr()));
        let allowed = Allowed { delete_data: self.delete_data, interrupt_runs: false };
        let (pace, stream) = (Pace::default(), EventStream::none());
        let ask = (!self.launch.yes).then_some("delete these changes");
        let exit = CarryOut { allowed, pace, ask, stream: &stream }.carry_out(session, &plan).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        let remains = what_remains(session, &[], &stream, async || Ok(look().await?.0)).await?;
        if remains != Exit::Done {
            return Ok(remains);
        }
        for kept in kept {
            report::note(&format!(
                "kept: {kept}; `provision teardown{} --delete-data` deletes it",
                session.words
            ));
        }
        Ok(Exit::Done)
    }
}

/// Takes nodes away at a rate, for as long as it is polled; ends only with an error.
async fn preempt(every: Option<Duration>, daemon: Option<&Daemon>, pool: &str) -> anyhow::Error {
    let (Some(every), Some(daemon)) = (every, daemon) else { return std::future::pending().await };
    loop {
        tokio::time::sleep(every).await;
        match one_of_many(daemon, pool).await {
            Ok(nodes) => nodes.iter().for_each(|node| report::note(&format!("preempted {node}"))),
            Err(error) => return error.context("cannot preempt a node"),
        }
    }
}

/// Preempts a node, if the pool has another one that is ready.
async fn one_of_many(daemon: &Daemon, pool: &str) -> Result<Vec<String>> {
    let (_, name) = pool.split_once('/').unwrap_or(("", pool));
    let status = daemon.status().await?;
    let pools = status.clusters.iter().flat_map(|cluster| &cluster.pools);
    let ready: u32 = pools.filter(|pool| pool.name == name).map(|pool| pool.ready).sum();
    if ready > 1 { daemon.preempt(None, None).await } else { Ok(Vec::new()) }
}
