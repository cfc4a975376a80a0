//! Looks at everything a stack wants and everything it owns, all at once. Changes nothing.

use std::collections::HashSet;

use anyhow::{Context as _, Error, Result};
use futures::future::try_join_all;

use crate::cloud::{Cloud, errors};
use crate::kinds;
use crate::resource::{Address, Desired, Live, Owner, Pair};

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// What the stack wants, as far as it may be seen: the rest is neither there nor not.
    pub pairs: Vec<Pair>,
    /// What the stack owns and no longer wants.
    pub unwanted: Vec<Live>,
    /// Grants to others on what the stack owns, which it says nothing of.
    pub undeclared_grants: Vec<Live>,
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
        let look = Look::of(kind.observe(cloud, want).await);
        look.with_context(|| format!("cannot observe {}", want.address))
    });
    let owned = kinds::ALL.into_iter().map(|kind| async move {
        let look = Look::of(kind.owned(cloud).await);
        look.with_context(|| format!("cannot list what the stack owns of {}", kind.name()))
    });
    // Lists go first: what they name is looked at next, and nothing comes after what is wanted.
    let (owned, wanted) = futures::future::try_join(try_join_all(owned), try_join_all(wanted)).await?;
    let mut observed = Observed::default();
    for (want, look) in desired.iter().zip(wanted) {
        match look {
            Look::Seen(live) => observed.pairs.push(Pair { want: want.clone(), live }),
            Look::Denied(why) => {
                let (kind, address) = (want.address.kind, Some(want.address.clone()));
                observed.unseen.push(Unseen { kind, address, why });
            }
        }
    }
    let ids: HashSet<_> = desired.iter().map(|want| (want.address.kind, want.id.as_str())).collect();
    for (kind, look) in kinds::ALL.into_iter().zip(owned) {
        let owned = match look {
            Look::Seen(owned) => owned,
            Look::Denied(why) => {
                observed.unseen.push(Unseen { kind: kind.name(), address: None, why });
                continue;
            }
        };
        let undeclared =
            owned.into_iter().filter(|live| !ids.contains(&(live.address.kind, live.id.as_str())));
        let (unwanted, of_others): (Vec<_>, Vec<_>) = undeclared.partition(|live| live.owner == Owner::Ours);
        observed.unwanted.extend(unwanted);
        observed.undeclared_grants.extend(of_others);
    }
    Ok(observed)
}

/// What a look came to.
enum Look<T> {
    Seen(T),
    /// What the caller may not see hides nothing else.
    Denied(Error),
}

impl<T: Default> Look<T> {
    /// Where the project has not enabled the service there is nothing yet.
    fn of(answer: Result<T>) -> Result<Self> {
        match answer {
            Err(error) if errors::is_service_disabled(&error) => Ok(Self::Seen(T::default())),
            Err(error) if errors::is_denied(&error) => Ok(Self::Denied(error)),
            answer => answer.map(Self::Seen),
        }
    }
}
