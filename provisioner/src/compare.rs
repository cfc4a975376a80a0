//! Where what there is differs from what is wanted, field by field. Knows nothing of resources.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A difference in one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldChange {
    /// `retry.max`.
    pub path: String,
    /// What the cloud has; null for nothing.
    pub before: Value,
    /// What the stack wants.
    pub after: Value,
}

/// Where `have` differs from what `want` says. What `want` does not say is not compared; what it
/// says is null, there must not be.
pub(crate) fn differences(want: &Value, have: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(String::new(), want, have, &mut found);
    found
}

fn compare(path: String, want: &Value, have: &Value, found: &mut Vec<FieldChange>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            let removed = have.keys().filter(|key| is_wholly_ours(&path) && !want.contains_key(*key));
            for key in removed {
                let (before, after) = (have[key].clone(), Value::Null);
                found.push(FieldChange { path: format!("{path}.{key}"), before, after });
            }
            for (key, value) in want {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(inner, value, have.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (at, (want, have)) in want.iter().zip(have).enumerate() {
                compare(format!("{path}[{at}]"), want, have, found);
            }
        }
        (want, Value::Null) if is_empty(want) => {}
        (want, have) if want == have => {}
        (want, have) => found.push(FieldChange { path, before: have.clone(), after: want.clone() }),
    }
}

/// Whether nobody but the stack puts anything there: labels, and what a job's workers are told. What the
/// file does not say any more is a difference there.
pub(crate) fn is_wholly_ours(path: &str) -> bool {
    matches!(path.split(['.', '[']).next(), Some("labels" | "config"))
}

/// Whether a value stands for one that this caller cannot know.
pub(crate) fn is_unknown(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("unknown: "))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(is_empty),
        Value::Null => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_file_does_not_say_is_never_a_difference() {
        let want = json!({"a": 1, "c": {"d": 2}, "e": []});
        assert_eq!(differences(&want, &json!({"a": 1, "b": 7, "c": {"d": 2, "x": 3}, "y": 4})), []);
    }

    #[test]
    fn what_was_removed_from_the_file_is_a_difference() {
        let want = json!({"retention": null, "filter": "", "labels": {"a": "1"}});
        let have = json!({"retention": "1d", "filter": "x", "labels": {"a": "1", "b": "2"}});
        let changes = differences(&want, &have);
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["filter", "labels.b", "retention"]);
        assert_eq!(differences(&want, &json!({"filter": "", "labels": {"a": "1"}})), []);
    }

    #[test]
    fn what_workers_are_told_no_more_is_a_difference_and_what_a_server_adds_is_none() {
        let want = json!({"config": {"env": {"A": "1"}}, "manifest": {"spec": {"pod": {}}}});
        let have =
            json!({"config": {"env": {"A": "1", "B": "2"}}, "manifest": {"spec": {"pod": {"dns": "x"}}}});
        let paths: Vec<_> = differences(&want, &have).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["config.env.B"]);
    }

    #[test]
    fn a_difference_names_its_path() {
        let want = json!({"c": {"d": [1, 2]}, "e": [1]});
        let have = json!({"c": {"d": [1, 3]}, "e": [1, 2]});
        let paths: Vec<_> = differences(&want, &have).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["c.d[1]", "e"]);
    }
}
