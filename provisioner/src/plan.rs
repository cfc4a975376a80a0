//! A plan: what would be done, in which order, and what of it is refused. Changes nothing.

use anyhow::{Result, bail};

use crate::cloud::{Cloud, PROTECT};
use crate::diff::{self, Action, Change};
use crate::graph::Graph;
use crate::observe;
use crate::resource::Desired;
use crate::stack::Stack;
use crate::{kinds, resource::Address};

/// What would make the cloud match the stack.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The stack's owner name.
    pub stack: String,
    /// The project's id.
    pub project: String,
    /// Whether the cloud is the local one.
    pub local: bool,
    /// Its changes, in order.
    pub graph: Graph,
    protected: Vec<String>,
    /// Whether there is no file, so that only labels tell what is protected.
    by_labels: bool,
}

/// What a plan's changes may destroy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// Buckets with their objects.
    pub delete_data: bool,
    /// Anything under an open run.
    pub interrupt_runs: bool,
}

/// Changes that are not made without leave.
#[derive(Debug, thiserror::Error)]
#[error("refused:\n{}", .0.join("\n"))]
pub(crate) struct Refused(pub Vec<String>);

/// Plans a stack.
pub(crate) async fn of(stack: &Stack, cloud: &Cloud) -> Result<Plan> {
    between(stack, stack.resources(&cloud.project)?, cloud).await
}

/// Plans the end of a stack: the same, with nothing in it.
pub(crate) async fn teardown(stack: &Stack, cloud: &Cloud) -> Result<Plan> {
    between(stack, Vec::new(), cloud).await
}

async fn between(stack: &Stack, desired: Vec<Desired>, cloud: &Cloud) -> Result<Plan> {
    let observed = observe::all(&desired, cloud).await?;
    let fixed = |kind: &str| kinds::named(kind).map_or(&[][..], |kind| kind.fixed());
    let changes = match diff::between(&desired, observed, fixed) {
        Ok(changes) => changes,
        Err(conflicts) => {
            bail!("{}", conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    };
    Ok(Plan {
        stack: stack.owner().to_owned(),
        project: cloud.project.id.clone(),
        local: cloud.project.local,
        graph: ordered(changes),
        protected: stack.header.protect.clone(),
        by_labels: stack.is_unwritten(),
    })
}

fn ordered(changes: Vec<Change>) -> Graph {
    Graph::of(changes, |kind| kinds::named(kind).map_or(&[][..], |kind| kind.deleted_after()))
}

impl Plan {
    /// The changes, in order.
    #[must_use]
    pub(crate) fn changes(&self) -> &[Change] {
        &self.graph.changes
    }

    /// The last of the changes that the one at `at` waits for, for people.
    pub(crate) fn after(&self, at: usize) -> Option<&Address> {
        let waits = self.graph.waits_for.get(at)?;
        waits.last().map(|&w| &self.graph.changes[w].address)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.graph.changes.is_empty()
    }

    /// How many changes of a kind there are.
    #[must_use]
    pub(crate) fn count(&self, action: Action) -> usize {
        self.changes().iter().filter(|change| change.action == action).count()
    }

    /// Whether something would be deleted or replaced.
    #[must_use]
    pub(crate) fn is_destructive(&self) -> bool {
        self.changes().iter().any(Change::is_destructive)
    }

    /// The plan without what holds data, and what that is, for people.
    pub(crate) fn sparing_data(mut self) -> (Self, Vec<String>) {
        let holds = |change: &Change| change.live.as_ref().and_then(|live| live.holds.clone());
        let (kept, changes): (Vec<_>, Vec<_>) = { self.graph.changes }
            .into_iter()
            .partition(|change| change.is_destructive() && holds(change).is_some());
        let says = |kept: &Change| format!("{} with {}", kept.address, holds(kept).unwrap_or_default());
        let kept = kept.iter().map(says).collect();
        self.graph = ordered(changes);
        (self, kept)
    }

    /// What of the plan is not done without leave.
    pub(crate) fn check(&self, allowed: Allowed) -> Result<(), Refused> {
        let refused: Vec<String> =
            self.changes().iter().filter_map(|change| self.refusal(change, allowed)).collect();
        if refused.is_empty() { Ok(()) } else { Err(Refused(refused)) }
    }

    fn refusal(&self, change: &Change, allowed: Allowed) -> Option<String> {
        if !change.is_destructive() {
            return None;
        }
        let Change { address, action, .. } = change;
        let done = if *action == Action::Delete { "deleted" } else { "replaced" };
        if self.protected.iter().any(|protected| *protected == address.to_string()) {
            return Some(format!("{address} would be {done}, but [stack] protect names it"));
        }
        let live = change.live.as_ref()?;
        if self.by_labels && live.fields["labels"].get(PROTECT).is_some() {
            return Some(format!(
                "{address} would be {done}, but its label {PROTECT} protects it: [stack] protect of its file named it"
            ));
        }
        let holds = live.holds.as_ref()?;
        (!allowed.delete_data)
            .then(|| format!("{address} would be {done} with {holds}: add --delete-data if they may go"))
    }
}

impl Change {
    /// Whether it deletes or replaces.
    #[must_use]
    pub(crate) fn is_destructive(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Replace)
    }
}

#[cfg(test)]
impl Plan {
    /// A plan of the local project `p`.
    pub(crate) fn for_test(stack: &str, graph: Graph) -> Self {
        Self {
            stack: stack.into(),
            project: "p".into(),
            local: true,
            graph,
            protected: Vec::new(),
            by_labels: false,
        }
    }
}
