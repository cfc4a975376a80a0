//! How long an item may take, how failed ones are spaced, how long a worker may take to leave.

use contract::RetrySpacing;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobSpec;
use crate::stack::{FieldProblem, Scope, Seconds};

/// Longest `item_timeout`, in seconds: a worker keeps no message leased for longer.
pub(super) const LONGEST_ITEM: u64 = 3_000;
const _: () = assert!(LONGEST_ITEM <= contract::LONGEST_ITEM_SECONDS);

/// Rest after a failed attempt: `first` after the first failure, doubling up to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spacing {
    /// 0 to 10 minutes.
    #[serde(default = "first")]
    pub first: Seconds<0, 600>,
    /// 0 to 10 minutes.
    #[serde(default = "most")]
    pub most: Seconds<0, 600>,
}

fn first() -> Seconds<0, 600> {
    Seconds::clamped(RetrySpacing::default().first_seconds)
}

fn most() -> Seconds<0, 600> {
    Seconds::clamped(RetrySpacing::default().most_seconds)
}

impl Default for Spacing {
    fn default() -> Self {
        Self { first: first(), most: most() }
    }
}

impl From<Spacing> for RetrySpacing {
    fn from(spacing: Spacing) -> Self {
        Self { first_seconds: spacing.first.get(), most_seconds: spacing.most.get() }
    }
}

/// What a Spot node leaves a pod.
pub(super) fn grace() -> Seconds<5, 120> {
    Seconds::clamped(15)
}

pub(super) fn problems(job: &JobSpec, scope: &Scope) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if job.max_run_time.get() < job.item_timeout.get() {
        problems.push(FieldProblem::at(
            &["max_run_time"],
            "`max_run_time` is shorter than one item's `item_timeout`",
        ));
    }
    if job.retry.first.get() > job.retry.most.get() {
        problems.push(FieldProblem::at(&["retry"], "`first` is longer than `most`"));
    }
    let retention = scope.retention_of.get(&job.subscription).copied().unwrap_or(u64::MAX);
    if retention < job.item_timeout.get() {
        let what = format!("`item_timeout` is longer than subscription.{} keeps a message", job.subscription);
        problems.push(
            FieldProblem::at(&["item_timeout"], what)
                .help(format!("make `retention` in [subscription.{}] longer", job.subscription)),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use crate::kinds::job::tests::{manifest, resources};

    #[test]
    fn the_grace_reaches_kubernetes_and_the_worker() {
        let pod = manifest("", "grace = \"90s\"")["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone();
        assert_eq!(pod["terminationGracePeriodSeconds"], 90);
        let env = pod["containers"][0]["env"].as_array().expect("variables").clone();
        let grace = env.iter().find(|variable| variable["name"] == "PROVISION_GRACE_SECONDS");
        assert_eq!(grace.expect("the grace")["value"], "90");
    }

    #[test]
    fn the_spacing_of_retries_is_pinned_only_where_it_is_not_the_usual_one() {
        let config = |job: &str| {
            let resources = resources(true, "", job).expect("a valid stack");
            let job = resources.into_iter().find(|r| r.address.kind == "job").expect("the job");
            job.fields["config"]["retry"].clone()
        };
        assert_eq!(config("").to_string(), "null");
        let pinned = config("retry = { first = \"10s\" }");
        assert_eq!(pinned, serde_json::json!({ "first_seconds": 10, "most_seconds": 600 }));
    }
}
