//! What work has to tell. Reports listen; work never prints.

use std::time::Duration;

use anyhow::Error;

use crate::change::Action;
use crate::resource::Address;

/// Something that happened to one change.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    /// The resource.
    pub address: &'a Address,
    /// What is done with it.
    pub action: Action,
    /// How long ago its change began.
    pub took: Duration,
    /// What happened.
    pub what: What<'a>,
}

/// What can happen to a change. Each begins or is skipped, and each that began ends in exactly one of
/// the last three ways.
#[derive(Debug)]
pub(crate) enum What<'a> {
    /// It was not begun.
    Skipped {
        /// What it waits for and what will not come; nothing if only the time to begin was over.
        after: Option<&'a Address>,
    },
    /// It began.
    Started,
    /// It takes long, and is under way.
    Progress {
        /// How far it is, for people.
        text: &'a str,
    },
    /// A try failed, and another follows.
    Retrying {
        /// Why it failed.
        error: &'a Error,
        /// How long until the next one.
        wait: Duration,
    },
    /// It is made.
    Finished {
        /// Nothing was left to do: somebody, perhaps an apply of the same plan before, had done it.
        was_so: bool,
    },
    /// It failed for good.
    Failed {
        /// Why.
        error: &'a Error,
    },
    /// Nobody waits for it any more: whatever was begun goes on in the cloud.
    Left {
        /// What it waited for last.
        waited_for: &'a str,
    },
}

/// Hears what happens.
pub(crate) type Watch<'a> = dyn Fn(&Event<'_>) + Send + Sync + 'a;
