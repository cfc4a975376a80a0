//! Objects as tables of columns, as `kubectl get` prints them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::kinds::{KINDS, Kind};
use super::super::object::{self, condition, instant, list, number, text, truth};

/// A column: its name, whether only `-o wide` shows it, and what stands in it.
type Column = (&'static str, bool, fn(&Value, Timestamp) -> Value);

/// Columns by kind; a kind that is not here shows name and age.
#[expect(clippy::too_many_lines, reason = "a table of tables")]
fn columns(kind: &Kind) -> &'static [Column] {
    match kind.kind {
        "Pod" => &[
            ("Name", false, name),
            ("Ready", false, |pod, _| ready_containers(pod).into()),
            ("Status", false, |pod, _| pod_status(pod).into()),
            ("Restarts", false, |pod, _| restarts(pod).into()),
            ("Age", false, age),
            ("IP", true, |pod, _| or_none(text(pod, "/status/podIP"))),
            ("Node", true, |pod, _| or_none(text(pod, "/spec/nodeName"))),
            ("Nominated Node", true, |pod, _| or_none(text(pod, "/status/nominatedNodeName"))),
            ("Readiness Gates", true, |_, _| "<none>".into()),
        ],
        "Job" => &[
            ("Name", false, name),
            ("Status", false, |job, _| job_status(job).into()),
            ("Completions", false, |job, _| completions(job).into()),
            ("Duration", false, |job, now| duration(job, now).into()),
            ("Age", false, age),
            ("Containers", true, |job, _| containers(job, "/spec/template/spec", "name").into()),
            ("Images", true, |job, _| containers(job, "/spec/template/spec", "image").into()),
            ("Selector", true, |job, _| labels(job, "/spec/selector/matchLabels")),
        ],
        "CronJob" => &[
            ("Name", false, name),
            ("Schedule", false, |cron, _| text(cron, "/spec/schedule").into()),
            ("Timezone", false, |cron, _| or_none(text(cron, "/spec/timeZone"))),
            ("Suspend", false, |cron, _| if truth(cron, "/spec/suspend") { "True" } else { "False" }.into()),
            ("Active", false, |cron, _| list(cron, "/status/active").len().into()),
            ("Last Schedule", false, |cron, now| match instant(cron, "/status/lastScheduleTime") {
                Some(at) => since(Some(at), now).into(),
                None => "<none>".into(),
            }),
            ("Age", false, age),
            ("Containers", true, |cron, _| {
                containers(cron, "/spec/jobTemplate/spec/template/spec", "name").into()
            }),
            ("Images", true, |cron, _| {
                containers(cron, "/spec/jobTemplate/spec/template/spec", "image").into()
            }),
            ("Selector", true, |cron, _| labels(cron, "/spec/jobTemplate/spec/selector/matchLabels")),
        ],
        "Node" => &[
            ("Name", false, name),
            ("Status", false, |node, _| node_status(node).into()),
            ("Roles", false, |_, _| "<none>".into()),
            ("Age", false, age),
            ("Version", false, |node, _| text(node, "/status/nodeInfo/kubeletVersion").into()),
            ("Internal-IP", true, |node, _| or_none(address(node, "InternalIP"))),
            ("External-IP", true, |node, _| or_none(address(node, "ExternalIP"))),
            ("OS-Image", true, |node, _| or_unknown(text(node, "/status/nodeInfo/osImage"))),
            ("Kernel-Version", true, |node, _| or_unknown(text(node, "/status/nodeInfo/kernelVersion"))),
            ("Container-Runtime", true, |node, _| {
                or_unknown(text(node, "/status/nodeInfo/containerRuntimeVersion"))
            }),
        ],
        "Event" => &[
            ("Last Seen", false, |event, now| since(instant(event, "/lastTimestamp"), now).into()),
            ("Type", false, |event, _| text(event, "/type").into()),
            ("Reason", false, |event, _| text(event, "/reason").into()),
            ("Object", false, |event, _| involved(event).into()),
            ("Subobject", true, |event, _| text(event, "/involvedObject/fieldPath").into()),
            ("Source", true, |event, _| text(event, "/source/component").into()),
            ("Message", false, |event, _| text(event, "/message").into()),
            ("First Seen", true, |event, now| since(instant(event, "/firstTimestamp"), now).into()),
            ("Count", true, |event, _| number(event, "/count").unwrap_or(1).into()),
            ("Name", true, name),
        ],
        "Namespace" => &[
            ("Name", false, name),
            ("Status", false, |namespace, _| text(namespace, "/status/phase").into()),
            ("Age", false, age),
        ],
        "Secret" => &[
            ("Name", false, name),
            ("Type", false, |secret, _| text(secret, "/type").into()),
            ("Data", false, |object, _| entries(object).into()),
            ("Age", false, age),
        ],
        "ServiceAccount" => &[
            ("Name", false, name),
            ("Secrets", false, |account, _| list(account, "/secrets").len().into()),
            ("Age", false, age),
        ],
        "Service" => &[
            ("Name", false, name),
            ("Type", false, |service, _| text(service, "/spec/type").into()),
            ("Cluster-IP", false, |service, _| or_none(text(service, "/spec/clusterIP"))),
            ("External-IP", false, |_, _| "<none>".into()),
            ("Port(s)", false, |service, _| ports(service)),
            ("Age", false, age),
            ("Selector", true, |service, _| labels(service, "/spec/selector")),
        ],
        "ConfigMap" => {
            &[("Name", false, name), ("Data", false, |object, _| entries(object).into()), ("Age", false, age)]
        }
        "Lease" => &[
            ("Name", false, name),
            ("Holder", false, |lease, _| text(lease, "/spec/holderIdentity").into()),
            ("Age", false, age),
        ],
        _ => &[("Name", false, name), ("Age", false, age)],
    }
}

