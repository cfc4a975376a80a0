//! `provision run`: apply, start, follow, report.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use contract::{Closed, Outcome, RunRecord};
use localcloud::daemon::Daemon;

use super::apply::{carry_out, stop_on_interrupt};
use super::session::{Session, StackArgs};
use super::sql;
use crate::exit::Exit;
use crate::plan::{self, Allowed, Refused};
use crate::report::{self, Format, RunProgress, Style, plan_text, run_json, run_text};
use crate::runs::{self, Ended, Items, Wish};
use crate::stack::Stack;

/// Pushes items through a job.
#[derive(Args)]
#[command(after_help = "Examples:
  provision run --local --yes --items examples/fx/items.txt
  ls videos | provision run --yes --items -
  provision run --local --yes --items items.txt --preempt-every 1s   nodes vanish, no item does")]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// The items: a file with one a line, or `-` for stdin; `.ndjson` for objects with `item` and `payload`.
    #[arg(long, value_name = "FILE")]
    items: PathBuf,
    /// The job; the only one without it.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Apply creations and in-place updates without asking.
    #[arg(short, long)]
    yes: bool,
    /// Start another run even if the same one is open.
    #[arg(long)]
    new: bool,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Preempt a node of the job's pool this often while the run goes on (with --local), but never
    /// the last one: on a node that lives for a second nothing can ever end.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "local")]
    preempt_every: Option<Duration>,
}

fn time(text: &str) -> Result<Duration, String> {
    crate::stack::parse_time(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write it as \"1s\" or \"1m30s\"".to_owned())
}

impl Run {
    pub(super) async fn run(self) -> Result<Exit> {
        // Before anything is changed: a list that cannot be used starts nothing.
        let items = self.read_items().await?;
        sql::check(&Stack::read(&self.stack.file)?).await?;
        let session = self.stack.open().await?;
        session.job(self.job.as_deref())?;
        let exit = self.bring_up(&session).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        let stop = stop_on_interrupt();
        let (key, job) = session.job(self.job.as_deref())?;
        let (store, cluster) = (session.store(job), session.cluster(job).await?);
        let begun = runs::start(&store, &items, self.wish(&session)?).await?;
        let run = &begun.record;
        report::note(&match begun.continued {
            true => format!("run {}: open already, going on ({} items)", run.run, run.count),
            false => format!("run {}: {} items through job.{key}", run.run, run.count),
        });
        runs::job::ensure(&cluster.kubernetes, &cluster.namespace, run).await?;
        runs::publish::all(&store, &session.cloud.pubsub, run).await?;

        let progress = RunProgress::new(run.count);
        let tell = |told| progress.tell(told);
        let preempting = preempt(self.preempt_every, session.daemon.as_ref(), &job.pool);
        let ended = tokio::select! {
            ended = runs::watch(&store, &cluster, run, &stop, &tell) => ended?,
            error = preempting => return Err(error),
        };
        progress.finish();
        match ended {
            Ended::Closed(closed) => {
                let receipts = match self.format {
                    Format::Json => store.receipts(&run.run).await?,
                    Format::Text => Vec::new(),
                };
                Ok(told(run, &closed, &receipts, self.format))
            }
            Ended::Detached => {
                report::note(&format!(
                    "run {} goes on; `provision runs show {}` tells how it stands",
                    run.run, run.run
                ));
                report::note("the same command again follows it to its end");
                Ok(Exit::Interrupted)
            }
        }
    }

    async fn read_items(&self) -> Result<Items> {
        let path = self.items.clone();
        let items = tokio::task::spawn_blocking(move || Items::read(&path))
            .await
            .context("reading the items panicked")??;
        if items.duplicates > 0 {
            report::warning(&format!("{} items came more than once: each is done once", items.duplicates));
        }
        Ok(items)
    }

    /// Applies what is missing. A run never deletes or replaces: that is `apply`'s.
    async fn bring_up(&self, session: &Session) -> Result<Exit> {
        let plan = plan::of(&session.stack, &session.cloud).await?;
        if plan.is_empty() {
            return Ok(Exit::Done);
        }
        report::note(&plan_text(&plan, Style::of_stderr()));
        if plan.is_destructive() {
            let what =
                "`run` only creates and updates in place; look at the plan above and `provision apply` it";
            bail!(Refused(vec![what.to_owned()]));
        }
        carry_out(session, &plan, Allowed::default(), self.yes, "apply").await
    }

    fn wish(&self, session: &Session) -> Result<Wish> {
        let scope = session.scope();
        let (key, job) = session.job(self.job.as_deref())?;
        let topic = scope.topic_of.get(&job.subscription).context("the job's subscription has no topic")?;
        let most = scope.pools.get(&job.pool).map_or(1, |pool| pool.max_nodes);
        let config = job.config(&scope)?;
        Ok(Wish {
            job: key.to_owned(),
            stack: scope.owner.clone(),
            config,
            image: job.image.clone(),
            topic: scope.topic(topic),
            subscription: scope.subscription(&job.subscription),
            concurrency: job.concurrency,
            room: job.max_workers.unwrap_or(most).min(most),
            max_run_time_seconds: job.max_run_time.get(),
            new: self.new,
        })
    }
}

fn told(run: &RunRecord, closed: &Closed, receipts: &[contract::Receipt], format: Format) -> Exit {
    match format {
        Format::Text => report::data(&run_text(run, closed)),
        Format::Json => report::json(&run_json(run, closed, receipts)),
    }
    match closed.outcome {
        Outcome::Done => Exit::Done,
        Outcome::Failed => Exit::FailedItems,
        Outcome::Cancelled | Outcome::TimedOut | Outcome::Stalled => Exit::Stalled,
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
