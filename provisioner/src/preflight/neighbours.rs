//! Who else uses what a plan would delete: a namespace with things of others stays; of a cluster or a
//! topic of the stack's own it is told who loses something with it. Only reads.

use std::collections::HashSet;

use anyhow::{Context as _, Result, anyhow};
use futures::future::try_join_all;

use crate::change::Change;
use crate::cloud::{Cloud, Dark, errors, evidence};
use crate::finding::{Finding, Level};
use crate::kinds::{self, told};
use crate::resource::{Address, Live};

/// What is left of a plan's changes.
#[derive(Default)]
pub(crate) struct Spared {
    /// Those that take nothing away that others live in.
    pub changes: Vec<Change>,
    /// What stays, by its address.
    pub kept: Vec<String>,
    /// What there is to say.
    pub findings: Vec<Finding>,
}

/// The changes without those that would take away what others live in.
pub(crate) async fn spared(cloud: &Cloud, changes: Vec<Change>) -> Result<Spared> {
    let gone: HashSet<Address> = changes
        .iter()
        .filter(|change| change.is_destructive())
        .map(|change| change.address.clone())
        .collect();
    // What may not be seen was told when everything was looked at.
    let dark = cloud.dark().await.unwrap_or_default();
    let looks = changes.iter().map(|change| others(cloud, change, &dark));
    let others = try_join_all(looks).await?;
    let mut spared = Spared::default();
    for (change, others) in changes.into_iter().zip(others) {
        match (change.live.as_ref(), others) {
            (Some(live), Others::There(others)) if stays_for_others(&change) => {
                spared.findings.push(stays(cloud, live, &others));
                spared.kept.push(change.address.to_string());
                continue;
            }
            (_, Others::There(others)) => {
                let what = format!("others use it: {}", told(&others));
                spared.findings.push(goes_along(&change, &what, "ask them before you agree"));
            }
            (_, Others::Unknown(why)) => {
                let what = format!("whether others use it is unknown ({why:#})");
                spared.findings.push(goes_along(&change, &what, "what others have there goes with it"));
            }
            (_, Others::None) => {}
        }
        spared.changes.push(change);
    }
    spared.findings.extend(unasked(&dark, &gone));
    Ok(spared)
}

/// What of others is in a thing that would go.
enum Others {
    /// Nothing, or it is nothing that others could have anything in.
    None,
    /// Things, told as `type/name`.
    There(Vec<String>),
    /// Nobody answered, or this caller may not see it.
    Unknown(anyhow::Error),
}

async fn others(cloud: &Cloud, change: &Change, dark: &[Dark]) -> Result<Others> {
    let Some(live) = change.live.as_ref().filter(|_| change.is_destructive()) else {
        return Ok(Others::None);
    };
    let kind = kinds::named(change.address.kind).context("a change of no kind")?;
    if let Some(dark) = dark.iter().find(|dark| dark.id == live.id) {
        // It was waited for long enough.
        return Ok(Others::Unknown(anyhow!(dark.why.clone())));
    }
    match kind.others(cloud, &live.id).await {
        Ok(others) if others.is_empty() => Ok(Others::None),
        Ok(others) => Ok(Others::There(others)),
        // It is only a word about what goes: a control plane that does not answer keeps no cluster.
        Err(error)
            if !stays_for_others(change) && (evidence::is_silent(&error) || errors::is_denied(&error)) =>
        {
            Ok(Others::Unknown(error))
        }
        Err(error) => Err(error),
    }
}

/// A namespace costs nothing, and what others have there would be lost.
fn stays_for_others(change: &Change) -> bool {
    change.address.kind == "namespace"
}

fn stays(cloud: &Cloud, live: &Live, others: &[String]) -> Finding {
    let by_hand = kinds::named(live.address.kind).map(|kind| kind.by_hand(&cloud.project.id, live));
    let command = by_hand.and_then(Result::ok).unwrap_or_default();
    Finding {
        level: Level::Warning,
        what: format!("{} stays: it holds what is not the stack's ({})", live.address, told(others)),
        help: format!("when they are gone, teardown deletes it; with all that is in it, `{command}` does"),
    }
}

fn goes_along(change: &Change, what: &str, help: &str) -> Finding {
    let done = change.action.past();
    let Address { kind, key } = &change.address;
    Finding {
        level: Level::Warning,
        what: format!("{kind}.{key} is {done}, and {what}"),
        help: help.to_owned(),
    }
}

/// Clusters that did not answer, and that do not go themselves with all that is in them. Others' are
/// only worth a word where something is to be deleted.
fn unasked(dark: &[Dark], gone: &HashSet<Address>) -> Vec<Finding> {
    let counts = dark.iter().filter(|dark| match &dark.own {
        Some(address) => !gone.contains(address),
        None => !gone.is_empty(),
    });
    let finding = |dark: &Dark| Finding {
        level: Level::Warning,
        what: format!("whether something of the stack is in {} is unknown ({})", dark.id, dark.why),
        help: "if it never had a job there, nothing is; else run the same command again when it answers"
            .to_owned(),
    };
    counts.map(finding).collect()
}
