//! A plan: what would be done, in which order, and what of it is refused. Changes nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cause::may_be_drift;
use crate::change::{Action, Change};
use crate::cloud::{Cloud, PROTECT};
use crate::cost::{self, Billed, CostChange};
use crate::diff;
use crate::finding::{Finding, Level, Unready, first_of};
use crate::fingerprint::digest;
use crate::graph::Graph;
use crate::kinds::{self, AnyKind};
use crate::observe::{self, Observed};
use crate::options::Options;
use crate::preflight::neighbours::{self, Spared};
use crate::preflight::{Looks, backlog, images, newer_in_sight};
use crate::resource::{Address, Desired, Live, Owner};
use crate::stack::{Project, Stack};
use crate::target;

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

/// Plans a stack, and what was asked for beside it.
pub(crate) async fn of(stack: &Stack, cloud: &Cloud, asked: &Options) -> Result<Plan> {
    let desired = wanted(stack, &cloud.project)?;
    asked.may_adopt(&desired)?;
    between(stack, &desired, cloud, asked).await
}

/// What a stack wants of a project, and the APIs that it takes.
pub(crate) fn wanted(stack: &Stack, project: &Project) -> Result<Vec<Desired>> {
    kinds::with_apis(stack.resources(project)?, &project.id)
}

/// Plans the end of a stack: the same, with nothing in it. What was adopted is let go, or goes, too.
pub(crate) async fn teardown(stack: &Stack, cloud: &Cloud, asked: &Options) -> Result<Plan> {
    between(stack, &[], cloud, asked).await
}

async fn between(stack: &Stack, desired: &[Desired], cloud: &Cloud, asked: &Options) -> Result<Plan> {
    let (observed, looks) = tokio::join!(observe::all(desired, cloud), Looks::at(cloud, desired));
    let mut observed = observed?;
    looks.images.pin(&mut observed.pairs);
    let unseen = std::mem::take(&mut observed.unseen);
    if desired.is_empty() && !unseen.is_empty() {
        // Nothing is left behind because it could not be seen.
        bail!(Unready(looks.access(cloud, &unseen, &[]).await));
    }
    refuse_namesakes(stack, cloud, &observed)?;
    let undeclared_grants = undeclared_grants(&observed, desired, asked);
    let billed = Some(cost::billed(desired, &observed));
    let mut findings = looks.of_wishes(desired, &observed.pairs, cloud.project.local);
    let newer = newer_in_sight(&observed).filter(|_| !asked.downgrade);
    let targets = target::resolved(&asked.targets, &addresses(stack, desired, &observed, &cloud.project))?;
    let spared_ends = match desired.is_empty() {
        true => target::only_ending(&mut observed.unwanted, &targets),
        false => 0,
    };
    let only_used = only_used(&of_file(stack, desired, &cloud.project), &mut observed)?;
    let fixed = |kind: &str| kinds::named(kind).map_or(&[][..], |kind| kind.fixed());
    let changes = match diff::between(observed, fixed, asked) {
        Ok(changes) => changes.into_iter().chain(only_used.into_iter().map(diff::let_go)).collect(),
        Err(conflicts) => {
            let conflicts = conflicts.iter().map(ToString::to_string);
            let findings = looks.access(cloud, &unseen, &[]).await;
            let findings = findings.iter().map(ToString::to_string);
            bail!("{}", conflicts.chain(findings).collect::<Vec<_>>().join("\n"))
        }
    };
    let Weighed { changes, kept, findings: of_changes } = weighed(cloud, changes).await?;
    findings.extend(of_changes);
    let (graph, left_out) = meant(changes, desired, &targets);
    findings.extend(looks.access(cloud, &unseen, &graph.changes).await);
    if let Some(newer) = newer.filter(|_| !graph.changes.is_empty()) {
        findings.push(if desired.is_empty() { newer.of_an_end() } else { newer.of_changes() });
    }
    findings.sort_by_key(|finding| finding.level);
    Ok(Plan {
        stack: stack.owner().to_owned(),
        project: cloud.project.id.clone(),
        local: cloud.project.local,
        desired: hash(desired),
        graph,
        undeclared_grants,
        findings,
        kept,
        refused: Vec::new(),
        unseen: unseen.into_iter().filter_map(|one| one.address).collect(),
        billed,
        targets: asked.targets.clone(),
        left_out: spared_ends + left_out,
        growths: Vec::new(),
        timeouts: stack.timeouts(&cloud.project),
        protected: stack.header.protect.clone(),
        by_labels: stack.is_unwritten(),
    })
}

/// Another stack that took the same name is not taken for this one.
fn refuse_namesakes(stack: &Stack, cloud: &Cloud, observed: &Observed) -> Result<()> {
    let Some(other) = foreign(observed) else { return Ok(()) };
    bail!(
        "another stack called {} is in the project {}: it has {other}, and nothing of this file; give this one another `name` in [stack], or take that one down first",
        stack.owner(),
        cloud.project.id
    )
}

