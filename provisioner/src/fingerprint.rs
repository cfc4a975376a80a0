//! What a change was decided on: the identity of a live resource, and a hash of those of its fields
//! that the change reads or writes. What else moves on a resource is not its business. Knows nothing
//! of clouds.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::compare::is_wholly_ours;
use crate::resource::{Live, Owner};

/// One state of a live resource, as one change sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// Which resource of that name it is, where the service tells.
    pub identity: Option<String>,
    /// A hash of its owner and of the fields that count.
    pub read: String,
    /// What would be lost with it.
    pub holds: Option<String>,
}

impl Fingerprint {
    /// Of a resource that is to become as `want` says: what the stack says nothing of does not count.
    /// Of one that is to go, everything that we know of it counts.
    pub(crate) fn of(want: Option<&Value>, live: &Live) -> Self {
        let fields = want.map_or_else(|| live.fields.clone(), |want| read(want, &live.fields, ""));
        let owner = match &live.owner {
            Owner::Ours => json!("ours"),
            Owner::Stack(other) => json!(["stack", other]),
            Owner::Nobody => Value::Null,
        };
        Self {
            identity: live.revision.identity.clone(),
            read: digest(&json!([owner, fields])),
            holds: live.holds.clone(),
        }
    }
}

/// What a comparison with `want` looks at.
fn read(want: &Value, have: &Value, path: &str) -> Value {
    match (want, have) {
        // What nobody wants there is a difference, too.
        (Value::Object(_), Value::Object(_)) if is_wholly_ours(path) => have.clone(),
        (Value::Object(want), Value::Object(have)) => {
            let one = |(key, want): (&String, &Value)| {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                (key.clone(), read(want, have.get(key).unwrap_or(&Value::Null), &inner))
            };
            Value::Object(want.iter().map(one).collect::<Map<_, _>>())
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            let path = format!("{path}[]");
            want.iter().zip(have).map(|(want, have)| read(want, have, &path)).collect()
        }
        _ => have.clone(),
    }
}

/// The first half of the SHA-256 of a value, in hexadecimal: the same whatever the order of keys.
pub(crate) fn digest(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    hex::encode(&Sha256::digest(text)[..16])
}

fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(entries) => {
            let mut keys: Vec<&String> = entries.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for key in keys {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(&entries[key], text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(fields: Value) -> Live {
        Live::for_test("thing", "a", fields).identified("1")
    }

    #[test]
    fn only_what_the_stack_speaks_of_counts() {
        let want = json!({"size": 2, "labels": {"team": "x"}, "retry": {"min": "1s"}, "list": [{"a": 1}]});
        let of = |fields: Value| Fingerprint::of(Some(&want), &live(fields));
        let then = json!({"size": 1, "labels": {}, "retry": {"min": "2s", "max": "9s"}, "list": [{"a": 2, "b": 1}], "status": "old"});
        let seen = of(then.clone());
        let with = |path: &str, value: Value| {
            let mut fields = then.clone();
            *fields.pointer_mut(path).expect("a field") = value;
            of(fields)
        };
        for (path, value) in [("/status", json!("new")), ("/retry/max", json!("8s")), ("/list/0/b", json!(2))]
        {
            assert_eq!(with(path, value), seen, "{path}");
        }
        for (path, value) in [
            ("/size", json!(3)),
            ("/retry/min", json!("3s")),
            ("/labels", json!({"theirs": "y"})),
            ("/list/0/a", json!(3)),
            ("/list", json!([])),
        ] {
            assert_ne!(with(path, value), seen, "{path}");
        }
    }

    #[test]
    fn of_what_is_to_go_everything_counts_and_who_it_is() {
        let seen = Fingerprint::of(None, &live(json!({"size": 1, "status": "old"})));
        assert_ne!(Fingerprint::of(None, &live(json!({"size": 1, "status": "new"}))), seen);
        let theirs = Live { owner: Owner::Nobody, ..live(json!({"size": 1, "status": "old"})) };
        assert_ne!(Fingerprint::of(None, &theirs), seen);
        let anew = live(json!({"size": 1, "status": "old"})).identified("2");
        assert_ne!(Fingerprint::of(None, &anew), seen);
    }

    #[test]
    fn the_order_of_keys_is_no_difference() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#).expect("JSON");
        let other: Value = serde_json::from_str(r#"{"b": {"d": 3, "c": 2}, "a": 1}"#).expect("JSON");
        assert_eq!(digest(&one), digest(&other));
        assert_ne!(digest(&json!({"a": "1"})), digest(&json!({"a": 1})));
        assert_ne!(digest(&json!(["a", "b"])), digest(&json!(["a\",\"b"])));
    }
}
