//! `provision apply`, and what other commands that change the cloud share with it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::guard::permit;
use super::plan::AskedArgs;
use super::session::{Session, StackArgs};
use crate::apply;
use crate::exit::Exit;
use crate::plan::{self, Allowed, Plan};
use crate::report::{self, ApplyReport, PlanFormat, Style};
use crate::saved::{self, Saved};

/// Makes the cloud match stack.toml, or carries out a saved plan.
#[derive(Args)]
#[command(after_help = "Examples:
  provision apply                        shows the plan and asks
  provision apply --yes                  does not ask
  provision apply plan.json              what `provision plan --out plan.json` showed, and nothing else
  provision apply --adopt topic.items    takes over a topic that is there already

What moved since its change was planned is left as it is, with all that waits for it; the rest is done, and the
exit code is 3.")]
pub(super) struct Apply {
    /// A file that `provision plan --out` wrote. It was looked at already: nobody is asked.
    #[arg(value_name = "PLAN", conflicts_with_all = ["delete_data", "interrupt_runs", "adopt", "delete_adopted", "prune_grants"])]
    saved: Option<PathBuf>,
    #[command(flatten)]
    pub(super) stack: StackArgs,
    #[command(flatten)]
    asked: AskedArgs,
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
        if let Some(path) = &self.saved {
            let Saved { plan, allowed } = read(path, &session)?;
            report::plan(&plan, self.format);
            return carry_out(&session, &plan, allowed, true, "apply").await;
        }
        session.stack.secrets_are_here()?;
        let allowed = self.leave.allowed();
        let look = || async { plan::asked(&session.stack, &session.cloud, &self.asked.asked()).await };
        let mut plan = look().await?;
        report::plan(&plan, self.format);
        // What was confirmed is what is done: as long as the question was open things may have moved.
        while !self.leave.yes && !plan.is_empty() {
            permit(&session, &plan, allowed).await?;
            plan.is_ready()?;
            agree(false, "apply these changes")?;
            let now = look().await?;
            let moved = report::moved_text(&plan, &now, Style::of_stderr());
            plan = now;
            if moved.is_empty() {
                break;
            }
            report::note(&format!("since the plan above was made, this has changed:\n{moved}"));
        }
        carry_out(&session, &plan, allowed, true, "apply").await
    }
}

/// Reads a saved plan, which must be one of this stack in this project.
fn read(path: &Path, session: &Session) -> Result<Saved> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let Saved { plan, allowed } = saved::read(&text).with_context(|| name.to_string())?;
    let (stack, project) = (session.stack.owner(), &session.cloud.project);
    if plan.stack != stack {
        bail!("{name} is a plan of the stack {}, and this is {stack}", plan.stack);
    }
    if plan.project != project.id || plan.local != project.local {
        let place = |local| if local { "the local cloud" } else { "Google's" };
        bail!(
            "{name} is a plan for the project {} of {}, and this is {} of {}",
            plan.project,
            place(plan.local),
            project.id,
            place(project.local)
        );
    }
    if plan.desired != plan::hash(&plan::wanted(&session.stack, project)?) {
        report::warning(&format!(
            "{} has changed since {name} was made; what is done is what the plan shows",
            session.stack.path.display()
        ));
    }
    Ok(Saved { plan: plan.protecting(&session.stack.header.protect), allowed })
}

/// Asks, and carries a plan out.
pub(super) async fn carry_out(
    session: &Session,
    plan: &Plan,
    allowed: Allowed,
    yes: bool,
    verb: &str,
) -> Result<Exit> {
    permit(session, plan, allowed).await?;
    plan.is_ready()?;
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
        applied if applied.is_stale() => Ok(Exit::Stale),
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
