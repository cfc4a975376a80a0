//! Which stacks a project holds, by the marks on its resources alone. Needs no file.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use contract::RunId;
use futures::try_join;
use jiff::Timestamp;
use serde::Serialize;

use crate::cloud::{Cloud, EXPIRES, PREFIX, STACK, errors, limited};
use crate::cost::{Billed, Hourly};
use crate::runs::Store;
use crate::stack::{Labels, parse_time};

/// One stack as its resources tell it.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    /// Its owner name.
    pub stack: String,
    /// When its oldest bucket or cluster was made; nothing else says when.
    pub created: Option<Timestamp>,
    /// How long it is meant to live: the shortest that a resource of it says.
    pub expires_seconds: Option<u64>,
    /// How many resources of each kind it has, of those that bear marks.
    pub resources: BTreeMap<&'static str, usize>,
    /// Its runs that have not ended.
    pub open_runs: Vec<RunId>,
    /// What an hour of its clusters and of their pools costs.
    #[serde(serialize_with = "crate::report::cost_as_data")]
    pub cost: Hourly,
    /// What its names begin with.
    #[serde(skip)]
    pub prefix: String,
    #[serde(skip)]
    buckets: Vec<String>,
    #[serde(skip)]
    billed: Vec<Billed>,
}

impl Standing {
    /// When its time is up, if it is meant to end at all.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.created?.checked_add(Duration::from_secs(self.expires_seconds?)).ok()
    }

    /// Whether its time is up.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.end().is_some_and(|end| end <= now)
    }
}

/// A resource that bears a stack's mark.
struct Marked {
    kind: &'static str,
    name: String,
    marks: Labels,
    created: Option<Timestamp>,
    billed: Vec<Billed>,
}

/// Every stack in the cloud's project, by name, with its open runs.
pub(crate) async fn with_open_runs(cloud: &Cloud) -> Result<Vec<Standing>> {
    let mut stacks = all(cloud).await?;
    for standing in &mut stacks {
        for bucket in &standing.buckets {
            let store = Store { bucket: cloud.bucket(bucket), stack: standing.prefix.clone() };
            standing.open_runs.extend(store.open().await?.into_iter().map(|run| run.run));
        }
    }
    Ok(stacks)
}

/// Every stack in the cloud's project, by name. Its runs are not looked at.
pub(crate) async fn all(cloud: &Cloud) -> Result<Vec<Standing>> {
    let (topics, subscriptions, buckets, accounts, clusters) =
        try_join!(topics(cloud), subscriptions(cloud), buckets(cloud), accounts(cloud), clusters(cloud))?;
    Ok(grouped(topics.into_iter().chain(subscriptions).chain(buckets).chain(accounts).chain(clusters)))
}

/// What a stack's names begin with, as its marks tell it: its name, or the first that it had. Where
/// not everything may be seen, its name.
pub(crate) async fn prefix_of(cloud: &Cloud, stack: &str) -> Result<String> {
    let found = match all(cloud).await {
        Err(error) if errors::is_denied(&error) => Vec::new(),
        found => found?,
    };
    let found = found.into_iter().find(|standing| standing.stack == stack);
    Ok(found.map_or_else(|| stack.to_owned(), |standing| standing.prefix))
}

fn grouped(marked: impl Iterator<Item = Marked>) -> Vec<Standing> {
    let mut stacks: BTreeMap<String, Standing> = BTreeMap::new();
    for Marked { kind, name, marks, created, billed } in marked {
        let Some(stack) = marks.get(STACK) else { continue };
        let standing = stacks.entry(stack.clone()).or_insert_with(|| Standing {
            stack: stack.clone(),
            created: None,
            expires_seconds: None,
            resources: BTreeMap::new(),
            open_runs: Vec::new(),
            cost: Hourly::default(),
            prefix: stack.clone(),
            buckets: Vec::new(),
            billed: Vec::new(),
        });
        let lives = marks.get(EXPIRES).and_then(|text| parse_time(text)).map(|time| time.as_secs());
        if let Some(prefix) = marks.get(PREFIX) {
            standing.prefix.clone_from(prefix);
        }
        standing.created = standing.created.into_iter().chain(created).min();
        standing.expires_seconds = standing.expires_seconds.into_iter().chain(lives).min();
        *standing.resources.entry(kind).or_default() += 1;
        standing.buckets.extend((kind == "bucket").then_some(name));
        standing.billed.extend(billed);
    }
    for standing in stacks.values_mut() {
        standing.cost = Hourly::of(&standing.billed);
    }
    stacks.into_values().collect()
}

