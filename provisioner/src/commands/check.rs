//! `provision check`.

use anyhow::Result;
use clap::Args;

use super::session::StackArgs;
use super::sql;
use crate::exit::Exit;
use crate::options::Options;
use crate::plan;
use crate::report::{self, Style, findings_text};
use crate::stack::Stack;

/// Checks stack.toml and plans its queries, without any cloud unless asked to.
#[derive(Args)]
#[command(after_help = "Examples:
  provision check
  provision check --live --project my-project     and what stands in the way of an apply
  provision check --env prod --set job.fx.image=REGISTRY/worker@sha256:…")]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// Ask the cloud, too: credentials, project, APIs, permissions, names. Changes nothing.
    #[arg(long)]
    live: bool,
}

impl Check {
    pub(super) async fn run(self) -> Result<Exit> {
        let stack = Stack::read(&self.stack.file)?;
        if !sql::check(&stack).await? {
            report::warning("no `worker` lies beside `provision`: the jobs' SQL was not planned");
        }
        if let Err(missing) = stack.secrets_are_here() {
            report::warning(&format!("plan and apply would fail on this machine:\n{missing}"));
        }
        report::note(&format!("{}: the stack `{}` is valid", self.stack.file.file.display(), stack.owner()));
        if self.live { self.live().await } else { Ok(Exit::Done) }
    }

    /// What stands in the way of an apply; an error does.
    async fn live(&self) -> Result<Exit> {
        let session = self.stack.open().await?;
        let project = &session.cloud.project;
        report::note(&format!(
            "{}, in the project {} ({})",
            session.cloud.caller, project.id, project.number
        ));
        let plan = plan::of(&session.stack, &session.cloud, &Options::default()).await?;
        for api in plan.changes().iter().filter(|change| change.address.kind == "api") {
            report::note(&format!("{} is not enabled: apply enables it", api.address));
        }
        report::data(&findings_text(&plan.findings, Style::of_stdout()));
        Ok(if plan.readiness().is_ok() { Exit::Done } else { Exit::Error })
    }
}
