//! The defaults that an API server fills in, so that what is read back has them as on the truth.

use serde_json::{Map, Value, json};

use super::super::kinds::Kind;
use super::super::object::{self, entries, list, section, text};
use super::super::quantity;

/// Fills in the defaults of a kind.
pub(crate) fn fill(kind: &'static Kind, object: &mut Value) {
    object["kind"] = kind.kind.into();
    object["apiVersion"] = kind.api_version().into();
    match kind.kind {
        "Namespace" => namespace(object),
        "Pod" => {
            pod(section(object, "spec"));
            request_limits(section(object, "spec"));
            unless_set(section(object, "spec"), json!({"enableServiceLinks": true}));
        }
        "Job" => {
            job_spec(section(object, "spec"));
            label_job(object);
        }
        "CronJob" => cron_job(section(object, "spec")),
        "Service" => service(section(object, "spec")),
        "Secret" => secret(object),
        _ => {}
    }
    // The type of the kind says what is there even when it is empty.
    let mut written = object.clone();
    if super::known_fields(kind, &mut written).is_ok() {
        *object = written;
    }
}

/// Sets what is not there.
fn unless_set(map: &mut Map<String, Value>, defaults: Value) {
    let Value::Object(defaults) = defaults else { return };
    for (key, value) in defaults {
        let held = map.entry(key).or_insert(Value::Null);
        if held.is_null() || *held == "" {
            *held = value;
        }
    }
}

fn namespace(object: &mut Value) {
    let name = object::name(object).to_owned();
    let labels = entries(object::metadata(object).entry("labels").or_insert(Value::Null));
    labels.insert("kubernetes.io/metadata.name".into(), name.into());
    unless_set(section(object, "status"), json!({"phase": "Active"}));
}

/// What a new namespace waits for when it is deleted.
pub(super) fn hold_namespace(object: &mut Value) {
    unless_set(section(object, "spec"), json!({"finalizers": ["kubernetes"]}));
}

/// A Job without labels has those of its pods.
pub(super) fn label_job(job: &mut Value) {
    let of_pods = job.pointer("/spec/template/metadata/labels").and_then(Value::as_object).cloned();
    let own = object::metadata(job).get("labels").and_then(Value::as_object);
    if let Some(labels) = of_pods.filter(|labels| !labels.is_empty() && own.is_none_or(Map::is_empty)) {
        object::metadata(job).insert("labels".into(), Value::Object(labels));
    }
}

/// A limit without a request asks for what it may use.
fn request_limits(spec: &mut Map<String, Value>) {
    for containers in ["initContainers", "containers"] {
        for container in spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(Value::Object(limits)) = container.pointer("/resources/limits").cloned() else {
                continue;
            };
            let resources = section(container, "resources");
            unless_set(entries(resources.entry("requests").or_insert(Value::Null)), Value::Object(limits));
        }
    }
}

fn pod(spec: &mut Map<String, Value>) {
    unless_set(
        spec,
        json!({
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
            "securityContext": {}, "schedulerName": "default-scheduler",
        }),
    );
    // A grace below zero was once how one said "at once".
    if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|grace| grace < 0) {
        spec.insert("terminationGracePeriodSeconds".into(), 1.into());
    }
    // The account has two names; the older one is kept in step.
    if let Some(account) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        unless_set(spec, json!({"serviceAccountName": account, "serviceAccount": account}));
    }
    for containers in ["initContainers", "containers"] {
        for container in spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            self::container(entries(container));
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        if volume.as_object().is_some_and(|volume| volume.keys().all(|field| field == "name")) {
            volume["emptyDir"] = json!({});
        }
        for source in ["secret", "configMap", "projected", "downwardAPI"] {
            if let Some(Value::Object(source)) = volume.get_mut(source) {
                unless_set(source, json!({"defaultMode": 420}));
            }
        }
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let latest = !image.contains('@') && (!tag.contains(':') || tag.ends_with(":latest"));
    if !image.is_empty() {
        unless_set(container, json!({"imagePullPolicy": if latest { "Always" } else { "IfNotPresent" }}));
    }
    unless_set(
        container,
        json!({
            "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        }),
    );
    let resources = container.get_mut("resources").map(entries);
    if let Some(resources) = resources {
        for amounts in ["requests", "limits"] {
            for amount in resources
                .get_mut(amounts)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
            {
                if let Some(text) = amount.as_str() {
                    *amount = quantity::canonical(text).into();
                }
            }
        }
    }
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        unless_set(entries(port), json!({"protocol": "TCP"}));
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::Object(field)) = variable.pointer_mut("/valueFrom/fieldRef") {
            unless_set(field, json!({"apiVersion": "v1"}));
        }
    }
}

fn pod_template(spec: &mut Map<String, Value>) {
    let template = spec.entry("template").or_insert(Value::Null);
    section(template, "metadata");
    pod(section(template, "spec"));
}

