//! `provision teardown`.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;

use super::carry_out::{CarryOut, Leave, PaceArgs, end, streamed};
use super::interrupt;
use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::options::Options;
use crate::plan::{self, Plan};
use crate::report::{self, EventStream, PlanFormat, remains_text};
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
    /// How the plan is written; as JSON all that happens afterwards is, too, one object a line.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    #[command(flatten)]
    leave: Leave,
    #[command(flatten)]
    pace: PaceArgs,
    /// Only this resource, and what needs it. May be given again.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "expired")]
    target: Vec<String>,
    /// Delete what was adopted, too, instead of letting it go.
    #[arg(long)]
    delete_adopted: bool,
}

impl Teardown {
    pub(super) async fn run(self) -> Result<Exit> {
        match &self.named {
            _ if self.expired => self.all_expired().await,
            Some(name) => self.streamed(self.stack.open_unwritten(name)).await,
            None => self.streamed(self.stack.open()).await,
        }
    }

    /// The end of one stack, told to programs too.
    async fn streamed(&self, session: impl Future<Output = Result<Session>>) -> Result<Exit> {
        streamed("teardown", self.format, async |stream| self.one(&session.await?, stream).await).await
    }

    /// Every one is tried; the first that went wrong is the answer.
    async fn all_expired(&self) -> Result<Exit> {
        let stream = EventStream::of("teardown", self.format);
        let expired = match interrupt::or_stop(self.which_expired()).await {
            Ok(expired) => expired,
            Err(error) => {
                let failed = Err(error);
                end(&stream, &failed);
                return failed;
            }
        };
        stream.expired(&expired);
        if expired.is_empty() {
            report::note("no stack has expired");
            end(&stream, &Ok(Exit::Done));
        }
        let mut answer = Exit::Done;
        for (at, stack) in expired.iter().enumerate() {
            if interrupt::was_heard() {
                report::note(&format!("not begun: {}", expired[at..].join(", ")));
                end(&stream, &Ok(Exit::Interrupted));
                return Ok(Exit::Interrupted);
            }
            report::note(&format!("the stack {stack} has expired"));
            let told = self.streamed(self.stack.open_unwritten(stack)).await;
            let exit = told.unwrap_or_else(|error| {
                let exit = super::exit_of(&error);
                report::error(&error.context(format!("the stack {stack}")));
                exit
            });
            if exit == Exit::Interrupted {
                return Ok(exit);
            }
            answer = if answer == Exit::Done { exit } else { answer };
        }
        Ok(answer)
    }

    async fn which_expired(&self) -> Result<Vec<String>> {
        let now = Timestamp::now();
        let all = stacks::all(&self.stack.connect().await?).await?;
        Ok(all.into_iter().filter(|standing| standing.has_expired(now)).map(|one| one.stack).collect())
    }

    async fn one(&self, session: &Session, stream: &EventStream) -> Result<Exit> {
        let asked = Options {
            delete_adopted: self.delete_adopted,
            targets: self.target.clone(),
            ..Options::default()
        };
        let plan = plan::teardown(&session.stack, &session.cloud, &asked).await?;
        report::planned(&plan, self.format, stream);
        if plan.finds_nothing() && session.stack.is_unwritten() {
            report::warning(&format!(
                "nothing in the project {} bears the marks of a stack {}: `provision stacks` lists those that are there",
                plan.project, plan.stack
            ));
        }
        let (allowed, pace) = (self.leave.allowed(), self.pace.pace());
        let ask = (!self.leave.yes).then_some("delete these changes");
        let exit = CarryOut { allowed, pace, ask, stream }.carry_out(session, &plan).await?;
        if exit == Exit::Interrupted {
            return Ok(exit);
        }
        let all = Options { targets: Vec::new(), ..asked };
        let look = async || {
            let left = plan::teardown(&session.stack, &session.cloud, &all).await?;
            Ok(left.left_of(&plan))
        };
        let remains = what_remains(session, &plan.targets, stream, look).await?;
        Ok(if exit == Exit::Done { remains } else { exit })
    }
}

/// Looks for what should be gone, and tells of it: nothing is left billing because something said that
/// it was deleted. With targets, only they are meant.
pub(super) async fn what_remains(
    session: &Session,
    targets: &[String],
    stream: &EventStream,
    look: impl AsyncFn() -> Result<Plan>,
) -> Result<Exit> {
    let mut left = look().await?;
    for pause in PAUSES {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        left = look().await?;
    }
    if left.is_empty() {
        let kept =
            if left.kept.is_empty() { String::new() } else { format!(" but {}", left.kept.join(", ")) };
        let what = match targets.is_empty() {
            true => format!("the stack {}", session.stack.owner()),
            false => targets.join(", "),
        };
        report::note(&format!("nothing of {what} remains{kept}"));
        return Ok(Exit::Done);
    }
    report::note(&remains_text(&remains::of(&left)?, &session.words, left.local));
    for change in left.changes() {
        stream.remains(&change.address);
    }
    Ok(Exit::Remains)
}
