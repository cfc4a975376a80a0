//! One try of one change: a fresh look, the write if nothing that counts has moved, and a look
//! afterwards where the service cannot refuse what is out of date.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::cause::SPEC;
use crate::change::{Action, Change};
use crate::cloud::{Cloud, errors};
use crate::kinds::{self, AnyKind, Place};
use crate::plan::Allowed;
use crate::recheck::{Kept, Moved, Stale, Verdict, compare, read_back, recheck};
use crate::resource::{ADOPTED, Live, Owner, Revision};
use crate::stack::Labels;

/// A write that somebody else decided on before ours may still be on its way when ours is done: it
/// is waited for this many times as long as our own look and write took, within these bounds.
const WINDOWS: u32 = 3;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// How often an answer that knows nothing of our write yet is asked for again.
const LOOKS: u32 = 6;

/// A creation was refused because something is there, and nothing is: what was there may be going, or
/// ours may not be seen everywhere yet.
#[derive(Debug, thiserror::Error)]
#[error("said to be there already, and not to be seen")]
pub(super) struct NotSeen;

/// How a change came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// By a try of ours.
    Made,
    /// It was as wanted before we tried.
    WasSo,
}

/// A change on its way.
pub(super) struct Work<'a> {
    change: &'a Change,
    kind: &'static dyn AnyKind,
    cloud: &'a Cloud,
    allowed: Allowed,
    progress: &'a (dyn Fn(&str) + Send + Sync),
    /// Whether a try of ours may have had an effect.
    tried: bool,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        change: &'a Change,
        cloud: &'a Cloud,
        allowed: Allowed,
        progress: &'a (dyn Fn(&str) + Send + Sync),
    ) -> Result<Self> {
        let kind = kinds::named(change.address.kind).context("a change of no kind")?;
        Ok(Self { change, kind, cloud, allowed, progress, tried: false })
    }

    /// One try. A [`Stale`] says that the change is not what was shown any more.
    pub(super) async fn go(&mut self) -> Result<Outcome> {
        let began = Instant::now();
        let fresh = if self.looks_first() { self.look().await? } else { None };
        match recheck(self.change, fresh.as_ref(), self.tried) {
            Verdict::GoOn => {}
            Verdict::Done => return Ok(self.done_already()),
            Verdict::Stale(stale) => return Err(stale.into()),
        }
        let written = self.write(fresh.as_ref()).await;
        match written {
            Err(error) if self.creates() && errors::is_already_there(&error) => {
                return self.compare(error).await;
            }
            Err(error) if self.change.action == Action::Update && errors::is_not_found(&error) => {
                let fresh = self.look().await?;
                return Err(match recheck(self.change, fresh.as_ref(), self.tried) {
                    Verdict::Stale(stale) => stale.into(),
                    Verdict::GoOn | Verdict::Done => error,
                });
            }
            Err(error) => {
                // What was refused for being out of date had no effect; but of several calls that make
                // one update the first may have had theirs.
                self.tried |= self.kind.updates_blindly() || !errors::is_race(&error);
                return Err(error);
            }
            Ok(()) => self.tried = true,
        }
        if self.is_blind() {
            self.look_again(began.elapsed()).await?;
        }
        Ok(Outcome::Made)
    }

    /// What was done before: by an earlier try of ours, or before we began.
    fn done_already(&self) -> Outcome {
        if self.tried { Outcome::Made } else { Outcome::WasSo }
    }

    fn creates(&self) -> bool {
        matches!(self.change.action, Action::Create | Action::Replace)
    }

    /// A creation that would be refused if something were there needs no look.
    fn looks_first(&self) -> bool {
        self.change.action != Action::Create || self.kind.creates_over()
    }

    /// Whether the service writes whatever is there.
    fn is_blind(&self) -> bool {
        match self.change.action {
            Action::Create => self.kind.creates_over(),
            Action::Update => self.kind.updates_blindly(),
            Action::Replace | Action::Delete | Action::Release | Action::Rename => false,
        }
    }

    async fn write(&self, fresh: Option<&Live>) -> Result<()> {
        let change = self.change;
        let address = &change.address;
        let progress = |text: String| (self.progress)(&text);
        let revision = fresh.map(|live| live.revision.clone()).unwrap_or_default();
        let marks = self.marks(fresh);
        let place = Place {
            key: &address.key,
            id: change.id(),
            delete_data: self.allowed.delete_data,
            revision: &revision,
            marks: marks.as_ref(),
            progress: &progress,
        };
        match change.action {
            Action::Create => self.kind.create(self.cloud, wanted(change)?, &place).await,
            Action::Update => {
                self.kind.update(self.cloud, wanted(change)?, &place, &change.changed_fields()).await
            }
            Action::Replace => {
                if let Some(live) = fresh {
                    self.kind.delete(self.cloud, &live.fields, &place).await?;
                }
                let anew = Place { revision: &Revision::default(), ..place };
                self.kind.create(self.cloud, wanted(change)?, &anew).await
            }
            Action::Delete => {
                let live = fresh.or(change.live.as_ref()).context("a deletion of nothing")?;
                self.kind.delete(self.cloud, &live.fields, &place).await
            }
            Action::Rename => {
                let live = fresh.context("nothing to rename")?;
                self.kind.relabel(self.cloud, &live.fields, &place).await
            }
            Action::Release => {
                let live = fresh.context("nothing to let go")?;
                self.kind.update(self.cloud, &live.fields, &place, &["labels".to_owned()]).await
            }
        }
    }

    /// The marks that the resource is to bear: those that it has, what the stack says now, and
    /// whether it was there before.
    fn marks(&self, fresh: Option<&Live>) -> Option<Labels> {
        if self.change.action == Action::Rename {
            return fresh.map(|live| live.revision.marks.clone());
        }
        let want = self.change.desired.as_ref()?;
        let mut marks = match (self.change.action, fresh) {
            (Action::Update, Some(live)) => live.revision.marks.clone(),
            _ => Labels::new(),
        };
        marks.extend(want.spec.clone().map(|spec| (SPEC.to_owned(), spec)));
        if self.change.action == Action::Update && fresh.is_some_and(|live| live.owner == Owner::Nobody) {
            marks.insert(ADOPTED.to_owned(), "true".to_owned());
        }
        Some(marks)
    }

    /// A creation that finds the thing there is not yet a failure: our own first try may have
    /// succeeded with its answer lost, or somebody else wants the same.
    async fn compare(&self, error: anyhow::Error) -> Result<Outcome> {
        let Some(live) = self.look().await? else { return Err(error.context(NotSeen)) };
        match compare(self.change, &live) {
            Verdict::Done => Ok(self.done_already()),
            // Whether it is as wanted cannot be seen, and it is not ours to write.
            Verdict::GoOn | Verdict::Stale(Stale { moved: Moved::Taken, .. }) => Err(error),
            Verdict::Stale(stale) => Err(stale.into()),
        }
    }

    /// Whether what was written is what is there, once whoever wrote at the same time is done.
    async fn look_again(&self, window: Duration) -> Result<()> {
        let mut rest = (window * WINDOWS).clamp(SHORTEST, LONGEST);
        let mut looks = 0;
        loop {
            tokio::time::sleep(rest).await;
            looks += 1;
            let fresh = self.look().await?;
            match read_back(self.change, fresh.as_ref()) {
                Kept::Ours => return Ok(()),
                Kept::NotYet if looks < LOOKS => rest = (rest * 2).min(LONGEST),
                Kept::NotYet => {
                    return Err(Stale { moved: Moved::Overwritten, now: self.change.fields.clone() }.into());
                }
                Kept::Lost(stale) => return Err(stale.into()),
            }
        }
    }

    /// What is there now.
    async fn look(&self) -> Result<Option<Live>> {
        let looked_for = self.change.looked_for().context("a change of nothing")?;
        self.kind.forget(self.cloud, &looked_for.id).await;
        self.kind.observe(self.cloud, &looked_for).await
    }
}

fn wanted(change: &Change) -> Result<&serde_json::Value> {
    Ok(&change.desired.as_ref().context("a change without a wish")?.fields)
}
