//! Objects that many cases start from.

use serde_json::{Value, json};

pub(super) fn map(name: &str, data: Value) -> Value {
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    map["data"] = data;
    map
}

/// A pod that no scheduler takes.
pub(super) fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "schedulerName": "nobody", "automountServiceAccountToken": false, "containers": [{"name": "main", "image": "img:1"}]}})
}

/// A Job whose pods no scheduler takes, with more fields of its spec.
pub(super) fn job(name: &str, more: Value) -> Value {
    let mut spec = pod(name)["spec"].clone();
    spec["restartPolicy"] = "Never".into();
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": spec}}});
    merge(&mut job["spec"], more);
    job
}

pub(super) fn suspended_job(name: &str) -> Value {
    job(name, json!({"suspend": true}))
}

/// A suspended cron job, with more fields of its spec.
pub(super) fn cron_job(name: &str, more: Value) -> Value {
    let template = json!({"spec": job(name, json!({}))["spec"]});
    let mut cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": template}});
    merge(&mut cron["spec"], more);
    cron
}

/// Sets the fields of `more`, deep.
pub(super) fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (field, value) in more {
                merge(into.entry(field).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}
