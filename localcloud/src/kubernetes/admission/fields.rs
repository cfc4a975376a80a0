//! Fields that a kind does not have: found by reading the object as its type and writing it again.

use serde_json::Value;

use super::super::kinds::Kind;

/// Paths of fields that the kind does not have, like `spec.containers[0].foo`.
type Unknown = Vec<String>;

/// Takes the fields out that the kind does not have, and names them; a value of the wrong type is
/// an error.
pub(crate) fn known_fields(kind: &Kind, object: &mut Value) -> Result<Vec<String>, String> {
    let known = (kind.round_trip)(object.clone()).map_err(|error| {
        format!("{} in version \"v1\" cannot be handled as a {}: {error}", kind.kind, kind.kind)
    })?;
    let mut unknown = Unknown::new();
    prune("", object, &known, &mut unknown);
    Ok(unknown)
}

fn prune(path: &str, object: &mut Value, known: &Value, unknown: &mut Unknown) {
    match (object, known) {
        (Value::Object(object), Value::Object(known)) => object.retain(|name, value| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match known.get(name) {
                Some(known) => prune(&path, value, known, unknown),
                None if is_nothing(value) => return !value.is_null(),
                None => {
                    unknown.push(path);
                    return false;
                }
            }
            true
        }),
        (Value::Array(items), Value::Array(known)) => {
            for (at, (item, known)) in items.iter_mut().zip(known).enumerate() {
                prune(&format!("{path}[{at}]"), item, known, unknown);
            }
        }
        // The type's own form of a scalar (a time, say) is the one that is kept.
        (Value::Object(_) | Value::Array(_), _) => {}
        (object, known) => *object = known.clone(),
    }
}

/// Empty values may vanish in the round trip without being unknown.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kinds;
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_named_and_taken_out_and_nothing_is_added() {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": null},
            "spec": {"containers": [{"name": "x", "imagee": "y"}], "foo": 1}});
        let unknown = known_fields(&kinds::POD, &mut pod).expect("well typed");
        assert_eq!(unknown, ["spec.containers[0].imagee", "spec.foo"]);
        assert_eq!(pod["spec"], json!({"containers": [{"name": "x"}]}));
        let mut wrong = json!({"spec": {"parallelism": "two"}});
        assert!(known_fields(&kinds::JOB, &mut wrong).is_err());
    }
}
