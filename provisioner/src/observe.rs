//! Looks at everything a stack wants and everything it owns, all at once. Changes nothing.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;

use crate::cloud::Cloud;
use crate::kinds;
use crate::resource::{Desired, Live, Owner};

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// In place of each desired resource, in the same order: what the cloud has.
    pub wanted: Vec<Option<Live>>,
    /// What the stack owns and no longer wants.
    pub unwanted: Vec<Live>,
    /// Grants to others on what the stack owns, which it says nothing of.
    pub strangers: Vec<Live>,
}

/// Observes a stack's resources.
pub(crate) async fn all(desired: &[Desired], cloud: &Cloud) -> Result<Observed> {
    cloud.forget().await;
    let wanted = desired.iter().map(|want| async move {
        let kind = kinds::named(want.address.kind).context("a resource of no kind")?;
        kind.observe(cloud, want).await.with_context(|| format!("cannot observe {}", want.address))
    });
    let owned = kinds::ALL.into_iter().map(|kind| async move {
        kind.owned(cloud).await.with_context(|| format!("cannot list what the stack owns of {}", kind.name()))
    });
    let (wanted, owned) = futures::future::try_join(try_join_all(wanted), try_join_all(owned)).await?;
    let ids: HashSet<_> = desired.iter().map(|want| (want.address.kind, want.id.as_str())).collect();
    let owned = owned.into_iter().flatten();
    let undeclared = owned.filter(|live| !ids.contains(&(live.address.kind, live.id.as_str())));
    let (unwanted, strangers) = undeclared.partition(|live| live.owner == Owner::Ours);
    Ok(Observed { wanted, unwanted, strangers })
}