fn marked(kind: &'static str, name: String, labels: impl IntoIterator<Item = (String, String)>) -> Marked {
    Marked { kind, name, marks: labels.into_iter().collect(), created: None, billed: Vec::new() }
}

async fn topics(cloud: &Cloud) -> Result<Vec<Marked>> {
    let topics = cloud.topics_of_project().await?.into_iter();
    Ok(topics.map(|topic| marked("topic", topic.name, topic.labels)).collect())
}

async fn subscriptions(cloud: &Cloud) -> Result<Vec<Marked>> {
    let all = cloud.subscriptions_of_project().await?.into_iter();
    Ok(all.map(|one| marked("subscription", one.name, one.labels)).collect())
}

async fn buckets(cloud: &Cloud) -> Result<Vec<Marked>> {
    let found = cloud.buckets_of_project().await?.into_iter().map(|bucket| {
        let created = bucket.create_time.and_then(|time| Timestamp::from_second(time.seconds()).ok());
        Marked { created, ..marked("bucket", bucket.bucket_id, bucket.labels) }
    });
    Ok(found.collect())
}

async fn accounts(cloud: &Cloud) -> Result<Vec<Marked>> {
    let found = cloud.accounts_of_project().await?.into_iter().map(|one| {
        let marks = crate::kinds::account_marks(&one.description);
        marked("service account", one.email, marks)
    });
    Ok(found.collect())
}

async fn clusters(cloud: &Cloud) -> Result<Vec<Marked>> {
    let list = cloud.clusters.list_clusters().set_parent(format!("{}/locations/-", cloud.project.path()));
    let clusters = limited("list clusters", list.send()).await?.clusters;
    let found = clusters.into_iter().map(|cluster| Marked {
        created: cluster.create_time.parse().ok(),
        billed: crate::kinds::billed(&cluster, &cloud.project.id),
        ..marked("cluster", cluster.name, cluster.resource_labels)
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: &'static str, stack: &str, created: Option<&str>, lives: Option<&str>) -> Marked {
        let marks = [(STACK, Some(stack)), (EXPIRES, lives)];
        let marks = marks.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned())));
        Marked {
            created: created.map(|time| time.parse().expect("a time")),
            ..marked(kind, format!("{stack}-{kind}"), marks)
        }
    }

    #[test]
    fn a_stack_is_as_old_as_its_oldest_resource_and_ends_when_the_first_says() {
        let all = [
            one("topic", "fx", None, Some("8h")),
            one("bucket", "fx", Some("2026-01-01T00:00:00Z"), Some("8h")),
            one("cluster", "fx", Some("2026-01-01T01:00:00Z"), Some("1d")),
            one("topic", "forever", None, None),
            Marked { marks: Labels::new(), ..one("topic", "nobody's", None, None) },
        ];
        let stacks = grouped(all.into_iter());
        let names: Vec<&str> = stacks.iter().map(|standing| standing.stack.as_str()).collect();
        assert_eq!(names, ["forever", "fx"]);
        let end: Timestamp = "2026-01-01T08:00:00Z".parse().expect("a time");
        assert_eq!(stacks[1].end(), Some(end));
        assert!(stacks[1].has_expired(end));
        assert!(!stacks[1].has_expired(end - Duration::from_secs(1)));
        assert_eq!(stacks[0].end(), None);
        assert_eq!(stacks[1].buckets, ["fx-bucket"]);
    }

    #[test]
    fn what_nobody_knows_the_age_of_never_expires() {
        let stacks = grouped([one("topic", "fx", None, Some("8h"))].into_iter());
        assert!(!stacks[0].has_expired(Timestamp::MAX));
    }
}
