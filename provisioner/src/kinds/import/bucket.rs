//! Buckets as tables of a stack file.

use anyhow::Result;
use google_cloud_storage::model;
use serde_json::json;

use super::{Sighting, kept, taken_over};
use crate::cloud::Cloud;
use crate::kinds::bucket::{BucketSpec, LifecycleRule};

pub(super) async fn all(cloud: &Cloud) -> Result<Vec<Sighting>> {
    cloud.buckets_of_project().await?.into_iter().map(|live| of(cloud, live)).collect()
}

fn of(cloud: &Cloud, live: model::Bucket) -> Result<Sighting> {
    let rules = live.lifecycle.as_ref().map(|lifecycle| lifecycle.rule.clone()).unwrap_or_default();
    let others = rules.iter().filter(|rule| LifecycleRule::read(rule).is_none()).count();
    let mut unsaid = kept(&[
        ("storage class", !matches!(live.storage_class.as_str(), "" | "STANDARD")),
        ("encryption", live.encryption.is_some()),
        ("retention policy", live.retention_policy.is_some()),
        ("CORS", !live.cors.is_empty()),
        ("website", live.website.is_some()),
        ("logging", live.logging.is_some()),
        ("requester pays", live.billing.as_ref().is_some_and(|billing| billing.requester_pays)),
        ("autoclass", live.autoclass.as_ref().is_some_and(|autoclass| autoclass.enabled)),
        ("custom placement", live.custom_placement_config.is_some()),
        ("object retention", live.object_retention.as_ref().is_some_and(|retention| retention.enabled)),
        ("holds by default", live.default_event_based_hold),
        ("IP filter", live.ip_filter.is_some()),
    ]);
    if others > 0 {
        unsaid.push(format!(
            "{others} of its lifecycle rules: kept as long as `lifecycle` is not changed in the file"
        ));
    }
    unsaid.extend(taken_over(&live.labels));
    let owner = cloud.unmarked(live.labels.clone()).owner;
    let name = live.name.rsplit('/').next().unwrap_or_default().to_owned();
    let place = live.location.to_lowercase();
    let sighting = Sighting::new(&name, &name, owner, &BucketSpec::read(cloud, live), json!({}))?;
    Ok(Sighting { unsaid, place: Some(place), ..sighting })
}
