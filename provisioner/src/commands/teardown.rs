//! `provision teardown`.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

use super::apply::{Leave, carry_out};
use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::plan::{self, Plan};
use crate::report::{self, PlanFormat, remains_text};
use crate::{remains, stacks};

/// What was deleted may be listed for a little longer: pauses before it counts as left.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// Deletes everything that the stack owns.
#[derive(Args)]
#[command(after_help = "Examples:
  provision teardown --delete-data                              the stack of stack.toml, buckets with their objects
  provision teardown --stack fx --project my-project            a stack whose file is not here, by its labels
  provision teardown --expired --project my-project --yes       every stack that is older than its [stack] expires")]
pub(super) struct Teardown {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// Delete the stack of this name by its labels; no file is read.
    #[arg(long = "stack", value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["env", "set", "expired"])]
    named: Option<String>,
    /// Delete every stack of the project that is older than its file said with `expires`.
    #[arg(long, conflicts_with_all = ["env", "set"])]
    expired: bool,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    #[command(flatten)]
    leave: Leave,
    /// Delete what was adopted, too, instead of letting it go.
    #[arg(long)]
    delete_adopted: bool,
}

impl Teardown {
    pub(super) async fn run(self) -> Result<Exit> {
        match &self.named {
            _ if self.expired => self.all_expired().await,
            Some(name) => self.one(&self.stack.open_unwritten(name).await?).await,
            None => self.one(&self.stack.open().await?).await,
        }
    }

    /// Every one is tried; the first that went wrong is the answer.
    async fn all_expired(&self) -> Result<Exit> {
        let now = Timestamp::now();
        let all = stacks::all(&self.stack.connect().await?).await?;
        let expired: Vec<_> = all.into_iter().filter(|standing| standing.has_expired(now)).collect();
        if expired.is_empty() {
            report::note("no stack has expired");
        }
        let mut answer = Exit::Done;
        for standing in expired {
            report::note(&format!("the stack {} has expired", standing.stack));
            let told = match self.stack.open_unwritten(&standing.stack).await {
                Ok(session) => self.one(&session).await,
                Err(error) => Err(error),
            };
            let exit = told.unwrap_or_else(|error| {
                let refused = error.is::<plan::Refused>();
                report::error(&error.context(format!("the stack {}", standing.stack)));
                if refused { Exit::Refused } else { Exit::Error }
            });
            answer = if answer == Exit::Done { exit } else { answer };
        }
        Ok(answer)
    }

    async fn one(&self, session: &Session) -> Result<Exit> {
        let plan = plan::teardown(&session.stack, &session.cloud, self.delete_adopted).await?;
        report::plan(&plan, self.format);
        let exit = carry_out(session, &plan, self.leave.allowed(), self.leave.yes, "delete").await?;
        if exit == Exit::Interrupted {
            return Ok(exit);
        }
        let look = || plan::teardown(&session.stack, &session.cloud, self.delete_adopted);
        let remains = what_remains(session, look).await?;
        Ok(if exit == Exit::Done { remains } else { exit })
    }
}

/// Looks for what should be gone, and tells of it: nothing is left billing because something said that
/// it was deleted.
pub(super) async fn what_remains<F: Future<Output = Result<Plan>>>(
    session: &Session,
    look: impl Fn() -> F,
) -> Result<Exit> {
    let mut left = look().await?;
    for pause in PAUSES {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        left = look().await?;
    }
    let kept: Vec<&str> = left.kept.iter().map(String::as_str).collect();
    if left.is_empty() {
        let but = if kept.is_empty() { String::new() } else { format!(" but {}", kept.join(", ")) };
        report::note(&format!("nothing of the stack {} remains{but}", session.stack.owner()));
        return Ok(Exit::Done);
    }
    report::note(&remains_text(&remains::of(&left)?, &session.words, left.local));
    Ok(Exit::Remains)
}
