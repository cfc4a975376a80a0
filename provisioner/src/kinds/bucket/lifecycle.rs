//! A bucket's rules that delete objects by age: those of the file, and the one that a bucket of runs
//! has for what nobody came to delete.

use contract::layout;
use google_cloud_storage::model::bucket::lifecycle::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stack::Scope;

/// In seconds.
const DAY: u64 = 86_400;

/// Least days that staged outputs are kept.
const STAGING_DAYS: u32 = 7;

/// A rule that deletes objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::kinds) struct LifecycleRule {
    /// Only objects whose names begin so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    /// Only objects whose names end so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    suffix: String,
    /// Deleted when this many days old.
    pub delete_after_days: u32,
}

impl LifecycleRule {
    /// Of a bucket that holds runs: staged outputs that no worker came to delete go when every run
    /// that could promote them is over.
    pub(super) fn of_staging(key: &str, scope: &Scope) -> Option<Self> {
        let longest = scope.longest_run_in.get(key)?;
        let days = u32::try_from(longest.div_ceil(DAY) + 1).unwrap_or(u32::MAX);
        Some(Self {
            prefix: layout::RUNS.to_owned(),
            suffix: layout::STAGED.to_owned(),
            delete_after_days: days.max(STAGING_DAYS),
        })
    }

    /// As Cloud Storage takes it.
    pub(super) fn wire(&self) -> Rule {
        let days = i32::try_from(self.delete_after_days).unwrap_or(i32::MAX);
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let condition = rule::Condition::new()
            .set_age_days(days)
            .set_matches_prefix(given(&self.prefix))
            .set_matches_suffix(given(&self.suffix));
        Rule::new().set_action(rule::Action::new().set_type("Delete")).set_condition(condition)
    }

    /// A live rule, if a file can say it.
    pub(in crate::kinds) fn read(rule: &Rule) -> Option<Self> {
        let condition = rule.condition.as_ref()?;
        let read = Self {
            prefix: condition.matches_prefix.first().cloned().unwrap_or_default(),
            suffix: condition.matches_suffix.first().cloned().unwrap_or_default(),
            delete_after_days: condition.age_days.and_then(|days| u32::try_from(days).ok())?,
        };
        // A rule that moves objects, or that looks at more than this, is none of these.
        (read.wire() == *rule).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::stack::{Project, Stack};

    /// The lifecycles of the buckets `data`, which holds runs, and `other`, which does not.
    fn lifecycles(max_run_time: &str) -> Vec<Value> {
        let text = format!(
            r#"
            [stack]
            name = "fx"
            region = "europe-west1"
            [topic.items]
            [subscription.work]
            topic = "items"
            [bucket.data]
            lifecycle = [{{ prefix = "tmp/", delete_after_days = 3 }}]
            [bucket.other]
            [cluster.main.pool.workers]
            nodes = 1
            [job.fx]
            subscription = "work"
            bucket = "data"
            pool = "main/workers"
            max_run_time = "{max_run_time}"
            [job.fx.etl]
            extract = "gs://other/raw/{{item}}.parquet"
            load = "gs://other/{{item}}.parquet"
            "#
        );
        let stack = Stack::parse(Path::new("stack.toml"), &text).expect("a stack");
        let project = Project { id: "my-project".into(), number: 1, local: true };
        let resources = stack.resources(&project).expect("resources");
        let buckets = resources.into_iter().filter(|resource| resource.address.kind == "bucket");
        buckets.map(|bucket| bucket.fields["lifecycle"].clone()).collect()
    }

    #[test]
    fn what_a_run_staged_goes_when_the_longest_run_is_over_and_other_rules_stay() {
        let of = |days| {
            let own = json!({ "prefix": "tmp/", "delete_after_days": 3 });
            vec![
                json!([own, { "prefix": "runs/", "suffix": ".staged", "delete_after_days": days }]),
                json!([]),
            ]
        };
        assert_eq!(lifecycles("1d"), of(7));
        assert_eq!(lifecycles("10d"), of(11));
    }

    #[test]
    fn a_rule_is_read_back_as_it_was_written() {
        for (prefix, suffix) in [("runs/", ".staged"), ("", ".tmp"), ("a/", ""), ("", "")] {
            let (prefix, suffix) = (prefix.to_owned(), suffix.to_owned());
            let rule = LifecycleRule { prefix, suffix, delete_after_days: 9 };
            assert_eq!(LifecycleRule::read(&rule.wire()), Some(rule));
        }
    }

    #[test]
    fn a_rule_that_does_anything_else_is_not_taken_for_one_that_deletes() {
        let old = || rule::Condition::new().set_age_days(30);
        let delete = |condition| {
            Rule::new().set_action(rule::Action::new().set_type("Delete")).set_condition(condition)
        };
        let moves = rule::Action::new().set_type("SetStorageClass").set_storage_class("NEARLINE");
        for other in [
            Rule::new().set_action(moves).set_condition(old()),
            delete(old().set_num_newer_versions(3)),
            delete(old().set_matches_prefix(["a/", "b/"])),
            delete(old().set_is_live(false)),
        ] {
            assert_eq!(LifecycleRule::read(&other), None);
        }
    }
}
