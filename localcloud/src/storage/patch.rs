//! Partial updates of settings: JSON's merge patch, and gRPC's field masks over the same JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Result, StorageError};

/// Merges `patch` into `settings`: null removes, objects merge, the rest replaces.
pub(super) fn merge<T: Serialize + DeserializeOwned>(settings: &T, patch: &Value) -> Result<T> {
    let mut value = to_json(settings)?;
    merge_value(&mut value, patch);
    from_json(value)
}

/// Takes what the paths of a mask name from `new`; what is not there is removed.
pub(super) fn masked<T: Serialize + DeserializeOwned>(
    settings: &T,
    new: &T,
    paths: &[Vec<String>],
) -> Result<T> {
    let (mut value, new) = (to_json(settings)?, to_json(new)?);
    for path in paths {
        let found = path.iter().try_fold(&new, |value, key| value.get(key)).cloned();
        let wrapped = path.iter().rev().fold(found.unwrap_or(Value::Null), |value, key| {
            Value::Object(Map::from_iter([(key.clone(), value)]))
        });
        if let Some(slot) = path.iter().try_fold(&mut value, |value, key| value.get_mut(key)) {
            // A mask replaces; only a patch merges.
            *slot = Value::Null;
        }
        merge_value(&mut value, &wrapped);
    }
    from_json(value)
}

/// A mask's path in the spelling of JSON. Keys of maps stay as they are.
pub(super) fn json_path(path: &str) -> Vec<String> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let first = match first {
        "iam_config" => "iamConfiguration".to_owned(),
        first => camel_case(first),
    };
    match rest {
        None => vec![first],
        Some(key) if matches!(first.as_str(), "labels" | "metadata") => vec![first, key.to_owned()],
        Some("retention_duration") => vec![first, "retentionDurationSeconds".to_owned()],
        Some(rest) => std::iter::once(first).chain(rest.split('.').map(camel_case)).collect(),
    }
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn merge_value(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(fields) = into else { return };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge_value(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn to_json<T: Serialize>(settings: &T) -> Result<Value> {
    serde_json::to_value(settings).map_err(|error| StorageError::internal(error.to_string()))
}

/// Reads settings from JSON that a client sent.
pub(super) fn from_json<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| StorageError::invalid(format!("Invalid value: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_merges_and_null_removes() {
        let before = json!({"labels": {"a": "1", "b": "2"}, "versioning": {"enabled": true}});
        let after =
            merge(&before, &json!({"labels": {"a": null, "c": "3"}, "versioning": null})).expect("merge");
        assert_eq!(after, json!({"labels": {"b": "2", "c": "3"}}));
    }

    #[test]
    fn a_mask_replaces_what_it_names_and_nothing_else() {
        let before = json!({"labels": {"a": "1", "b": "2"}, "versioning": {"enabled": true}});
        let new = json!({"labels": {"c": "3"}, "versioning": {"enabled": false}});
        let all = masked(&before, &new, &[json_path("labels")]).expect("masked");
        assert_eq!(all, json!({"labels": {"c": "3"}, "versioning": {"enabled": true}}));
        let one = masked(&before, &new, &[json_path("labels.a"), json_path("labels.c")]).expect("masked");
        assert_eq!(one, json!({"labels": {"b": "2", "c": "3"}, "versioning": {"enabled": true}}));
    }

    #[test]
    fn paths_are_respelled_but_keys_of_maps_are_not() {
        assert_eq!(
            json_path("iam_config.uniform_bucket_level_access.enabled"),
            ["iamConfiguration", "uniformBucketLevelAccess", "enabled"]
        );
        assert_eq!(json_path("labels.my_key.x"), ["labels", "my_key.x"]);
        assert_eq!(
            json_path("soft_delete_policy.retention_duration"),
            ["softDeletePolicy", "retentionDurationSeconds"]
        );
    }
}
