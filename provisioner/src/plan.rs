//! A plan: what would be done, in which order, and what of it is refused. Changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::cause::may_be_drift;
use crate::change::{Action, Change};
use crate::cloud::PROTECT;
use crate::cost::{self, Billed, CostChange};
use crate::finding::{Finding, Level, Unready};
use crate::fingerprint::digest;
use crate::graph::Graph;
use crate::kinds;
use crate::resource::{Address, Desired};

mod making;

pub(crate) use making::{of, teardown, wanted};

/// What would make the cloud match the stack.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The stack's owner name.
    pub stack: String,
    /// The project's id.
    pub project: String,
    /// Whether the cloud is the local one.
    pub local: bool,
    /// A hash of everything that the stack wants.
    pub desired: String,
    /// Its changes, in order.
    pub graph: Graph,
    /// Grants on the stack's resources that it says nothing of, and that stay.
    pub undeclared_grants: Vec<String>,
    /// What stands in the way of its changes.
    pub findings: Vec<Finding>,
    /// What is the stack's and stays all the same, because others live in it.
    pub kept: Vec<String>,
    /// What apply refuses without leave, where that was looked for.
    pub refused: Vec<String>,
    /// What of it the caller may not look at.
    pub unseen: Vec<Address>,
    /// What of the stack is billed by the hour at present; of a plan that was read from a file, unknown.
    billed: Option<Vec<Billed>>,
    /// The addresses that were asked for, if not all of it is meant.
    pub targets: Vec<String>,
    /// Changes that were left out because they were not asked for.
    pub left_out: usize,
    /// Open runs that get more workers with it.
    pub growths: Vec<Growth>,
    /// How long a change may take, where the file says so.
    pub timeouts: BTreeMap<Address, Duration>,
    protected: Vec<String>,
    /// Whether there is no file, so that only labels tell what is protected.
    by_labels: bool,
}

/// More workers for an open run, as the stack has room for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// The run.
    pub run: String,
    /// Workers that it has.
    pub from: u32,
    /// Workers that it gets.
    pub to: u32,
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

/// A hash of everything that a stack wants.
pub(crate) fn hash(desired: &[Desired]) -> String {
    // The mark is left out where it says nothing, so that files of older versions still say the same.
    let one = |want: &Desired| match want.existing {
        true => serde_json::json!([want.address, want.id, want.fields, "existing"]),
        false => serde_json::json!([want.address, want.id, want.fields]),
    };
    digest(&desired.iter().map(one).collect())
}

fn ordered(changes: Vec<Change>) -> Graph {
    Graph::of(changes, |kind| kinds::named(kind).map_or(&[][..], |kind| kind.deleted_after()))
}

impl Plan {
    /// Whether it is of an end, or of a file without resources, and there is nothing that would end.
    pub(crate) fn finds_nothing(&self) -> bool {
        let is_seen = self.unseen.is_empty() && self.findings.is_empty();
        self.is_empty() && self.desired == hash(&[]) && self.kept.is_empty() && self.left_out == 0 && is_seen
    }

    /// The plan of these changes.
    pub(crate) fn of_changes(
        stack: String,
        project: String,
        local: bool,
        desired: String,
        changes: Vec<Change>,
    ) -> Self {
        Self { stack, project, local, desired, graph: ordered(changes), ..Self::default() }
    }

    /// The same plan, in which these addresses are never deleted or replaced.
    pub(crate) fn protecting(self, protected: &[String]) -> Self {
        Self { protected: protected.to_vec(), ..self }
    }

    /// The changes, in order.
    #[must_use]
    pub(crate) fn changes(&self) -> &[Change] {
        &self.graph.changes
    }

    /// What an hour costs before the changes and after them, if the plan knows what there is.
    pub(crate) fn cost(&self) -> Option<CostChange> {
        self.billed.as_ref().map(|billed| cost::change(billed, self.changes()))
    }

    /// The last of the changes that the one at `at` waits for, for people.
    pub(crate) fn after(&self, at: usize) -> Option<&Address> {
        let waits = self.graph.waits_for.get(at)?;
        waits.last().map(|&w| &self.graph.changes[w].address)
    }

    /// Whether there is no change.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.graph.changes.is_empty()
    }

    /// Whether there is nothing to do at all.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.is_empty() && self.growths.is_empty()
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

    /// The plan without what an edit of the file, or this version's defaults, would change.
    pub(crate) fn only_drift(mut self) -> Self {
        let changes = { self.graph.changes }.into_iter();
        self.graph = ordered(changes.filter(|c| may_be_drift(c.action, &c.reason)).collect());
        self
    }

    /// What is left of an earlier plan's changes: all of this one, or of a part only that part.
    pub(crate) fn left_of(mut self, earlier: &Self) -> Self {
        if !earlier.targets.is_empty() {
            let was_meant = |change: &Change| earlier.changes().iter().any(|c| c.address == change.address);
            self.graph = ordered({ self.graph.changes }.into_iter().filter(was_meant).collect());
        }
        self
    }

    /// The plan without what holds data, and what that is, for people.
    pub(crate) fn sparing_data(mut self) -> (Self, Vec<String>) {
        let holds = |change: &Change| data(change).map(str::to_owned);
        let (kept, changes): (Vec<_>, Vec<_>) = { self.graph.changes }
            .into_iter()
            .partition(|change| change.is_destructive() && holds(change).is_some());
        let says = |kept: &Change| format!("{} with {}", kept.address, holds(kept).unwrap_or_default());
        let kept = kept.iter().map(says).collect();
        self.graph = ordered(changes);
        (self, kept)
    }

    /// Whether nothing stands in the way that would stop it halfway.
    pub(crate) fn readiness(&self) -> Result<(), Unready> {
        let is_error = |finding: &&Finding| finding.level == Level::Error;
        let errors: Vec<Finding> = self.findings.iter().filter(is_error).cloned().collect();
        if errors.is_empty() { Ok(()) } else { Err(Unready(errors)) }
    }

    /// What of the plan is not done without leave.
    pub(crate) fn refusals(&self, allowed: Allowed) -> Vec<String> {
        self.changes().iter().filter_map(|change| self.refusal(change, allowed)).collect()
    }

    fn refusal(&self, change: &Change, allowed: Allowed) -> Option<String> {
        if !change.is_destructive() {
            return None;
        }
        let Change { address, action, .. } = change;
        let done = action.past();
        if self.protected.iter().any(|protected| *protected == address.to_string()) {
            return Some(format!("{address} would be {done}, but [stack] protect names it"));
        }
        let live = change.live.as_ref()?;
        if self.by_labels && live.fields["labels"].get(PROTECT).is_some() {
            return Some(format!(
                "{address} would be {done}, but its label {PROTECT} protects it: [stack] protect of its file named it"
            ));
        }
        let holds = data(change)?;
        (!allowed.delete_data)
            .then(|| format!("{address} would be {done} with {holds}: add --delete-data if they may go"))
    }
}

/// The data that a resource holds. Messages are no data: whether they are of use, only runs tell.
fn data(change: &Change) -> Option<&str> {
    change.live.as_ref()?.holds.as_deref().filter(|_| change.address.kind != "subscription")
}

#[cfg(test)]
impl Plan {
    /// A plan of the local project `p`.
    pub(crate) fn for_test(stack: &str, graph: Graph) -> Self {
        Self { stack: stack.into(), project: "p".into(), local: true, graph, ..Self::default() }
    }
}
