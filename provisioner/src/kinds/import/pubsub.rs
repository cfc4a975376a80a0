//! Topics and subscriptions as tables of a stack file.

use anyhow::Result;
use google_cloud_pubsub::model;
use serde_json::json;

use super::{Refers, Sighting, kept, taken_over};
use crate::cloud::Cloud;
use crate::kinds::{subscription, topic};

/// What stands in place of the name of a topic that was deleted.
const DELETED: &str = "_deleted-topic_";

pub(super) async fn topics(cloud: &Cloud) -> Result<Vec<Sighting>> {
    cloud.topics_of_project().await?.into_iter().map(|live| of_topic(cloud, live)).collect()
}

fn of_topic(cloud: &Cloud, live: model::Topic) -> Result<Sighting> {
    let mut unsaid = kept(&[
        ("schema", live.schema_settings.is_some()),
        ("encryption key", !live.kms_key_name.is_empty()),
        ("storage policy", live.message_storage_policy.is_some()),
        ("ingestion", live.ingestion_data_source_settings.is_some()),
        ("message transforms", !live.message_transforms.is_empty()),
    ]);
    unsaid.extend(taken_over(&live.labels));
    let found = topic::found(cloud, live);
    let name = last(&found.id);
    Ok(Sighting { unsaid, ..Sighting::new(&found.id, name, found.owner, &found.fields, json!({}))? })
}

pub(super) async fn subscriptions(cloud: &Cloud) -> Result<Vec<Sighting>> {
    cloud.subscriptions_of_project().await?.into_iter().map(|live| of_subscription(cloud, live)).collect()
}

fn of_subscription(cloud: &Cloud, live: model::Subscription) -> Result<Sighting> {
    let pushes = live.push_config.as_ref().is_some_and(|push| !push.push_endpoint.is_empty());
    let mut unsaid = kept(&[
        ("push endpoint", pushes),
        ("export to BigQuery", live.bigquery_config.is_some()),
        ("export to Cloud Storage", live.cloud_storage_config.is_some()),
        ("export to Bigtable", live.bigtable_config.is_some()),
        ("ordering", live.enable_message_ordering),
        ("exactly-once delivery", live.enable_exactly_once_delivery),
        ("retention of acknowledged messages", live.retain_acked_messages),
        ("message transforms", !live.message_transforms.is_empty()),
    ]);
    unsaid.extend(taken_over(&live.labels));
    let impossible = match () {
        () if live.topic == DELETED => Some("its topic was deleted".to_owned()),
        () if live.detached => Some("it is detached from its topic".to_owned()),
        () => None,
    };
    let mut found = subscription::found(cloud, live);
    let topic = Refers { field: &["topic"], table: "topic", id: std::mem::take(&mut found.fields.topic) };
    let dead = std::mem::take(&mut found.fields.dead_letter.topic);
    let dead = Refers { field: &["dead_letter", "topic"], table: "topic", id: dead };
    let name = last(&found.id);
    let least = json!({ "topic": "" });
    let sighting = Sighting::new(&found.id, name, found.owner, &found.fields, least)?;
    let refers = [topic, dead].into_iter().filter(|refers| !refers.id.is_empty()).collect();
    Ok(Sighting { refers, unsaid, impossible, ..sighting })
}

/// The last part of a full name.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
