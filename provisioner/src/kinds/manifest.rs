//! What the kinds that live in a cluster have in common: a manifest that begins as a YAML file of
//! `manifests/`, is changed as data, and carries the marks of its owner.

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Place;
use crate::cloud::{KUBERNETES_MANAGED_BY, MARK, PART_OF};
use crate::resource::{Address, Owner};
use crate::stack::Labels;

/// Reads a YAML file of `manifests/`.
pub(super) fn read(yaml: &str) -> Result<Value> {
    serde_saphyr::from_str(yaml).context("internal error: a manifest of this build is not YAML")
}

/// Marks a manifest as the stack's.
pub(super) fn mark(manifest: &mut Value, owner: &str) {
    for (label, value) in marks(owner) {
        manifest["metadata"]["labels"][label] = value.into();
    }
}

/// The labels of what a stack owns in a cluster.
pub(super) fn marks(owner: &str) -> [(&'static str, &str); 2] {
    let (managed_by, us) = KUBERNETES_MANAGED_BY;
    [(managed_by, us), (PART_OF, owner)]
}

/// A live object as a manifest.
pub(super) fn of(live: &impl Serialize) -> Result<Value> {
    let mut manifest = serde_json::to_value(live)?;
    // Only the server's: never compared, and moving.
    if let Some(metadata) = manifest["metadata"].as_object_mut() {
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
    }
    if let Some(object) = manifest.as_object_mut() {
        object.remove("status");
    }
    Ok(manifest)
}

/// A manifest with the marks that an object is to bear beside its owner: as annotations, for they are
/// never looked for.
pub(super) fn marked(mut manifest: Value, at: &Place<'_>) -> Value {
    for (mark, value) in at.marks.into_iter().flatten() {
        manifest["metadata"]["annotations"][mark] = value.as_str().into();
    }
    manifest
}

/// Takes the marks out of a live manifest.
pub(super) fn take_marks(manifest: &mut Value) -> Labels {
    let Some(annotations) = manifest["metadata"]["annotations"].as_object_mut() else { return Labels::new() };
    let (marks, own): (Map<_, _>, Map<_, _>) =
        std::mem::take(annotations).into_iter().partition(|(key, _)| key.starts_with(MARK));
    *annotations = own;
    marks.into_iter().filter_map(|(mark, value)| Some((mark, value.as_str()?.to_owned()))).collect()
}

/// The key of a live object: its name, in the cluster that it lies in.
pub(super) fn key(cluster: Option<&Address>, name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    cluster.map_or_else(|| name.to_owned(), |cluster| format!("{}/{name}", cluster.key))
}

/// The fields of a manifest that name its owner, as another owner has them; none if there is none.
pub(super) fn renamed(manifest: &Value, owner: &str) -> Option<Value> {
    let (managed_by, us) = KUBERNETES_MANAGED_BY;
    let table = manifest.as_object()?;
    let is_marked = table.contains_key(PART_OF) && table.get(managed_by) == Some(&json!(us));
    let own = is_marked.then(|| (PART_OF.to_owned(), Value::from(owner)));
    let inner = table.iter().filter_map(|(key, value)| Some((key.clone(), renamed(value, owner)?)));
    let all: Map<String, Value> = own.into_iter().chain(inner).collect();
    (!all.is_empty()).then_some(Value::Object(all))
}

/// Fields without the labels that name an owner: the same, whoever has them.
pub(crate) fn unowned(fields: &Value) -> Value {
    match fields {
        Value::Object(table) => {
            let kept = table.iter().filter(|(key, _)| *key != PART_OF);
            kept.map(|(key, value)| (key.clone(), unowned(value))).collect()
        }
        Value::Array(all) => all.iter().map(unowned).collect(),
        other => other.clone(),
    }
}

/// Whose a live object is.
pub(super) fn owner(manifest: &Value, ours: &str) -> Owner {
    let (managed_by, us) = KUBERNETES_MANAGED_BY;
    let labels = &manifest["metadata"]["labels"];
    match labels[PART_OF].as_str().filter(|_| labels[managed_by] == json!(us)) {
        Some(stack) if stack == ours => Owner::Ours,
        Some(stack) => Owner::Stack(stack.to_owned()),
        None => Owner::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_the_owner_is_renamed() {
        let labels = |owner: &str| json!({ "app.kubernetes.io/managed-by": "provision", "app.kubernetes.io/part-of": owner });
        let manifest = json!({
            "metadata": { "name": "fx", "labels": labels("fx") },
            "spec": {
                "schedule": "fx",
                "jobTemplate": { "metadata": { "labels": labels("fx") }, "spec": { "parallelism": 1 } },
                "selector": { "app.kubernetes.io/part-of": "fx" },
            },
        });
        let part_of = json!({ "labels": { "app.kubernetes.io/part-of": "rates" } });
        let expected = json!({ "metadata": part_of, "spec": { "jobTemplate": { "metadata": part_of } } });
        assert_eq!(renamed(&manifest, "rates"), Some(expected));
        assert_eq!(renamed(&json!({ "a": [labels("fx")] }), "rates"), None);
    }
}
