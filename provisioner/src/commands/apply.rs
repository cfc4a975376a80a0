//! `provision apply`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::carry_out::{CarryOut, Leave, PaceArgs, agree, streamed};
use super::grow::with_growths;
use super::guard::permit;
use super::plan::AskedArgs;
use super::session::{Session, StackArgs};
use crate::exit::Exit;
use crate::plan;
use crate::report::{self, EventStream, PlanFormat, Style};
use crate::saved::{self, Saved};
use crate::text_file;

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

impl Apply {
    pub(super) async fn run(self) -> Result<Exit> {
        streamed("apply", self.format, async |stream| self.apply(stream).await).await
    }

    async fn apply(self, stream: &EventStream) -> Result<Exit> {
        // A plan for the other cloud is told before that one is asked for anything.
        let saved = self.saved.as_deref().map(|path| read(path, self.stack.cloud.local)).transpose()?;
        let session = self.stack.open().await?;
        let pace = self.pace.pace();
        if let (Some(path), Some(saved)) = (&self.saved, saved) {
            let Saved { plan, allowed } = of_this_stack(saved, path, &session).await?;
            report::planned(&plan, self.format, stream);
            return CarryOut { allowed, pace, ask: None, stream }.carry_out(&session, &plan).await;
        }
        session.stack.secrets_are_here()?;
        let allowed = self.leave.allowed();
        let look = || async {
            let asked = self.asked.asked();
            let planning = plan::of(&session.stack, &session.cloud, &asked);
            with_growths(&session, &asked.targets, planning).await
        };
        let mut plan = look().await?;
        report::planned(&plan, self.format, stream);
        // What was confirmed is what is done: as long as the question was open things may have moved.
        while !self.leave.yes && !plan.is_idle() {
            permit(&session, &plan, allowed).await?;
            plan.readiness()?;
            agree("apply these changes")?;
            let now = look().await?;
            let moved = report::moved_text(&plan, &now, Style::of_stderr());
            plan = now;
            if moved.is_empty() {
                break;
            }
            report::note(&format!("since the plan above was made, this has changed:\n{moved}"));
            stream.plan(&plan);
        }
        CarryOut { allowed, pace, ask: None, stream }.carry_out(&session, &plan).await
    }
}

/// Reads a saved plan, which must be for the local cloud or for Google's.
fn read(path: &Path, local: bool) -> Result<Saved> {
    let name = path.display();
    let text = text_file::read(path).with_context(|| format!("cannot read {name}"))?;
    let saved = saved::read(&text).with_context(|| name.to_string())?;
    match (saved.plan.local, local) {
        (true, false) => bail!("{name} is a plan for the local cloud: add --local"),
        (false, true) => bail!("{name} is a plan for Google's cloud: leave --local out"),
        _ => Ok(saved),
    }
}

/// A saved plan must be one of this stack in this project.
async fn of_this_stack(saved: Saved, path: &Path, session: &Session) -> Result<Saved> {
    let name = path.display();
    let Saved { plan, allowed } = saved;
    let (stack, project) = (session.stack.owner(), &session.cloud.project);
    if plan.stack != stack {
        bail!("{name} is a plan of the stack {}, and this is {stack}", plan.stack);
    }
    if plan.project != project.id {
        bail!("{name} is a plan for the project {}, and this is {}", plan.project, project.id);
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
