//! How a plan is made: what is there beside what is wanted, and what of the difference is meant. Changes
//! nothing.

use std::collections::HashSet;

use anyhow::{Result, bail};

use super::{Plan, hash, ordered};
use crate::change::Change;
use crate::cloud::Cloud;
use crate::cost;
use crate::diff;
use crate::finding::{Finding, Unready, first_of};
use crate::graph::Graph;
use crate::kinds::{self, AnyKind};
use crate::observe::{self, Observed};
use crate::options::Options;
use crate::preflight::neighbours::{self, Spared};
use crate::preflight::{Looks, backlog, images, newer_in_sight};
use crate::resource::{Address, Desired, Live, Owner};
use crate::stack::{Project, Stack};
use crate::target;

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
    let only_used = only_used(&stack.only_used(&cloud.project)?, &mut observed)?;
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

/// Every address that can be a target.
fn addresses(stack: &Stack, desired: &[Desired], observed: &Observed, project: &Project) -> Vec<Address> {
    // A teardown wants nothing; what the file has may still be named, there or not.
    let of_file = if desired.is_empty() { stack.resources(project).unwrap_or_default() } else { Vec::new() };
    let declared = desired.iter().chain(&of_file).map(|want| want.address.clone());
    declared.chain(observed.unwanted.iter().map(|live| live.address.clone())).collect()
}

/// Takes out what the stack owns and its file only uses, `existing = true`.
fn only_used(used: &[Desired], observed: &mut Observed) -> Result<Vec<Live>> {
    let used: HashSet<_> = used.iter().map(|want| (want.address.kind, want.id.as_str())).collect();
    let bears_marks = |kind: &str| kinds::named(kind).is_some_and(AnyKind::adoptable);
    let is_used = |live: &Live| {
        let (kind, id) = (live.address.kind, live.id.as_str());
        used.contains(&(kind, id)) && live.owner == Owner::Ours && bears_marks(kind)
    };
    let unwanted = std::mem::take(&mut observed.unwanted);
    let (mut all, unwanted): (Vec<_>, Vec<_>) = unwanted.into_iter().partition(is_used);
    observed.unwanted = unwanted;
    all.extend(observed.pairs.iter().filter_map(|pair| pair.live.clone()).filter(is_used));
    let stays = |live: &&Live| !kinds::named(live.address.kind).is_some_and(AnyKind::lets_go);
    let refused: Vec<String> = all.iter().filter(stays).map(refusal_to_let_go).collect();
    if refused.is_empty() { Ok(all) } else { bail!("{}", refused.join("\n")) }
}

fn refusal_to_let_go(live: &Live) -> String {
    format!(
        "{}: it is this stack's, with what it stands on, and `existing = true` is for what others made: take that out of the file",
        live.address
    )
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
