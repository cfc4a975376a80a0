//! `provision local clock`: the time of the local cloud.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::Folder;
use crate::report;

/// Move the local cloud's time on, stop it, let it run. Leases, backoff, retention and operations go
/// by it.
#[derive(Args)]
#[command(after_help = "Examples:
  provision local clock advance 10m   leases end, operations are done, idle nodes go
  provision local clock freeze        nothing that waits goes on
  provision local clock thaw")]
pub(super) struct ClockCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Move it on; prints the time that it is then.
    Advance {
        #[command(flatten)]
        folder: Folder,
        /// By how much: 500ms, 30s, 10m, 2h, 7d.
        #[arg(value_parser = super::time)]
        by: Duration,
    },
    /// Stop it; prints the time that it stands at.
    Freeze(Folder),
    /// Let it run on; prints the time that it goes on from.
    Thaw(Folder),
}

impl ClockCommand {
    pub(super) async fn run(self) -> Result<()> {
        let now = match self.action {
            Action::Advance { folder, by } => folder.running().await?.advance(by).await?,
            Action::Freeze(folder) => folder.running().await?.freeze().await?,
            Action::Thaw(folder) => folder.running().await?.thaw().await?,
        };
        report::data(&format!("{now}\n"));
        Ok(())
    }
}