/// Prints objects as a `Table`.
pub(super) fn table(
    kind: &Kind,
    objects: &[Arc<Value>],
    metadata: &Value,
    with_columns: bool,
    now: Timestamp,
) -> Value {
    let columns = columns(kind);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|(name, wide, _)| {
            let format = if *name == "Name" { "name" } else { "" };
            let shape = match *name {
                "Suspend" => "boolean",
                "Active" => "integer",
                _ => "string",
            };
            json!({"name": name, "type": shape, "format": format, "description": "", "priority": i32::from(*wide)})
        })
        .collect();
    let row = |object: &Arc<Value>| {
        let cells: Vec<Value> = columns.iter().map(|(_, _, cell)| cell(object, now)).collect();
        let mut metadata = object["metadata"].clone();
        object::entries(&mut metadata).remove("managedFields");
        let partial =
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
        let mut row = json!({"cells": cells, "object": partial});
        if let Some(ended) = Some(object).filter(|_| kind.kind == "Pod").and_then(|pod| ended(pod)) {
            row["conditions"] = json!([ended]);
        }
        row
    };
    let rows: Vec<Value> = objects.iter().map(row).collect();
    let definitions = if with_columns { definitions } else { vec![] };
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions, "rows": rows})
}

/// What is told of a pod that has ended: `kubectl` shows it apart.
fn ended(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

fn or_unknown(text: &str) -> Value {
    if text.is_empty() { "<unknown>".into() } else { text.into() }
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let found = list(node, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
    found.map_or("", |address| text(address, "/address"))
}

fn labels(object: &Value, pointer: &str) -> Value {
    let labels = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let told: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    or_none(&told.join(","))
}

fn ports(service: &Value) -> Value {
    let told =
        |port: &Value| format!("{}/{}", number(port, "/port").unwrap_or_default(), text(port, "/protocol"));
    let told: Vec<String> = list(service, "/spec/ports").iter().map(told).collect();
    or_none(&told.join(","))
}

fn name(object: &Value, _: Timestamp) -> Value {
    object::name(object).into()
}

fn age(object: &Value, now: Timestamp) -> Value {
    since(instant(object, "/metadata/creationTimestamp"), now).into()
}

fn or_none(text: &str) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

fn since(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "<none>".into(), |at| human(now.duration_since(at).as_secs()))
}

/// A duration as kubectl shortens it: `45s`, `3m20s`, `5h12m`, `4d`.
fn human(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => pair(days, "d", hours % 24, "h"),
        () => format!("{days}d"),
    }
}

