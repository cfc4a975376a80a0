//! `topic`: a Pub/Sub topic.

use anyhow::Result;
use futures::FutureExt as _;
use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_pubsub::model;
use google_cloud_wkt::FieldMask;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subscription::Subscription;
use super::{Found, Kind, Place, Table};
use crate::cloud::{Cloud, Marked, PAGE, all, errors, limited, marks};
use crate::resource::{Desired, Health, Owner, Revision};
use crate::stack::{FieldProblem, Labels, Scope, Seconds};

/// A Pub/Sub topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Topic {
    /// Labels of the topic.
    #[serde(default)]
    pub labels: Labels,
    /// How long the topic itself keeps messages, 10 minutes to 31 days; without it, only subscriptions do.
    #[serde(default)]
    pub retention: Option<Seconds<600, 2_678_400>>,
}

impl Table for Topic {
    const NAME: &'static str = "topic";

    fn problems(&self, _key: &str, _scope: &Scope) -> Vec<FieldProblem> {
        Vec::new()
    }

    fn resources(&self, key: &str, scope: &Scope) -> Result<Vec<Desired>> {
        let topic = Self { labels: scope.labels("topic", key, &self.labels), ..self.clone() };
        Ok(vec![Desired::new(key, scope.topic(key), &topic)?])
    }
}

impl Kind for Topic {
    const NAME: &'static str = "topic";
    const DELETED_AFTER: &'static [&'static str] = &["subscription"];
    const UPDATES_BLINDLY: bool = true;
    const ADOPTABLE: bool = true;

    fn apis(&self) -> &'static [&'static str] {
        &["pubsub"]
    }

    async fn observe(&self, cloud: &Cloud, id: &str) -> Result<Option<Found<Self>>> {
        let get = cloud.topics.get_topic().set_topic(id);
        let topic = errors::found(limited("look up the topic", get.send()).await)?;
        Ok(topic.map(|topic| found(cloud, topic)))
    }

    async fn owned(cloud: &Cloud) -> Result<Vec<Found<Self>>> {
        let topics = cloud.topics_of_project().await?.into_iter().map(|topic| found(cloud, topic));
        Ok(topics.filter(|found| found.owner == Owner::Ours).collect())
    }

    async fn health(cloud: &Cloud, id: &str) -> Result<Option<Health>> {
        let get = cloud.topics.get_topic().set_topic(id);
        let live = errors::found(limited("look up the topic", get.send()).await)?;
        let told = live.filter(|live| live.state != model::topic::State::Unspecified);
        Ok(told.map(|live| Health {
            is_well: live.state == model::topic::State::Active,
            state: live.state.to_string(),
            conditions: Vec::new(),
        }))
    }

    async fn create(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let create = cloud.topics.create_topic().set_name(at.id).set_labels(at.labels(cloud, &self.labels));
        let create = create.set_or_clear_message_retention_duration(self.retention.map(super::wkt));
        // A PUT, that the client would try again untold.
        limited("create the topic", create.with_idempotency(false).send()).await.map(drop)
    }

    async fn update(&self, cloud: &Cloud, at: &Place<'_>, _: &[String]) -> Result<()> {
        let topic = model::Topic::new()
            .set_name(at.id)
            .set_labels(at.labels(cloud, &self.labels))
            .set_or_clear_message_retention_duration(self.retention.map(super::wkt));
        // Pub/Sub has no etag: all of it at once, so that of two writers one wins wholly.
        let mask = FieldMask::default().set_paths(["labels", "message_retention_duration"]);
        let update = cloud.topics.update_topic().set_topic(topic).set_update_mask(mask);
        limited("update the topic", update.send()).await.map(drop)
    }

    async fn relabel(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let topic = model::Topic::new().set_name(at.id).set_labels(at.labels(cloud, &self.labels));
        let mask = FieldMask::default().set_paths(["labels"]);
        let update = cloud.topics.update_topic().set_topic(topic).set_update_mask(mask);
        limited("label the topic", update.send()).await.map(drop)
    }

    async fn delete(&self, cloud: &Cloud, at: &Place<'_>) -> Result<()> {
        let delete = cloud.topics.delete_topic().set_topic(at.id);
        errors::gone(limited("delete the topic", delete.send()).await)
    }

    fn by_hand(&self, _: &str, id: &str) -> String {
        format!("gcloud pubsub topics delete {id}")
    }

    async fn others(cloud: &Cloud, id: &str) -> Result<Vec<String>> {
        let ours = super::listed::<Subscription>(cloud).await?;
        let list = cloud.topics.list_topic_subscriptions().set_topic(id).set_page_size(PAGE).by_item();
        let names = all("list the topic's subscriptions", list, |rows| rows.next().boxed());
        let mut names = names.await?;
        names.retain(|name| ours.iter().all(|own| own.id != *name));
        Ok(names)
    }
}

pub(super) fn found(cloud: &Cloud, topic: model::Topic) -> Found<Topic> {
    let revision = Revision { marks: marks(&topic.labels), ..Revision::default() };
    let Marked { owner, key, labels } = cloud.unmarked(topic.labels);
    let retention = topic.message_retention_duration.map(super::seconds);
    Found {
        key: super::key(key, &topic.name),
        id: topic.name,
        owner,
        fields: Topic { labels, retention },
        holds: None,
        inside: None,
        revision,
    }
}
