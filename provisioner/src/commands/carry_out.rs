//! Carries a plan out: what commands that change the cloud have in common, from what they may do to how
//! they end.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use super::grow::grow;
use super::guard::permit;
use super::interrupt::{self, Stopping};
use super::launch::time;
use super::session::Session;
use crate::apply::{self, Pace};
use crate::events::Event;
use crate::exit::Exit;
use crate::plan::{Allowed, Plan};
use crate::report::{self, ApplyReport, EventStream, PlanFormat};

/// How a plan is carried out.
#[derive(Args)]
pub(super) struct PaceArgs {
    /// Changes made at the same time, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallelism: u8,
    /// How long Ctrl-C waits for what is under way before it leaves.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    grace: Duration,
}

impl PaceArgs {
    pub(super) fn pace(&self) -> Pace {
        Pace { parallelism: self.parallelism.into(), grace: self.grace }
    }
}

/// What a command may do without asking.
#[derive(Args)]
pub(super) struct Leave {
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Delete or replace buckets with their objects.
    #[arg(long)]
    delete_data: bool,
    /// Delete or replace what an open run needs.
    #[arg(long)]
    interrupt_runs: bool,
}

impl Leave {
    pub(super) fn allowed(&self) -> Allowed {
        Allowed { delete_data: self.delete_data, interrupt_runs: self.interrupt_runs }
    }
}

/// How a plan is to be carried out.
pub(super) struct CarryOut<'a> {
    /// What it may destroy.
    pub allowed: Allowed,
    pub pace: Pace,
    /// What is asked first, unless it is agreed already.
    pub ask: Option<&'a str>,
    /// Where programs hear of it.
    pub stream: &'a EventStream,
}

impl CarryOut<'_> {
    pub(super) async fn carry_out(&self, session: &Session, plan: &Plan) -> Result<Exit> {
        let Self { allowed, pace, ask, stream } = *self;
        permit(session, plan, allowed).await?;
        plan.readiness()?;
        if plan.is_idle() {
            return Ok(Exit::Done);
        }
        if let Some(what) = ask {
            agree(what)?;
        }
        let stopping = Stopping::listen(pace.grace);
        let told = ApplyReport::new();
        let watch = |event: &Event<'_>| {
            told.hear(event);
            stream.hear(event);
        };
        let applied = apply::run(plan, &session.cloud, allowed, pace, &stopping.halt, &watch).await;
        session.cloud.forget().await;
        ApplyReport::summary(&applied);
        Ok(match applied {
            applied if applied.is_whole() => {
                grow(session, plan, stream).await?;
                Exit::Done
            }
            applied if applied.interrupted => Exit::Interrupted,
            applied if applied.is_stale() => Exit::Stale,
            _ => Exit::Error,
        })
    }
}

/// Asks whether to do something.
pub(super) fn agree(what: &str) -> Result<()> {
    match report::ask(&format!("{what}?")) {
        Some(true) => Ok(()),
        Some(false) => bail!("nothing was changed"),
        None => bail!("nobody to ask: add --yes to {what}"),
    }
}

/// A command that tells programs what happens as it happens, and at the end what it came to, even where
/// it was told to stop.
pub(super) async fn streamed(
    command: &'static str,
    format: PlanFormat,
    work: impl AsyncFnOnce(&EventStream) -> Result<Exit>,
) -> Result<Exit> {
    let stream = EventStream::of(command, format);
    let result = interrupt::or_stop(Box::pin(work(&stream))).await;
    end(&stream, &result);
    result
}

/// Writes the last line of a command that tells what happens as it happens.
pub(super) fn end(stream: &EventStream, result: &Result<Exit>) {
    match result {
        Ok(exit) => stream.summary(*exit, None),
        Err(error) => stream.summary(super::exit_of(error), Some(error)),
    }
}
