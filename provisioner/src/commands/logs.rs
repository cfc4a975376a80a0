//! `provision logs`: what a run's workers print, from live pods; what they printed about an item,
//! from the records in the bucket.

use anyhow::{Result, bail};
use clap::Args;
use contract::{Failure, Item, RunRecord};
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::report::{self, Format, Style, failure_show, failures_list, item_history, log_json, log_text};
use crate::runs::{self, Ended, Store, Summary, Wanted};

/// Lines that may wait for a slow terminal.
const WAITING: usize = 256;

const LONG: &str = "Print what a run's workers print, or printed.

Without --item and --failed: the logs of the pods that are there, each line with its pod. With --item: every attempt at it, \
                    how it ended and the last 64 KiB that it printed; with --failed: the same of all items that were \
                    given up. These come from the run's records, and are there when pods and nodes are gone.";

/// Prints the logs of a run's workers.
#[derive(Args)]
#[command(long_about = LONG)]
pub(super) struct Logs {
    /// The run; the newest without it.
    #[arg(value_name = "RUN")]
    name: Option<String>,
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// The run, as well.
    #[arg(long, conflicts_with = "name")]
    run: Option<String>,
    /// The newest of this job; of any without it.
    #[arg(long)]
    job: Option<String>,
    /// Only about this item: the key as it is, nothing in it means anything.
    #[arg(long, value_name = "ITEM")]
    item: Option<String>,
    /// Items that were given up; with --item, its attempts that failed.
    #[arg(long, conflicts_with = "follow")]
    failed: bool,
    /// Only this attempt at the item.
    #[arg(long, value_name = "N", requires = "item", conflicts_with = "follow")]
    attempt: Option<u32>,
    /// Go on until the run's workers are gone, with those that start later.
    #[arg(long)]
    follow: bool,
    /// Only what was printed since: `10m`, or an instant as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
    /// Lines of each log to begin with; all without it.
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// How it is written; with json, what workers log comes as it is.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Logs {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let of_job = |run: &Summary| self.job.as_ref().is_none_or(|job| *job == run.record.job);
        let name = self.name.as_deref().or(self.run.as_deref());
        let (store, Summary { record, .. }) = session.run(name, of_job).await?;
        match &self.item {
            Some(item) if !self.follow => self.history(&session, &store, &record, item).await?,
            None if self.failed => self.failures(&store, &record).await?,
            _ => self.live(&session, &store, &record).await?,
        }
        Ok(Exit::Done)
    }

    /// What became of one item.
    async fn history(&self, session: &Session, store: &Store, run: &RunRecord, item: &str) -> Result<()> {
        let mut history = store.history(&run.run, &Item(item.to_owned())).await?;
        history.retain(|tried| {
            self.attempt.is_none_or(|number| tried.attempt.number == number)
                && (!self.failed || tried.state == Ended::Failed)
                && self.since.is_none_or(|since| tried.last() >= since)
        });
        if history.attempts.iter().any(|tried| tried.state == Ended::Open) {
            // A cluster that does not answer keeps nobody from the records.
            let cluster = session.cluster_of(run).await.unwrap_or_else(|error| {
                report::warning(&format!("the run's cluster does not answer: {error:#}"));
                None
            });
            runs::add_logs(cluster.as_ref(), &mut history).await;
        }
        match self.format {
            Format::Text => {
                let lines = self.tail.map(|lines| lines as usize);
                report::data(&item_history(&history, lines, Style::of_stdout()));
            }
            Format::Json => report::json(&history),
        }
        Ok(())
    }

    /// Every item that was given up, whatever a retry has made of it since.
    async fn failures(&self, store: &Store, run: &RunRecord) -> Result<()> {
        let mut failures: Vec<Failure> = store.failures(&run.run).await?;
        failures.retain(|failure| self.since.is_none_or(|since| failure.at >= since));
        match self.format {
            Format::Text if failures.is_empty() => report::data(&failures_list(&[])),
            Format::Text => {
                let shown: Vec<String> = failures.iter().map(failure_show).collect();
                report::data(&shown.join("\n"));
            }
            Format::Json => report::json(&failures),
        }
        Ok(())
    }

    /// What pods print.
    async fn live(&self, session: &Session, store: &Store, run: &RunRecord) -> Result<()> {
        let Some(cluster) = session.cluster_of(run).await? else {
            bail!(
                "no cluster has workers of run {} any more: `provision logs --failed` and `--item ITEM` tell what \
                 its records keep",
                run.run
            );
        };
        let (tell, mut heard) = mpsc::channel(WAITING);
        let wanted = Wanted {
            follow: self.follow,
            since: self.since,
            tail: self.tail.map(i64::from),
            item: self.item.clone().map(Item),
        };
        let style = Style::of_stdout();
        let print = async {
            let mut any = false;
            while let Some(heard) = heard.recv().await {
                any = true;
                report::data(&match self.format {
                    Format::Text => log_text(&heard, style),
                    Format::Json => log_json(&heard),
                });
            }
            Ok(any)
        };
        let ((), any) = tokio::try_join!(runs::listen(store, &cluster, &run.run, &wanted, tell), print)?;
        if !any {
            report::note(&format!(
                "run {} has no worker whose log is there: `provision logs --failed` and `--item ITEM` tell what its \
                 records keep",
                run.run
            ));
        }
        Ok(())
    }
}

/// So long ago, or then.
fn instant(text: &str) -> Result<Timestamp, String> {
    let ago = crate::stack::parse_time(text).and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    ago.or_else(|| text.parse().ok())
        .ok_or_else(|| "write it as \"10m\" or \"2026-01-31T12:00:00Z\"".to_owned())
}
