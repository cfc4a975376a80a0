//! The cases, by what they are about.

mod apply;
mod cron;
mod delete;
mod jobs;
mod objects;
mod product;
mod read;
mod validation;
mod write;

use futures::future::BoxFuture;

use super::session::Session;

/// A case: its name, which is also its namespace's, and what it does.
type Case = (&'static str, for<'a> fn(&'a mut Session) -> BoxFuture<'a, ()>);

macro_rules! cases {
    ($($group:ident: $($name:ident)*;)*) => {
        &[$($((concat!(stringify!($group), "_", stringify!($name)), |session| Box::pin($group::$name(session)))),*),*]
    };
}

/// All cases.
pub(super) const ALL: &[Case] = cases! {
    apply: ownership conflicts shared_fields given_up status_subresource lists defaults errors;
    write: create_and_replace patches strategic_patches field_validation;
    read: selectors pages watches a_watch_follows refusals tables discovery;
    delete: finalizers options pods background foreground orphans namespaces;
    validation: metadata pods jobs cron_jobs immutability;
    jobs: indexed_runs fixed_count work_queue backoff_limit restart_on_failure per_index max_failed_indexes policy_ignores
        policy_fails_the_job policy_fails_the_index policy_by_condition replaced_when_failed replaced_when_terminating
        suspends elastic parallelism deadline_and_ttl success_policy nothing_to_do deletion orphaned manual_selector;
    product: manifests;
    cron: template fires allows forbids replaces deadline history too_many_missed;
};
