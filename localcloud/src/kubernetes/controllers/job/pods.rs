//! The pods of a Job: made from its template, with index, labels and the counts of failures before.

use serde_json::{Value, json};

use super::super::super::admission;
use super::super::super::generated::suffix;
use super::super::super::kinds::{JOB, POD};
use super::super::super::object::{self, annotation, controller_reference, entries, section};

pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// How often an index has failed before a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Failures {
    pub(super) counted: u32,
    pub(super) ignored: u32,
}

impl Failures {
    /// What is written on a pod.
    pub(super) fn before(pod: &Value) -> Self {
        let count = |key| annotation(pod, key).and_then(|count| count.parse().ok()).unwrap_or(0);
        Self { counted: count(FAILURES), ignored: count(IGNORED) }
    }

    pub(super) fn all(self) -> u32 {
        self.counted.saturating_add(self.ignored)
    }
}

/// The completion index of a pod.
pub(super) fn index(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok()
}

/// Makes a pod of a Job; for an index, if the Job has any.
pub(super) fn new(job: &Value, index: Option<i64>, failures: Failures) -> Value {
    let template = &job["spec"]["template"];
    let mut pod = json!({"metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})), "spec": template["spec"]});
    let base =
        index.map_or_else(|| object::name(job).to_owned(), |index| format!("{}-{index}", object::name(job)));
    let base: String = base.chars().take(57).collect();
    let metadata = object::metadata(&mut pod);
    metadata.insert("name".into(), format!("{base}-{}", suffix(5)).into());
    metadata.insert("generateName".into(), format!("{base}-").into());
    metadata.insert("namespace".into(), object::namespace(job).into());
    metadata.insert("ownerReferences".into(), json!([controller_reference(&JOB, job)]));
    metadata.insert("finalizers".into(), json!([TRACKING]));
    if let Some(index) = index {
        let per_index = job["spec"].get("backoffLimitPerIndex").is_some();
        number(&mut pod, index, failures, per_index);
        section(&mut pod, "spec").entry("hostname").or_insert_with(|| base.into());
    }
    admission::prepare_new(&POD, &mut pod);
    pod
}

fn number(pod: &mut Value, index: i64, failures: Failures, per_index: bool) {
    for section in ["labels", "annotations"] {
        let map = entries(object::metadata(pod).entry(section).or_insert(Value::Null));
        map.insert(INDEX.into(), index.to_string().into());
    }
    if per_index {
        let annotations = entries(object::metadata(pod).entry("annotations").or_insert(Value::Null));
        annotations.insert(FAILURES.into(), failures.counted.to_string().into());
        if failures.ignored > 0 {
            annotations.insert(IGNORED.into(), failures.ignored.to_string().into());
        }
    }
    let variable = json!({
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']")}},
    });
    for group in ["initContainers", "containers"] {
        let containers = pod["spec"].get_mut(group).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Value::Array(variables) = entries(container).entry("env").or_insert_with(|| json!([])) {
                variables.push(variable.clone());
            }
        }
    }
}
