//! `provision apply`, and what other commands that change the cloud share with it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use tokio_util::task::AbortOnDropHandle;

use super::grow::{grow, with_growths};
use super::guard::permit;
use super::interrupt::{self, Claim};
use super::launch::time;
use super::plan::AskedArgs;
use super::session::{Session, StackArgs};
use crate::apply::{self, Halt, Pace};
use crate::events::Event;
use crate::exit::Exit;
use crate::plan::{self, Allowed, Plan};
use crate::report::{self, ApplyReport, EventStream, PlanFormat, Style};
use crate::saved::{self, Saved};
use crate::stack::AnyTime;

/// Makes the cloud match stack.toml, or carries out a saved plan.
#[derive(Args)]
#[command(after_help = "Examples:
  provision apply                        shows the plan and asks
  provision apply --yes                  does not ask
  provision apply plan.json              what `provision plan --out plan.json` showed, and nothing else
  provision apply --adopt topic.items    takes over a topic that is there already
  provision apply --target job.fx        that job, and what it needs
  provision apply --yes --format json    one object a line, as it happens

What moved since its change was planned is left as it is, with all that waits for it; the rest is done, and the
exit code is 3.")]
pub(super) struct Apply {
    /// A file that `provision plan --out FILE` wrote. It was looked at already: nobody is asked.
    #[arg(value_name = "PLAN", conflicts_with_all = ["delete_data", "interrupt_runs", "adopt", "delete_adopted", "prune_grants", "target", "downgrade"])]
    saved: Option<PathBuf>,
    #[command(flatten)]
    pub(super) stack: StackArgs,
    #[command(flatten)]
    asked: AskedArgs,
    /// How the plan is written; as JSON all that happens afterwards is, too, one object a line.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    #[command(flatten)]
    leave: Leave,
    #[command(flatten)]
    pace: PaceArgs,
}

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

impl Apply {
    pub(super) async fn run(self) -> Result<Exit> {
        let stream = EventStream::of("apply", self.format);
        let result = interrupt::or_stop(Box::pin(self.apply(&stream))).await;
        end(&stream, &result);
        result
    }

    async fn apply(self, stream: &EventStream) -> Result<Exit> {
        let session = self.stack.open().await?;
        let pace = self.pace.pace();
        if let Some(path) = &self.saved {
            let Saved { plan, allowed } = read(path, &session).await?;
            report::planned(&plan, self.format, stream);
            return Errand { allowed, pace, yes: true, verb: "apply", stream }
                .carry_out(&session, &plan)
                .await;
        }
        session.stack.secrets_are_here()?;
        let allowed = self.leave.allowed();
        let look = || async {
            let asked = self.asked.asked();
            let planning = plan::asked(&session.stack, &session.cloud, &asked);
            with_growths(&session, &asked.targets, planning).await
        };
        let mut plan = look().await?;
        report::planned(&plan, self.format, stream);
        // What was confirmed is what is done: as long as the question was open things may have moved.
        while !self.leave.yes && !plan.is_idle() {
            permit(&session, &plan, allowed).await?;
            plan.readiness()?;
            agree(false, "apply these changes")?;
            let now = look().await?;
            let moved = report::moved_text(&plan, &now, Style::of_stderr());
            plan = now;
            if moved.is_empty() {
                break;
            }
            report::note(&format!("since the plan above was made, this has changed:\n{moved}"));
            stream.plan(&plan);
        }
        Errand { allowed, pace, yes: true, verb: "apply", stream }.carry_out(&session, &plan).await
    }
}

/// Writes the last line of a command that tells what happens as it happens.
pub(super) fn end(stream: &EventStream, result: &Result<Exit>) {
    match result {
        Ok(exit) => stream.summary(*exit, None),
        Err(error) => stream.summary(super::exit_of(error), Some(error)),
    }
}

/// Reads a saved plan, which must be one of this stack in this project.
async fn read(path: &Path, session: &Session) -> Result<Saved> {
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
    let plan = plan.protecting(&session.stack.header.protect);
    if plan.desired == plan::hash(&plan::wanted(&session.stack, project)?) {
        let targets = plan.targets.clone();
        let plan = with_growths(session, &targets, async { Ok(plan) }).await?;
        return Ok(Saved { plan, allowed });
    }
    report::warning(&format!(
        "{} has changed since {name} was made; what is done is what the plan shows",
        session.stack.path.display()
    ));
    Ok(Saved { plan, allowed })
}

/// How a plan is to be carried out.
pub(super) struct Errand<'a> {
    /// What it may destroy.
    pub allowed: Allowed,
    pub pace: Pace,
    /// Whether it is agreed already.
    pub yes: bool,
    /// What is done, for the question.
    pub verb: &'a str,
    /// Where programs hear of it.
    pub stream: &'a EventStream,
}

impl Errand<'_> {
    /// Asks, and carries a plan out.
    pub(super) async fn carry_out(&self, session: &Session, plan: &Plan) -> Result<Exit> {
        let Self { allowed, pace, yes, verb, stream } = *self;
        permit(session, plan, allowed).await?;
        plan.readiness()?;
        if plan.is_idle() {
            return Ok(Exit::Done);
        }
        agree(yes, &format!("{verb} these changes"))?;
        let interrupt = Interrupt::listen(pace.grace);
        let told = ApplyReport::new();
        let watch = |event: &Event<'_>| {
            told.hear(event);
            stream.hear(event);
        };
        let applied = apply::run(plan, &session.cloud, allowed, pace, &interrupt.halt, &watch).await;
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

/// Asks whether to do something, unless it is agreed already.
pub(super) fn agree(yes: bool, what: &str) -> Result<()> {
    match yes.then_some(true).or_else(|| report::ask(&format!("{what}?"))) {
        Some(true) => Ok(()),
        Some(false) => bail!("nothing was changed"),
        None => bail!("nobody to ask: add --yes to {what}"),
    }
}

/// Hears Ctrl-C for as long as a plan is carried out.
struct Interrupt {
    halt: Halt,
    _claim: Claim,
    _listener: AbortOnDropHandle<()>,
}

impl Interrupt {
    /// The first one lets nothing new begin and waits for the rest, the second one waits for nothing.
    fn listen(grace: Duration) -> Self {
        let halt = Halt::default();
        let (stopped, claim) = (halt.clone(), Claim::new());
        let (first, second, third) = (claim.heard(1), claim.heard(2), claim.heard(3));
        let listener = async move {
            first.await;
            report::note(&format!(
                "stopping: what is under way is waited for, {} at most (again: leave at once)",
                AnyTime::clamped(grace.as_secs())
            ));
            stopped.stop.cancel();
            second.await;
            stopped.leave.cancel();
            // Leaving takes no time, unless something is wrong with this program.
            third.await;
            std::process::exit(Exit::Interrupted as i32);
        };
        Self { halt, _claim: claim, _listener: AbortOnDropHandle::new(tokio::spawn(listener)) }
    }
}