fn job_spec(spec: &mut Map<String, Value>) {
    let per_index = spec.contains_key("backoffLimitPerIndex");
    let neither = !spec.contains_key("completions") && !spec.contains_key("parallelism");
    let policy = spec.contains_key("podFailurePolicy");
    unless_set(
        spec,
        json!({
            "parallelism": 1, "completionMode": "NonIndexed", "suspend": false, "manualSelector": false,
            "backoffLimit": if per_index { i64::from(i32::MAX) } else { 6 },
            "podReplacementPolicy": if policy { "Failed" } else { "TerminatingOrFailed" },
        }),
    );
    if neither {
        spec.insert("completions".into(), 1.into());
    }
    for rule in spec
        .get_mut("podFailurePolicy")
        .map(|policy| &mut policy["rules"])
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for pattern in rule.get_mut("onPodConditions").and_then(Value::as_array_mut).into_iter().flatten() {
            unless_set(entries(pattern), json!({"status": "True"}));
        }
    }
    pod_template(spec);
}

fn cron_job(spec: &mut Map<String, Value>) {
    unless_set(
        spec,
        json!({
            "concurrencyPolicy": "Allow", "suspend": false,
            "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
        }),
    );
    let template = spec.entry("jobTemplate").or_insert(Value::Null);
    section(template, "metadata");
    // The template's Job is filled in again when it is made; here only what is always shown.
    pod_template(section(template, "spec"));
}

fn service(spec: &mut Map<String, Value>) {
    unless_set(
        spec,
        json!({"type": "ClusterIP", "sessionAffinity": "None", "clusterIP": "None", "clusterIPs": ["None"],
            "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
    );
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let number = port.get("port").cloned().unwrap_or_default();
        let port = entries(port);
        unless_set(port, json!({"protocol": "TCP"}));
        if port.get("targetPort").is_none_or(|target| *target == 0) {
            port.insert("targetPort".into(), number);
        }
    }
}

/// Secrets may be written as text; they are kept as base64.
fn secret(object: &mut Value) {
    use base64::Engine as _;
    unless_set(entries(object), json!({"type": "Opaque"}));
    let Some(Value::Object(texts)) = entries(object).remove("stringData") else { return };
    let data = section(object, "data");
    for (key, value) in texts {
        let bytes = value.as_str().unwrap_or_default();
        data.insert(key, base64::engine::general_purpose::STANDARD.encode(bytes).into());
    }
}

/// Ties a Job's pods to it: selector and template labels by its uid.
pub(crate) fn tie_pods(job: &mut Value) {
    if object::truth(job, "/spec/manualSelector") {
        return;
    }
    let (uid, name) = (object::uid(job).to_owned(), object::name(job).to_owned());
    let spec = section(job, "spec");
    let selector = spec.entry("selector").or_insert_with(|| json!({}));
    section(selector, "matchLabels").insert("batch.kubernetes.io/controller-uid".into(), uid.clone().into());
    let template = spec.entry("template").or_insert(Value::Null);
    let labels = entries(section(template, "metadata").entry("labels").or_insert(Value::Null));
    for prefix in ["", "batch.kubernetes.io/"] {
        labels.entry(format!("{prefix}controller-uid")).or_insert_with(|| uid.clone().into());
        labels.entry(format!("{prefix}job-name")).or_insert_with(|| name.clone().into());
    }
}

/// What admission plugins of a cluster add to a new pod.
pub(crate) fn admit_pod(pod: &mut Value) {
    let spec = section(pod, "spec");
    unless_set(
        spec,
        json!({"serviceAccountName": "default", "serviceAccount": "default", "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority", "enableServiceLinks": true}),
    );
    // Pods are evicted from broken nodes after five minutes unless they say otherwise.
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = list(tolerations, "")
            .iter()
            .any(|toleration| matches!(text(toleration, "/key"), "") || text(toleration, "/key") == key);
        if let (false, Value::Array(tolerations)) = (tolerated, &mut *tolerations) {
            tolerations.push(
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
            );
        }
    }
    let class = quality(pod);
    unless_set(section(pod, "status"), json!({"phase": "Pending", "qosClass": class}));
}

/// The quality-of-service class that the containers' requests and limits make.
fn quality(pod: &Value) -> &'static str {
    let amounts = |container: &Value, kind: &str| {
        container.pointer(&format!("/resources/{kind}")).cloned().unwrap_or_default()
    };
    let containers = list(pod, "/spec/containers");
    let guaranteed = |container: &Value| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = amounts(container, "limits");
            limit.get(resource).is_some()
                && limit.get(resource) == amounts(container, "requests").get(resource)
        })
    };
    let nothing = |container: &Value| {
        ["limits", "requests"]
            .iter()
            .all(|kind| amounts(container, kind).as_object().is_none_or(Map::is_empty))
    };
    match () {
        () if containers.iter().all(nothing) => "BestEffort",
        () if containers.iter().all(guaranteed) => "Guaranteed",
        () => "Burstable",
    }
}
