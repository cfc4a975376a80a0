//! Jobs, step by step. A case plays the kubelet: it patches the status of the pods.

mod change;
mod completion;
mod failure;
mod removal;
mod steps;

pub(super) use change::{elastic, parallelism, suspends};
pub(super) use completion::{
    deadline_and_ttl, fixed_count, indexed_runs, manual_selector, nothing_to_do, success_policy, work_queue,
};
pub(super) use failure::{
    backoff_limit, max_failed_indexes, per_index, policy_by_condition, policy_fails_the_index,
    policy_fails_the_job, policy_ignores, restart_on_failure,
};
pub(super) use removal::{deletion, orphaned, replaced_when_failed, replaced_when_terminating};