/// Grants that nobody declared, and that stay. What goes takes the grants on it along.
fn undeclared_grants(observed: &Observed, desired: &[Desired], asked: &Options) -> Vec<String> {
    if asked.prune_grants || desired.is_empty() {
        return Vec::new();
    }
    observed.undeclared_grants.iter().map(|live| live.id.clone()).collect()
}

/// Changes in the light of what else is there.
struct Weighed {
    changes: Vec<Change>,
    /// What stays after all.
    kept: Vec<String>,
    findings: Vec<Finding>,
}

/// Spares what others live in, and tells what is lost with the rest.
async fn weighed(cloud: &Cloud, mut changes: Vec<Change>) -> Result<Weighed> {
    images::tell_moved_tags(&mut changes);
    let Spared { mut changes, kept, mut findings } = neighbours::spared(cloud, changes).await?;
    findings.extend(backlog::weighed(cloud, &mut changes).await);
    Ok(Weighed { changes, kept, findings })
}

/// The changes that are meant, in order, and how many are left out. Of an end only what ends is left.
fn meant(changes: Vec<Change>, desired: &[Desired], targets: &HashSet<Address>) -> (Graph, usize) {
    let graph = ordered(changes);
    if desired.is_empty() || targets.is_empty() {
        return (graph, 0);
    }
    let (meant, left_out) = target::only_meant(graph, targets);
    (ordered(meant), left_out)
}

/// What the file has. A teardown wants nothing of it.
fn of_file<'a>(stack: &Stack, desired: &'a [Desired], project: &Project) -> Cow<'a, [Desired]> {
    match desired.is_empty() {
        true => stack.resources(project).unwrap_or_default().into(),
        false => desired.into(),
    }
}

/// Every address that can be a target: what the file has may be named, there or not.
fn addresses(stack: &Stack, desired: &[Desired], observed: &Observed, project: &Project) -> Vec<Address> {
    let declared =
        of_file(stack, desired, project).iter().map(|want| want.address.clone()).collect::<Vec<_>>();
    declared.into_iter().chain(observed.unwanted.iter().map(|live| live.address.clone())).collect()
}

/// Takes out what the stack owns and its file only uses, `existing = true`.
fn only_used(of_file: &[Desired], observed: &mut Observed) -> Result<Vec<Live>> {
    let used: HashSet<_> = of_file
        .iter()
        .filter(|want| want.existing)
        .map(|want| (want.address.kind, want.id.as_str()))
        .collect();
    let is_used = |live: &Live| used.contains(&(live.address.kind, live.id.as_str())) && is_marked_ours(live);
    let (mut all, unwanted): (Vec<_>, Vec<_>) =
        std::mem::take(&mut observed.unwanted).into_iter().partition(is_used);
    observed.unwanted = unwanted;
    all.extend(observed.pairs.iter().filter_map(|pair| pair.live.clone()).filter(is_used));
    let can_go =
        |live: &Live| live.is_adopted() || kinds::named(live.address.kind).is_some_and(AnyKind::lets_go);
    if let Some(made) = all.iter().find(|live| !can_go(live)) {
        bail!(
            "{}: the stack made it, with what it stands on, and `existing = true` is for what others made: take that out of the file",
            made.address
        );
    }
    Ok(all)
}

fn is_marked_ours(live: &Live) -> bool {
    live.owner == Owner::Ours && kinds::named(live.address.kind).is_some_and(AnyKind::adoptable)
}

/// What the owner's name finds, if none of it is in the file: the work of others who took the same
/// name.
fn foreign(observed: &Observed) -> Option<String> {
    // All of the project shares its APIs.
    let is_own = |live: &&Live| live.owner == Owner::Ours && live.address.kind != "api";
    let stands_alone = |live: &&Live| live.address.kind != "grant";
    let left: Vec<_> = observed.unwanted.iter().filter(stands_alone).collect();
    let wanted: HashSet<&Address> = observed.pairs.iter().map(|pair| &pair.want.address).collect();
    let there = observed.pairs.iter().filter_map(|pair| pair.live.as_ref());
    let shares = { there }.filter(is_own).any(|live| live.inside.is_none())
        || left.iter().any(|live| wanted.contains(&live.address));
    if observed.pairs.is_empty() || left.is_empty() || shares {
        return None;
    }
    let named: Vec<String> = left.iter().map(|live| live.address.to_string()).collect();
    Some(first_of(&named, 3))
}

/// A hash of everything that a stack wants.
pub(crate) fn hash(desired: &[Desired]) -> String {
    let one = |want: &Desired| serde_json::json!([want.address, want.id, want.fields]);
    digest(&desired.iter().map(one).collect())
}

fn ordered(changes: Vec<Change>) -> Graph {
    Graph::of(changes, |kind| kinds::named(kind).map_or(&[][..], |kind| kind.deleted_after()))
}

impl Plan {
    /// Whether it is of an end, or of a file without resources.
    pub(crate) fn wants_nothing(&self) -> bool {
        self.desired == hash(&[])
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
