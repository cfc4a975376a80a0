//! What work has to tell. Reports listen; work never prints.

use std::time::Duration;

use anyhow::Error;

use crate::diff::Action;
use crate::resource::Address;

/// Something that happened to one resource.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A change began.
    Started {
        /// The resource.
        address: &'a Address,
    },
    /// A long change is under way.
    Progress {
        /// The resource.
        address: &'a Address,
        /// How far it is, for people.
        text: &'a str,
    },
    /// A try failed, and another follows.
    Retrying {
        /// The resource.
        address: &'a Address,
        /// Why it failed.
        error: &'a Error,
    },
    /// A change is made.
    Finished {
        /// The resource.
        address: &'a Address,
        /// What was done.
        action: Action,
        /// How long it took.
        took: Duration,
    },
    /// A change failed for good.
    Failed {
        /// The resource.
        address: &'a Address,
        /// Why.
        error: &'a Error,
    },
}

/// Hears what happens.
pub(crate) type Watch<'a> = dyn Fn(&Event<'_>) + Send + Sync + 'a;
