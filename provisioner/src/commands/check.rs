//! `provision check`.

use anyhow::Result;
use clap::Args;

use super::sql;
use crate::exit::Exit;
use crate::report;
use crate::stack::{Source, Stack};

/// Checks stack.toml and plans its queries, without any cloud.
#[derive(Args)]
#[command(after_help = "Examples:
  provision check
  provision check --env prod --set job.fx.image=REGISTRY/worker@sha256:…")]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,
}

impl Check {
    pub(super) async fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.source)?;
        if !sql::check(&stack).await? {
            report::warning("no `worker` lies beside `provision`: the jobs' SQL was not planned");
        }
        if let Err(missing) = stack.secrets_are_here() {
            report::warning(&format!("plan and apply would fail on this machine:\n{missing}"));
        }
        report::note(&format!("{}: the stack `{}` is valid", self.source.file.display(), stack.owner()));
        Ok(Exit::Done)
    }
}
