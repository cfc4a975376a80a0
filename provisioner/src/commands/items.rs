//! The items that a command line gives: a list, keys, or a range of days.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::report;
use crate::runs::{Items, expand_range};

/// Where the items come from: one of these.
#[derive(Args)]
#[command(group = ArgGroup::new("source").required(true).args(["list", "named", "range", "arguments"]))]
pub(super) struct ItemArgs {
    /// A file with one item a line, or `-` for stdin; `.ndjson` for objects with `item` and `payload`.
    #[arg(long = "items", value_name = "FILE")]
    list: Option<PathBuf>,
    /// The list is NDJSON, whatever its name is.
    #[arg(long, requires = "list")]
    ndjson: bool,
    /// An item; give it several times for several.
    #[arg(long = "item", value_name = "ITEM")]
    named: Vec<String>,
    /// Days as items, in UTC, both ends included: `2026-01-01..2026-01-31`, `yesterday`, `today`,
    /// `last-7d` (until yesterday); or months: `2026-01..2026-12`.
    #[arg(long, value_name = "RANGE")]
    range: Option<String>,
    /// Items, after `--`.
    #[arg(last = true, value_name = "ITEM")]
    arguments: Vec<String>,
}

impl ItemArgs {
    /// Reads them. A list that cannot be used starts nothing.
    pub(super) async fn read(&self) -> Result<Items> {
        let items = match (&self.list, &self.range) {
            (Some(path), _) => {
                let (path, ndjson) = (path.clone(), self.ndjson);
                let read = tokio::task::spawn_blocking(move || Items::read(&path, ndjson));
                read.await.context("reading the items panicked")??
            }
            (None, Some(range)) => {
                let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
                Items::named(expand_range(range, today)?)?
            }
            (None, None) => Items::named(self.named.iter().chain(&self.arguments).cloned())?,
        };
        if items.duplicates > 0 {
            let twice = report::counted(items.duplicates as u64, "item");
            report::warning(&format!("{twice} came more than once: each is done once"));
        }
        Ok(items)
    }
}
