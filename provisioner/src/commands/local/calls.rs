//! `provision local calls`: what was called, by whom, and what became of it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use localcloud::calls::{Entry, Fate, Point};
use localcloud::daemon::Daemon;

use super::Folder;
use crate::report::{self, Format, calls_text, points_text};

/// How often unfinished calls are looked at again.
const LOOK: Duration = Duration::from_millis(100);

/// Show the calls that the local cloud was asked for.
#[derive(Args)]
#[command(after_help = "Examples:
  provision local calls --method 'storage.objects.*' --caller worker
  provision local calls --follow
  provision local calls --points       where a crash can be put: `provision local fault add … --kill`")]
pub(super) struct CallsCommand {
    #[command(flatten)]
    folder: Folder,
    /// Only these methods; * stands for any text.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    method: String,
    /// Only on these resources.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    resource: String,
    /// Only by a principal, a program, a process id or a pod.
    #[arg(long, value_name = "PATTERN", default_value = "")]
    caller: String,
    /// Only from this number on.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    since: u64,
    /// Go on with new ones, until Ctrl-C.
    #[arg(long, conflicts_with = "points")]
    follow: bool,
    /// Show instead which points were passed, and by whom: names without what differs between runs.
    #[arg(long, conflicts_with_all = ["method", "resource", "caller"])]
    points: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl CallsCommand {
    pub(super) async fn run(self) -> Result<()> {
        let daemon = self.folder.running().await?;
        if self.points {
            let points = daemon.coverage(self.since).await?;
            match self.format {
                Format::Text => report::data(&points_text(&points)),
                Format::Json => report::json(&points),
            }
            return Ok(());
        }
        if self.follow {
            return self.follow(&daemon).await;
        }
        let mut calls = daemon.calls_since(self.since).await?;
        calls.retain(|call| self.is_wanted(call));
        match self.format {
            Format::Text => report::data(&calls_text(&calls)),
            Format::Json => report::json(&calls),
        }
        Ok(())
    }

    /// Each call once, as soon as there is something to say of it; JSON with one call a line.
    async fn follow(&self, daemon: &Daemon) -> Result<()> {
        let mut mark = self.since;
        let mut told = std::collections::BTreeSet::new();
        loop {
            let calls = daemon.next_calls(mark).await?;
            let next = calls.last().map_or(mark, |last| last.number + 1);
            let news: Vec<Entry> =
                calls.iter().filter(|call| is_told(call) && !told.contains(&call.number)).cloned().collect();
            told.extend(news.iter().map(|call| call.number));
            let open = calls.iter().find(|call| !is_told(call));
            mark = open.map_or(next, |call| call.number);
            told = told.split_off(&mark);
            self.tell(news);
            if open.is_some() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    fn tell(&self, mut calls: Vec<Entry>) {
        calls.retain(|call| self.is_wanted(call));
        match self.format {
            Format::Text => report::data(&calls_text(&calls)),
            Format::Json => calls.iter().for_each(report::json_line),
        }
    }

    fn is_wanted(&self, call: &Entry) -> bool {
        let (method, resource, caller) = (self.method.clone(), self.resource.clone(), self.caller.clone());
        call.is_at(&Point { method, resource, caller, ..Point::default() })
    }
}

/// Whether there is more to say of it than that it came.
fn is_told(call: &Entry) -> bool {
    call.status.is_some() || call.fate != Fate::Began
}
