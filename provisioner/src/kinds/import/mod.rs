//! What is in a project as a stack file would say it. Reads only, and knows nothing of keys: who refers
//! to whom is told by the cloud's names.

use anyhow::Result;
use serde_json::{Map, Value};

use super::Table;
use crate::cloud::{Cloud, MANAGED_BY, MANAGED_BY_US};
use crate::resource::Owner;
use crate::stack::Labels;

mod account;
mod bucket;
mod cluster;
mod grants;
mod pubsub;

pub(crate) use grants::{Granted, grants};

/// The tables that can be written of what is there.
pub(crate) const IMPORTED: [&str; 5] = ["topic", "subscription", "bucket", "service_account", "cluster"];

/// A live resource as a table of a stack file.
pub(crate) struct Sighting {
    /// The table: `topic`.
    pub table: &'static str,
    /// What the cloud calls it, in full.
    pub id: String,
    /// What the table's `name` would say.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its keys, as far as they are not as without them.
    pub fields: Map<String, Value>,
    /// Those of its keys that name other tables.
    pub refers: Vec<Refers>,
    /// Where it is, of what is in one place.
    pub place: Option<String>,
    /// Whether the file can only refer to it, and why.
    pub only_referred: Option<String>,
    /// What the file cannot say of it, for people.
    pub unsaid: Vec<String>,
    /// Why it cannot be in a file at all.
    pub impossible: Option<String>,
}

/// A reference whose key is not known yet.
pub(crate) struct Refers {
    /// The path of the key that refers.
    pub field: &'static [&'static str],
    /// The table referred to.
    pub table: &'static str,
    /// What the cloud calls it, in full.
    pub id: String,
}

impl Sighting {
    fn new<T: Table>(id: &str, name: &str, owner: Owner, live: &T, least: Value) -> Result<Self> {
        Ok(Self {
            table: T::NAME,
            id: id.to_owned(),
            name: name.to_owned(),
            owner,
            fields: beyond(serde_json::to_value(live)?, &serde_json::to_value(T::deserialize(least)?)?),
            refers: Vec::new(),
            place: None,
            only_referred: None,
            unsaid: Vec::new(),
            impossible: None,
        })
    }
}

/// Everything of a table in the cloud's project.
pub(crate) async fn sightings(cloud: &Cloud, table: &str) -> Result<Vec<Sighting>> {
    match table {
        "topic" => pubsub::topics(cloud).await,
        "subscription" => pubsub::subscriptions(cloud).await,
        "bucket" => bucket::all(cloud).await,
        "service_account" => account::all(cloud).await,
        "cluster" => cluster::all(cloud).await,
        _ => Ok(Vec::new()),
    }
}

/// What of a table has to be written: without what would be the same if it were not there.
fn beyond(table: Value, default: &Value) -> Map<String, Value> {
    let Value::Object(table) = table else { return Map::new() };
    let told = table.into_iter().filter_map(|(key, value)| match (value, &default[&key]) {
        (value, same) if value == *same => None,
        (Value::Null, _) => None,
        (inner @ Value::Object(_), default @ Value::Object(_)) if key != "labels" => {
            Some((key, Value::Object(beyond(inner, default))))
        }
        (value, _) => Some((key, value)),
    });
    told.collect()
}

/// Those of these that are so, for people: they stay as they are.
fn kept(features: &[(&str, bool)]) -> Vec<String> {
    let is_so = features.iter().filter(|(_, is_so)| *is_so).map(|(what, _)| *what);
    let named: Vec<&str> = is_so.collect();
    if named.is_empty() { Vec::new() } else { vec![format!("{}: kept as it is", named.join(", "))] }
}

/// What becomes of the label that names whoever made it.
fn taken_over<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> Option<String> {
    let labels: Labels = labels.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let other = labels.get(MANAGED_BY).filter(|by| *by != MANAGED_BY_US)?;
    Some(format!(
        "its label {MANAGED_BY}={other} becomes {MANAGED_BY}={MANAGED_BY_US}: make sure that {other} lets go of it"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_from_the_defaults_is_written() {
        let default = json!({"a": 1, "b": {"c": 2, "d": 3}, "labels": {}, "e": null});
        let live = json!({"a": 1, "b": {"c": 2, "d": 4}, "labels": {"x": "y"}, "e": "1d"});
        let told = json!({"b": {"d": 4}, "labels": {"x": "y"}, "e": "1d"});
        assert_eq!(Value::Object(beyond(live, &default)), told);
        assert!(beyond(default.clone(), &default).is_empty());
    }
}
