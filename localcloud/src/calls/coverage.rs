//! Which points calls passed, under names that stay the same from run to run: what differs between
//! two runs of the same stack (a run, its items, what is made of hashes, what the server numbers) is
//! written as `*`.
//!
//! - `operations/*`, `nodes/*`, and of Kubernetes also `pods/*`, `jobs/*`, `events/*`: their names are made up;
//! - objects: `runs/*/…`, and of the rest of an object's name every two-digit shard, every segment
//!   with eight hexadecimal digits or more in a row, and the last one but for its ending (`rates/*.csv`,
//!   `runs/*/receipts/*/*.json`). What lies directly below a run keeps its name (`runs/*/run.json`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fault::Moment;
use super::log::{Log, Record};

/// A point that calls passed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Passed {
    /// `pubsub.topics.publish` …
    pub method: String,
    /// The resources, as a pattern: what a [`Point`](super::Point) takes.
    pub resource: String,
    /// Before or after the effect.
    pub moment: Moment,
    /// The programs that passed; principals, where the program is not known.
    pub callers: BTreeSet<String>,
}

/// The collections whose members' names are made up.
const MADE_UP: [&str; 5] = ["operations", "nodes", "pods", "jobs", "events"];

/// The points that calls from a number on passed.
pub(super) fn since(log: &Log, since: u64) -> Vec<Passed> {
    let mut passed: BTreeMap<(&'static str, String, Moment), BTreeSet<String>> = BTreeMap::new();
    let mut note = |record: &Record, moment| {
        let caller = record.caller.program.as_ref().map_or(record.caller.principal.as_ref(), |p| &p.name);
        let key = (record.method, class(&record.resource), moment);
        passed.entry(key).or_default().insert(caller.to_owned());
    };
    log.read(since, |record| {
        note(record, Moment::Before);
        if record.status.is_some() {
            note(record, Moment::After);
        }
        None::<()>
    });
    let shown = |((method, resource, moment), callers): ((&str, String, Moment), _)| Passed {
        method: method.to_owned(),
        resource,
        moment,
        callers,
    };
    passed.into_iter().map(shown).collect()
}

/// A resource's name without what differs from run to run.
pub(super) fn class(resource: &str) -> String {
    if let Some((bucket, object)) = resource.split_once("/objects/") {
        return format!("{bucket}/objects/{}", object_class(object));
    }
    let mut before = "";
    let segments = resource.split('/').map(|segment| {
        let is_made_up = MADE_UP.contains(&before);
        before = segment;
        if is_made_up { "*" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

fn object_class(name: &str) -> String {
    let segments: Vec<&str> = name.split('/').collect();
    let last = segments.len() - 1;
    let in_run = segments.first() == Some(&"runs");
    let class = segments.iter().enumerate().map(|(at, segment)| match at {
        1 if in_run => "*".to_owned(),
        2 if in_run && at == last => (*segment).to_owned(),
        _ if at == last => match segment.split_once('.') {
            Some((_, ending)) => format!("*.{ending}"),
            None => "*".to_owned(),
        },
        // The attempts of an item lie in a folder of its name.
        4 if in_run => "*".to_owned(),
        _ if is_hash(segment) => "*".to_owned(),
        _ => (*segment).to_owned(),
    });
    class.collect::<Vec<_>>().join("/")
}

fn is_hash(segment: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let longest = segment.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max().unwrap_or(0);
    (segment.len() == 2 && is_hex(segment)) || longest >= 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_differs_from_run_to_run() {
        let objects = "projects/_/buckets/data/objects";
        for (name, expected) in [
            ("projects/p/topics/fx-items", "projects/p/topics/fx-items"),
            ("projects/p/locations/l/operations/operation-17-ab", "projects/p/locations/l/operations/*"),
            ("clusters/fx-main/namespaces/fx/jobs/fx-20261122-1", "clusters/fx-main/namespaces/fx/jobs/*"),
            ("clusters/fx-main/namespaces/fx/cronjobs/fx", "clusters/fx-main/namespaces/fx/cronjobs/fx"),
            ("clusters/fx-main/namespaces/fx/pods", "clusters/fx-main/namespaces/fx/pods"),
        ] {
            assert_eq!(class(name), expected);
        }
        for (name, expected) in [
            ("rates/AUD.csv", "rates/*.csv"),
            ("runs/fx-1a2b/run.json", "runs/*/run.json"),
            ("runs/fx-1a2b/items.ndjson", "runs/*/items.ndjson"),
            ("runs/fx-1a2b/batches/000001.json", "runs/*/batches/*.json"),
            ("runs/fx-1a2b/receipts/3f/AUD.json", "runs/*/receipts/*/*.json"),
            ("runs/fx-1a2b/attempts/3f/AUD/0001.failed.json", "runs/*/attempts/*/*/*.failed.json"),
            ("runs/fx-1a2b/workers/fx-0-abcde.json", "runs/*/workers/*.json"),
        ] {
            assert_eq!(class(&format!("{objects}/{name}")), format!("{objects}/{expected}"));
        }
    }
}