fn ready_containers(pod: &Value) -> String {
    let ready =
        list(pod, "/status/containerStatuses").iter().filter(|status| truth(status, "/ready")).count();
    format!("{ready}/{}", list(pod, "/spec/containers").len())
}

fn restarts(pod: &Value) -> String {
    let counts =
        list(pod, "/status/containerStatuses").iter().filter_map(|status| number(status, "/restartCount"));
    counts.sum::<i64>().to_string()
}

fn pod_status(pod: &Value) -> String {
    if object::is_deleting(pod) && !object::is_terminal(pod) {
        return "Terminating".into();
    }
    let reason = text(pod, "/status/reason");
    if !reason.is_empty() {
        return reason.into();
    }
    for (at, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        let waiting = text(status, "/state/waiting/reason");
        if !matches!(waiting, "" | "PodInitializing" | "ContainerCreating") {
            return format!("Init:{waiting}");
        }
        if number(status, "/state/terminated/exitCode") != Some(0)
            && status.pointer("/state/waiting").is_none()
        {
            return format!("Init:{at}/{}", list(pod, "/spec/initContainers").len());
        }
    }
    for status in list(pod, "/status/containerStatuses").iter().rev() {
        for pointer in ["/state/waiting/reason", "/state/terminated/reason"] {
            let reason = text(status, pointer);
            if !reason.is_empty() {
                return reason.into();
            }
        }
    }
    text(pod, "/status/phase").into()
}

fn job_status(job: &Value) -> &'static str {
    match () {
        () if object::is_deleting(job) => "Terminating",
        () if object::is_condition_true(job, "Complete") => "Complete",
        () if object::is_condition_true(job, "Failed") => "Failed",
        () if object::is_condition_true(job, "FailureTarget") => "FailureTarget",
        () if object::is_condition_true(job, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () if object::is_condition_true(job, "Suspended") => "Suspended",
        () => "Running",
    }
}

fn completions(job: &Value) -> String {
    let done = number(job, "/status/succeeded").unwrap_or(0);
    match number(job, "/spec/completions") {
        Some(completions) => format!("{done}/{completions}"),
        None => format!("{done}/1 of {}", number(job, "/spec/parallelism").unwrap_or(1)),
    }
}

fn duration(job: &Value, now: Timestamp) -> String {
    let failed = condition(job, "Failed").and_then(|failed| instant(failed, "/lastTransitionTime"));
    let end = instant(job, "/status/completionTime").or(failed).unwrap_or(now);
    instant(job, "/status/startTime")
        .map(|start| human(end.duration_since(start).as_secs()))
        .unwrap_or_default()
}

fn containers(object: &Value, spec: &str, field: &str) -> String {
    let containers = list(object, &format!("{spec}/containers"));
    containers.iter().map(|container| text(container, &format!("/{field}"))).collect::<Vec<_>>().join(",")
}

fn node_status(node: &Value) -> String {
    let ready = match condition(node, "Ready") {
        None => "Unknown",
        Some(ready) if text(ready, "/status") == "True" => "Ready",
        Some(_) => "NotReady",
    };
    if truth(node, "/spec/unschedulable") { format!("{ready},SchedulingDisabled") } else { ready.into() }
}

fn involved(event: &Value) -> String {
    let kind = text(event, "/involvedObject/kind");
    let known = KINDS.iter().find(|known| known.kind == kind);
    format!("{}/{}", known.map_or(kind, |known| known.singular), text(event, "/involvedObject/name"))
}

fn entries(object: &Value) -> usize {
    let count = |field: &str| object.get(field).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    count("data") + count("binaryData")
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn ages_are_shortened_as_kubectl_does() {
        for (seconds, text) in [
            (5, "5s"),
            (119, "119s"),
            (125, "2m5s"),
            (700, "11m"),
            (11_000, "3h3m"),
            (90_000, "25h"),
            (900_000, "10d"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }
}
