//! All that a local cloud has written down, read from its journal: whatever is there is in it, whoever
//! would look for it. Without what differs between two clouds that came to the same another way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Scenario;

/// Tables that tell nothing of what is there, but of the cloud itself and of what was.
const ITSELF: [&str; 6] = ["clock", "cloud", "projects", "gke.orders", "iam.propagation", "iam.settling"];

/// Fields that the cloud makes up, or that only say when.
const MADE_UP: [&str; 29] = [
    "addresses",
    "classed",
    "content",
    "created",
    "createTime",
    "creationTimestamp",
    "due",
    "effectiveTime",
    "endpoint",
    "etag",
    "generation",
    "id",
    "incarnation",
    "kubernetes.io/hostname",
    "kubernetes_port",
    "labelFingerprint",
    "lastHeartbeatTime",
    "lastTransitionTime",
    "lockedTime",
    "managedFields",
    "masterAuth",
    "metageneration",
    "operation",
    "podRange",
    "resourceVersion",
    "uid",
    "unique_id",
    "updated",
    "visible",
];

/// Where the keys of machines begin.
const NODES: &str = "/nodes/";

/// What is there, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Census(BTreeMap<String, Value>);

impl Census {
    /// Of a scenario's local cloud, in which nothing moves.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let journal = std::fs::read_to_string(scenario.path(".provision/local/journal"));
        Self::counted(rows(&journal.expect("a journal")))
    }

    /// Every value that holds no other, as `row/field/field: value`.
    #[must_use]
    pub fn facts(&self) -> BTreeSet<String> {
        let rows = self.0.iter();
        rows.flat_map(|(row, value)| leaves(value).into_iter().map(move |leaf| format!("{row}{leaf}")))
            .collect()
    }

    /// What differs from what should be there.
    #[must_use]
    pub fn differences(&self, right: &Self) -> Vec<String> {
        let (is, should) = (self.facts(), right.facts());
        let extra = is.difference(&should).map(|fact| format!("too much: {fact}"));
        extra.chain(should.difference(&is).map(|fact| format!("missing: {fact}"))).collect()
    }

    /// Operations of GKE that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.0.keys().filter(|row| row.starts_with("gke.operations")).count()
    }

    fn counted(rows: Rows) -> Self {
        let dead: BTreeSet<String> = rows
            .iter()
            .filter(|((table, _), row)| is_gone(table, row))
            .map(|((_, key), _)| key.clone())
            .collect();
        let mut counted = BTreeMap::new();
        for ((table, key), row) in rows {
            if ITSELF.contains(&table.as_str()) || is_gone(&table, &row) {
                continue;
            }
            let Some(name) = name(&table, &key, &row) else { continue };
            // Two of what should be one are two.
            let at = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name} #{n}") });
            let free = at.into_iter().find(|name| !counted.contains_key(name)).unwrap_or(name);
            // How a machine feels depends on the moment.
            let row = if key.starts_with(NODES) { row["metadata"]["labels"].clone() } else { row };
            counted.insert(free, plain(row, &dead));
        }
        Self(counted)
    }
}

type Rows = BTreeMap<(String, String), Value>;

/// The rows that still count: a line sets some, or takes them away.
fn rows(journal: &str) -> Rows {
    let mut rows = Rows::new();
    for line in journal.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of the journal");
        let entries = if line.is_array() { line } else { Value::Array(vec![line]) };
        for entry in entries.as_array().into_iter().flatten() {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let row = (text("table"), text("key"));
            match entry.get("value") {
                Some(value) => rows.insert(row, value.clone()),
                None => rows.remove(&row),
            };
        }
    }
    rows
}

/// Operations that are done; what was deleted and could be restored for a while.
fn is_gone(table: &str, row: &Value) -> bool {
    match table {
        "gke.operations" => !row["ended"].is_null(),
        "iam.accounts" => !row["deleted"].is_null(),
        "storage.generations" => row["object"]["life"].to_string().contains("SoftDeleted"),
        _ => false,
    }
}

