//! `provision rename`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::carry_out::{CarryOut, PaceArgs, agree, streamed};
use super::files;
use super::session::StackArgs;
use crate::exit::Exit;
use crate::plan::Allowed;
use crate::rename::{self, Names};
use crate::report::{self, EventStream, PlanFormat};
use crate::stack::{Stack, renamed, stack_name};
use crate::stacks;
use crate::text_file;

/// Gives a stack another name: its resources stay what and where they are, and their marks name it anew.
#[derive(Args)]
#[command(after_help = "Examples:
  provision rename fx rates              shows what is marked anew, asks, and writes the file's [stack]
  provision rename fx rates --yes        does not ask
  provision rename fx-prod rates-prod --env prod

Names in the cloud cannot be changed: they go on beginning with the old one, which `prefix` in [stack] says. Open
runs go on. A rename that was interrupted is finished by the same command.")]
pub(super) struct Rename {
    /// Its name until now.
    #[arg(value_name = "OLD", value_parser = stack_name)]
    old: String,
    /// Its name from now on.
    #[arg(value_name = "NEW", value_parser = stack_name)]
    new: String,
    #[command(flatten)]
    pub(super) stack: StackArgs,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// How the plan is written; as JSON all that happens afterwards is, too, one object a line.
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
    #[command(flatten)]
    pace: PaceArgs,
}

impl Rename {
    pub(super) async fn run(self) -> Result<Exit> {
        streamed("rename", self.format, async |stream| self.rename(stream).await).await
    }

    async fn rename(&self, stream: &EventStream) -> Result<Exit> {
        let names = Names { old: self.old.clone(), new: self.new.clone() };
        let file = self.stack.file.file.display();
        let read = || Stack::read(&self.stack.file);
        let said = read()?;
        if names.old == names.new {
            bail!("it is called {} already", names.new);
        }
        if ![&names.old, &names.new].contains(&&said.header.name) {
            bail!("{file} is of the stack {}, and this renames {} to {}", said.owner(), names.old, names.new);
        }
        let words = self.stack.file.words();
        let mut old = self.stack.open_as(said.called(&names.old, &names.old), &words).await?;
        let prefix = rename::prefix(&stacks::all(&old.cloud).await?, &names)?;
        old.cloud.prefix.clone_from(&prefix);
        let new = self.stack.open_as(read()?.called(&names.new, &prefix), &words).await?;

        let plan = rename::plan(&old.cloud, &new.cloud, &names).await?;
        report::planned(&plan, self.format, stream);
        let edit = self.edit(&prefix)?;
        if plan.is_empty() && matches!(edit, Edit::Done) {
            return Ok(Exit::Done);
        }
        if let Edit::Write(_) = edit {
            report::note(&format!("{file} will say: {}", self.says(&prefix)));
        }
        if !self.yes {
            agree(&format!("rename {} to {}", names.old, names.new))?;
        }
        let (allowed, pace) = (Allowed::default(), self.pace.pace());
        let told = CarryOut { allowed, pace, ask: None, stream }.carry_out(&new, &plan).await?;
        match edit {
            _ if told != Exit::Done => report::note("the same command again goes on with the rest"),
            Edit::Done => {}
            Edit::Write(text) => files::write(&self.path()?, &text)?,
            Edit::ByHand => report::note(&format!("now write in [stack]: {}", self.says(&prefix))),
        }
        Ok(told)
    }

    /// What becomes of the file.
    fn edit(&self, prefix: &str) -> Result<Edit> {
        let source = &self.stack.file;
        let now = Stack::read(source)?;
        if now.owner() == self.new && now.header.prefix() == prefix {
            return Ok(Edit::Done);
        }
        if source.env.is_some() || !source.set.is_empty() {
            return Ok(Edit::ByHand);
        }
        let path = self.path()?;
        let text = text_file::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(renamed(&source.file, &text, &self.new, prefix).map_or(Edit::ByHand, Edit::Write))
    }

    /// The file itself, and not a link to it.
    fn path(&self) -> Result<std::path::PathBuf> {
        let path: &Path = &self.stack.file.file;
        path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
    }

    fn says(&self, prefix: &str) -> String {
        let Some(env) = &self.stack.file.env else {
            return format!("name = \"{}\", prefix = \"{prefix}\"", self.new);
        };
        format!("name = \"{}\", prefix = \"{prefix}\", in stack.{env}.toml, where both stand whole", self.new)
    }
}

/// What becomes of the file.
enum Edit {
    /// It says so already.
    Done,
    /// This is its text.
    Write(String),
    /// Where to write it is for people to say.
    ByHand,
}
