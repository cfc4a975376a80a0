//! Looks at everything a stack wants and everything it owns, all at once. Changes nothing.

use std::collections::HashSet;

use anyhow::{Context as _, Error, Result};
use futures::future::try_join_all;

use crate::cloud::{Cloud, errors};
use crate::kinds;
use crate::resource::{Address, Desired, Live, Owner};

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// In place of each desired resource, in the same order: what the cloud has.
    pub wanted: Vec<Option<Live>>,
    /// What the stack owns and no longer wants.
    pub unwanted: Vec<Live>,
    /// Grants to others on what the stack owns, which it says nothing of.
    pub strangers: Vec<Live>,
    /// What the caller may not look at.
    pub unseen: Vec<Unseen>,
}

/// What the caller may not look at.
#[derive(Debug)]
pub(crate) struct Unseen {
    /// Its kind.
    pub kind: &'static str,
    /// One resource, or else what the stack owns of the kind.
    pub address: Option<Address>,
    /// The service's refusal.
    pub why: Error,
}

/// Observes a stack's resources.
pub(crate) async fn all(desired: &[Desired], cloud: &Cloud) -> Result<Observed> {
    cloud.forget().await;
    let wanted = desired.iter().map(|want| async move {
        let kind = kinds::named(want.address.kind).context("a resource of no kind")?;
        let look = may_see(kind.observe(cloud, want).await);
        look.with_context(|| format!("cannot observe {}", want.address))
    });
    let owned = kinds::ALL.into_iter().map(|kind| async move {
        let look = may_see(kind.owned(cloud).await);
        look.with_context(|| format!("cannot list what the stack owns of {}", kind.name()))
    });
    // Lists go first: what they name is looked at next, and nothing comes after what is wanted.
    let (owned, wanted) = futures::future::try_join(try_join_all(owned), try_join_all(wanted)).await?;
    let mut observed = Observed::default();
    for (want, look) in desired.iter().zip(wanted) {
        let (kind, address) = (want.address.kind, Some(want.address.clone()));
        observed.wanted.push(look.unwrap_or_else(|why| {
            observed.unseen.push(Unseen { kind, address, why });
            None
        }));
    }
    let ids: HashSet<_> = desired.iter().map(|want| (want.address.kind, want.id.as_str())).collect();
    for (kind, look) in kinds::ALL.into_iter().zip(owned) {
        let owned = look.unwrap_or_else(|why| {
            observed.unseen.push(Unseen { kind: kind.name(), address: None, why });
            Vec::new()
        });
        let undeclared =
            owned.into_iter().filter(|live| !ids.contains(&(live.address.kind, live.id.as_str())));
        let (unwanted, strangers): (Vec<_>, Vec<_>) = undeclared.partition(|live| live.owner == Owner::Ours);
        observed.unwanted.extend(unwanted);
        observed.strangers.extend(strangers);
    }
    Ok(observed)
}

impl Observed {
    /// Of what is desired, what could be looked at: the rest is unknown, and neither there nor not.
    pub(crate) fn known(&mut self, desired: &[Desired]) -> Vec<Desired> {
        let unseen: HashSet<&Address> = self.unseen.iter().filter_map(|one| one.address.as_ref()).collect();
        let known: Vec<bool> = desired.iter().map(|want| !unseen.contains(&want.address)).collect();
        let mut is_known = known.iter();
        self.wanted.retain(|_| is_known.next().copied().unwrap_or(true));
        desired.iter().zip(&known).filter(|(_, known)| **known).map(|(want, _)| want.clone()).collect()
    }
}

/// What a look came to. Where the project has not enabled the service there is nothing yet, and what
/// the caller may not see hides nothing else.
fn may_see<T: Default>(look: Result<T>) -> Result<Result<T, Error>> {
    match look {
        Err(error) if errors::is_service_disabled(&error) => Ok(Ok(T::default())),
        Err(error) if errors::is_denied(&error) => Ok(Err(error)),
        look => look.map(Ok),
    }
}