/// What a row is called in every cloud; none for what nobody asked for.
fn name(table: &str, key: &str, row: &Value) -> Option<String> {
    let name = match (table, key) {
        (_, "counter" | "port" | "revision") => return None,
        (_, key) if key.starts_with("/events/") || key.starts_with("coordination.k8s.io/") => return None,
        ("iam.accounts", _) => row["email"].as_str()?,
        ("storage.generations", key) => key.split('#').next()?,
        // A machine's name is made up, its pool is not.
        (_, key) if key.starts_with(NODES) => {
            row.pointer("/metadata/labels/cloud.google.com~1gke-nodepool")?.as_str()?
        }
        (_, key) => key,
    };
    let table = if key.starts_with(NODES) { format!("{table}/nodes") } else { table.to_owned() };
    Some(format!("{table} {name}"))
}

/// A value without what is made up, in one order. Members of policies say whether their account lives.
fn plain(value: Value, dead: &BTreeSet<String>) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(field, _)| !MADE_UP.contains(&field.as_str()));
            Value::Object(kept.map(|(field, value)| (field, plain(value, dead))).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(|item| plain(item, dead)).collect();
            items.sort_by_cached_key(ToString::to_string);
            Value::Array(items)
        }
        Value::String(text) => match text.split_once("?uid=") {
            Some((member, uid)) if dead.contains(uid) => format!("deleted:{member}").into(),
            Some((member, _)) => member.into(),
            None => text.into(),
        },
        other => other,
    }
}

fn leaves(value: &Value) -> Vec<String> {
    let below = |name: &str, value: &Value| {
        let name = name.to_owned();
        leaves(value).into_iter().map(move |leaf| format!("/{name}{leaf}")).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| below(name, value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(at, item)| below(&at.to_string(), item)).collect()
        }
        other => vec![format!(": {other}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(journal: &str) -> Census {
        Census::counted(rows(journal))
    }

    #[test]
    fn two_clouds_that_came_to_the_same_another_way_are_equal() {
        let one = r#"{"table":"iam.accounts","key":"7","value":{"email":"a@p","deleted":null}}
{"table":"iam.projects","key":"p","value":{"etag":"x","bindings":[{"role":"r","members":["user:ann","serviceAccount:a@p?uid=7"]}]}}"#;
        let other = r#"[{"table":"iam.accounts","key":"8","value":{"email":"a@p","deleted":null}},{"table":"t","key":"k","value":1}]
{"table":"t","key":"k"}
{"table":"gke.operations","key":"o","value":{"ended":"now"}}
{"table":"iam.projects","key":"p","value":{"etag":"y","bindings":[{"role":"r","members":["serviceAccount:a@p?uid=8","user:ann"]}]}}"#;
        assert_eq!(census(one).differences(&census(other)), [""; 0]);
    }

    #[test]
    fn a_grant_of_an_account_that_is_gone_is_told_from_one_that_lives() {
        let policy = r#"{"table":"iam.projects","key":"p","value":{"bindings":[{"role":"r","members":["serviceAccount:a@p?uid=7"]}]}}"#;
        let gone = r#"{"table":"iam.accounts","key":"7","value":{"email":"a@p","deleted":"now"}}"#;
        let left = census(&[policy, gone].join("\n"));
        let nothing = census(r#"{"table":"iam.projects","key":"p","value":{"bindings":[]}}"#);
        assert_eq!(
            left.differences(&nothing),
            [
                r#"too much: iam.projects p/bindings/0/members/0: "deleted:serviceAccount:a@p""#,
                r#"too much: iam.projects p/bindings/0/role: "r""#,
            ]
        );
    }

    #[test]
    fn what_is_there_twice_is_too_much() {
        let one = r#"{"table":"storage.generations","key":"b/o#1","value":{"object":{"life":"Live"}}}"#;
        let two = r#"{"table":"storage.generations","key":"b/o#2","value":{"object":{"life":"Live"}}}"#;
        let twice = census(&[one, two].join("\n"));
        assert_eq!(
            twice.differences(&census(one)),
            [r#"too much: storage.generations b/o #2/object/life: "Live""#]
        );
    }
}
