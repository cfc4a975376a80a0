//! `provision apply`, and what other commands that change the cloud share with it.

use anyhow::{Result, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::session::{Session, StackArgs};
use crate::apply;
use crate::exit::Exit;
use crate::plan::{self, Allowed};
use crate::report::{self, ApplyReport, PlanFormat};

/// Makes the cloud match stack.toml.
#[derive(Args)]
pub(super) struct Apply {
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    #[command(flatten)]
    leave: Leave,
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

impl Apply {
    pub(super) async fn run(self) -> Result<Exit> {
        let session = self.stack.open().await?;
        session.stack.secrets_are_here()?;
        let plan = plan::of(&session.stack, &session.cloud).await?;
        report::plan(&plan, self.format);
        carry_out(&session, &plan, self.leave.allowed(), self.leave.yes, "apply").await
    }
}

/// Asks, and carries a plan out.
pub(super) async fn carry_out(
    session: &Session,
    plan: &plan::Plan,
    allowed: Allowed,
    yes: bool,
    verb: &str,
) -> Result<Exit> {
    super::guard::runs(session, plan, allowed).await?;
    plan.check(allowed)?;
    if plan.is_empty() {
        return Ok(Exit::Done);
    }
    agree(yes, &format!("{verb} these changes"))?;
    let interrupt = Interrupt::listen();
    let told = ApplyReport::new();
    let applied = apply::run(plan, &session.cloud, allowed, &interrupt.stop, &|event| told.hear(event)).await;
    session.cloud.forget().await;
    ApplyReport::summary(&applied);
    match applied {
        applied if applied.failed.is_empty() && applied.skipped.is_empty() => Ok(Exit::Done),
        applied if applied.interrupted => Ok(Exit::Interrupted),
        _ => Ok(Exit::Error),
    }
}

/// Asks whether to do something, unless it is agreed already.
pub(super) fn agree(yes: bool, what: &str) -> Result<()> {
    match yes.then_some(true).or_else(|| report::ask(&format!("{what}?"))) {
        Some(true) => Ok(()),
        Some(false) => bail!("nothing was changed"),
        None => bail!("nobody to ask: add --yes to {what}"),
    }
}

/// Hears Ctrl-C and SIGTERM for as long as it lives.
struct Interrupt {
    /// Cancelled by the first one; the second one leaves at once.
    stop: CancellationToken,
    _listener: AbortOnDropHandle<()>,
}

impl Interrupt {
    fn listen() -> Self {
        let stop = CancellationToken::new();
        let cancelled = stop.clone();
        let listener = async move {
            interrupted().await;
            report::note("stopping: what is under way is finished first (again: leave at once)");
            cancelled.cancel();
            interrupted().await;
            report::note("left: what was under way goes on in the cloud; run the same command again");
            std::process::exit(Exit::Interrupted as i32);
        };
        Self { stop, _listener: AbortOnDropHandle::new(tokio::spawn(listener)) }
    }
}

/// Ends with Ctrl-C or SIGTERM.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return drop(tokio::signal::ctrl_c().await);
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
