//! What an object must be to be stored.

use serde_json::Value;

use super::super::api::status::FieldError;
use super::super::kinds::Kind;
use super::{data, job, metadata, pod};

/// The fields of an object that Kubernetes would not accept.
pub(crate) fn validate(kind: &'static Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    metadata::metadata(kind, object, &mut errors);
    match kind.kind {
        "Pod" => pod::spec(&object["spec"], "spec", &mut errors),
        "Job" => job::job(object, &mut errors),
        "CronJob" => job::cron_job(object, &mut errors),
        "ConfigMap" | "Secret" => data::data(object, &mut errors),
        _ => {}
    }
    errors
}
