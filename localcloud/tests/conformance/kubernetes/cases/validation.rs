//! What is refused with a 422, in which words.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::{Ask, MERGE, Session};
use super::objects::{cron_job, job, map, pod};

/// Sends an object with each of the patches on it, and writes down what is said of it.
async fn each(s: &mut Session, path: &str, base: &Value, wrong: &[Value]) {
    for patch in wrong {
        let mut body = base.clone();
        lay(&mut body, patch);
        let answer = s.exchange(&Ask::new(Method::POST, &format!("{path}?dryRun=All")).json(&body)).await;
        let shown: String = patch.to_string().chars().take(200).collect();
        s.note(&format!("{path} with {shown}: {}", answer.code));
        let body = answer.body();
        s.tell(&if answer.code < 300 {
            Value::Null
        } else {
            json!({"message": body["message"], "details": body["details"]})
        });
    }
}

/// A merge patch whose lists are laid item on item.
fn lay(on: &mut Value, patch: &Value) {
    match (on, patch) {
        (Value::Object(on), Value::Object(patch)) => {
            for (field, value) in patch {
                if value.is_null() {
                    on.remove(field);
                } else {
                    lay(on.entry(field).or_insert(Value::Null), value);
                }
            }
        }
        (Value::Array(on), Value::Array(patch)) if on.len() == patch.len() => {
            on.iter_mut().zip(patch).for_each(|(on, patch)| lay(on, patch));
        }
        (on, patch) => *on = patch.clone(),
    }
}

pub(super) async fn metadata(s: &mut Session) {
    let long = "a".repeat(254);
    let big = "x".repeat(262_145);
    each(
        s,
        "configmaps",
        &map("a", json!({})),
        &[
            json!({"metadata": {"name": "Upper"}}),
            json!({"metadata": {"name": "a_b"}}),
            json!({"metadata": {"name": long}}),
            json!({"metadata": {"name": "-a"}}),
            json!({"metadata": {"name": "a..b"}}),
            json!({"metadata": {"labels": {"UP per": "x"}}}),
            json!({"metadata": {"labels": {"a": "b c"}}}),
            json!({"metadata": {"labels": {"a": "b".repeat(64)}}}),
            json!({"metadata": {"labels": {"/a": "b"}}}),
            json!({"metadata": {"labels": {"a/b/c": "b"}}}),
            json!({"metadata": {"labels": {"a".repeat(64): "b"}}}),
            json!({"metadata": {"labels": {"Up.Per/a": "b"}}}),
            json!({"metadata": {"annotations": {"a b": "x"}}}),
            json!({"metadata": {"annotations": {"UPPER/x": "any thing"}}}),
            json!({"metadata": {"annotations": {"a": big}}}),
            json!({"data": {"a b": "x"}}),
            json!({"data": {"..": "x"}}),
            json!({"data": {"": "x"}}),
            json!({"data": {"a": "x"}, "binaryData": {"a": "eA=="}}),
            json!({"binaryData": {"a": "%%%"}}),
            json!({"data": {"a": "x".repeat(1_048_577)}}),
        ],
    )
    .await;
    each(
        s,
        "secrets",
        &json!({"metadata": {"name": "a"}}),
        &[
            json!({"data": {"a b": "eA=="}}),
            json!({"data": {"a": "???"}}),
            json!({"type": "kubernetes.io/dockerconfigjson"}),
            json!({"type": "kubernetes.io/tls"}),
            json!({"type": "kubernetes.io/basic-auth"}),
            json!({"type": "kubernetes.io/service-account-token"}),
            json!({"type": "example.com/own"}),
        ],
    )
    .await;
    each(
        s,
        "serviceaccounts",
        &json!({"metadata": {"name": "a"}}),
        &[json!({"metadata": {"name": "A"}}), json!({"metadata": {"name": "a.b"}})],
    )
    .await;
    each(
        s,
        "/api/v1/namespaces",
        &json!({"metadata": {"name": "validation-x"}}),
        &[
            json!({"metadata": {"name": "a.b"}}),
            json!({"metadata": {"name": "A"}}),
            json!({"metadata": {"name": "a".repeat(64)}}),
            json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "other"}}}),
            json!({"spec": {"finalizers": ["nonsense"]}}),
        ],
    )
    .await;
}

pub(super) async fn pods(s: &mut Session) {
    let container = |patch: Value| json!({"spec": {"containers": [patch]}});
    each(s, "pods", &pod("a"), &[
        json!({"spec": {"containers": null}}), json!({"spec": null}), json!({"metadata": {"name": "A"}}),
        container(json!({"name": null})), container(json!({"name": "A_"})), container(json!({"name": "a".repeat(64)})), container(json!({"image": null})), container(json!({"image": " img"})),
        json!({"spec": {"containers": [{"name": "x", "image": "i"}, {"name": "x", "image": "i"}]}}),
        json!({"spec": {"initContainers": [{"name": "main", "image": "i"}]}}),
        container(json!({"imagePullPolicy": "Sometimes"})), container(json!({"terminationMessagePolicy": "x"})),
        container(json!({"env": [{"name": ""}]})), container(json!({"env": [{"name": "A=B"}]})), container(json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]})),
        container(json!({"env": [{"name": "A", "valueFrom": {}}]})), container(json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "nonsense"}}}]})),
        container(json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a b']"}}}]})),
        container(json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "", "key": ""}}}]})),
        container(json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.nonsense"}}}]})),
        container(json!({"envFrom": [{"secretRef": {"name": "UP"}}]})), container(json!({"envFrom": [{}]})),
        container(json!({"ports": [{"containerPort": 0}]})), container(json!({"ports": [{"containerPort": 99999}]})), container(json!({"ports": [{"containerPort": 80, "protocol": "X"}]})), container(json!({"ports": [{"containerPort": 80, "name": "UPPER"}]})),
        container(json!({"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]})),
        container(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})), container(json!({"resources": {"requests": {"cpu": "-1"}}})), container(json!({"resources": {"requests": {"nonsense": "1"}}})),
        container(json!({"resources": {"requests": {"example.com/gpu": "1"}}})), container(json!({"resources": {"limits": {"example.com/gpu": "1500m"}}})), container(json!({"resources": {"requests": {"cpu": "0.0001"}}})),
        container(json!({"volumeMounts": [{"name": "none", "mountPath": "/x"}]})), container(json!({"volumeMounts": [{"name": "", "mountPath": ""}]})),
        json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]}]}}),
        json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "../y"}]}]}}),
        json!({"spec": {"volumes": [{"name": "v"}]}}), json!({"spec": {"volumes": [{"name": "V", "emptyDir": {}}]}}), json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]}}),
        json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]}}), json!({"spec": {"volumes": [{"name": "v", "secret": {}}]}}), json!({"spec": {"volumes": [{"name": "v", "configMap": {}}]}}),
        json!({"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 9999}}]}}), json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "../x"}}]}}),
        json!({"spec": {"restartPolicy": "Sometimes"}}), json!({"spec": {"dnsPolicy": "x"}}), json!({"spec": {"terminationGracePeriodSeconds": -1}}), json!({"spec": {"activeDeadlineSeconds": 0}}),
        json!({"spec": {"nodeSelector": {"a b": "c"}}}), json!({"spec": {"nodeSelector": {"a": "b c"}}}), json!({"spec": {"nodeName": "A"}}), json!({"spec": {"serviceAccountName": "A"}}), json!({"spec": {"hostname": "A"}}), json!({"spec": {"subdomain": "A"}}),
        json!({"spec": {"tolerations": [{"key": "", "operator": "Equal"}]}}), json!({"spec": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}), json!({"spec": {"tolerations": [{"key": "a", "operator": "Nope"}]}}),
        json!({"spec": {"tolerations": [{"key": "a b", "operator": "Exists"}]}}), json!({"spec": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "Nope"}]}}), json!({"spec": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]}}),
        json!({"spec": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {"matchLabels": {"a": "b"}}}]}}}}),
        json!({"spec": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]}}}}),
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}}),
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Nope"}]}]}}}}}),
        container(json!({"securityContext": {"runAsUser": -1}})), json!({"spec": {"securityContext": {"runAsGroup": -5}}}), container(json!({"securityContext": {"seccompProfile": {"type": "x"}}})),
        container(json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}})), container(json!({"securityContext": {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true, "runAsNonRoot": true}})),
        container(json!({"livenessProbe": {}})), container(json!({"livenessProbe": {"exec": {"command": ["x"]}, "periodSeconds": -1}})), container(json!({"readinessProbe": {"httpGet": {"path": "/", "port": 99999}}})),
        container(json!({"lifecycle": {"preStop": {}}})), json!({"spec": {"imagePullSecrets": [{"name": ""}]}}), json!({"spec": {"schedulingGates": [{"name": "a b"}]}}), json!({"spec": {"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80, "hostPort": 81}]}]}}),
        json!({"spec": {"priorityClassName": "nonsense"}}), json!({"spec": {"priority": 5}}), json!({"spec": {"serviceAccountName": "none"}}), json!({"spec": {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "x"}]}}),
    ]).await;
    s.quietly(Method::POST, "application/json", "pods", pod("live")).await;
    for patch in [
        json!({"spec": {"containers": [{"name": "main", "image": "img:2"}]}}),
        json!({"spec": {"restartPolicy": "Never"}}),
        json!({"spec": {"nodeName": "here"}}),
        json!({"spec": {"activeDeadlineSeconds": 60}}),
        json!({"spec": {"activeDeadlineSeconds": 90}}),
        json!({"spec": {"tolerations": []}}),
        json!({"spec": {"terminationGracePeriodSeconds": 5}}),
        json!({"spec": {"containers": [{"name": "other", "image": "img:2"}]}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    ] {
        let answer =
            s.exchange(&Ask::new(Method::PATCH, "pods/live?dryRun=All").json(&patch).typed(MERGE)).await;
        s.note(&format!("live pod with {patch}: {}", answer.code));
        let body = answer.body();
        s.tell(&if answer.code < 300 { Value::Null } else { body });
    }
}

pub(super) async fn jobs(s: &mut Session) {
    let indexed =
        job("a", json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "suspend": true}));
    each(s, "jobs", &indexed, &[
        json!({"metadata": {"name": "A"}}), json!({"metadata": {"name": "a".repeat(64)}}), json!({"metadata": {"name": "a".repeat(62)}}), json!({"spec": {"parallelism": -1}}), json!({"spec": {"completions": -1}}), json!({"spec": {"completions": null}}),
        json!({"spec": {"backoffLimit": -1}}), json!({"spec": {"backoffLimitPerIndex": -1}}), json!({"spec": {"maxFailedIndexes": 1}}), json!({"spec": {"backoffLimitPerIndex": 1, "maxFailedIndexes": 3}}), json!({"spec": {"backoffLimitPerIndex": 1, "maxFailedIndexes": -1}}),
        json!({"spec": {"completionMode": "Nope"}}), json!({"spec": {"completionMode": "NonIndexed", "backoffLimitPerIndex": 1}}), json!({"spec": {"activeDeadlineSeconds": -1}}), json!({"spec": {"ttlSecondsAfterFinished": -1}}),
        json!({"spec": {"parallelism": 200_000, "completions": 200_000}}), json!({"spec": {"parallelism": 200_000, "completions": 1_000_000_000}}), json!({"spec": {"podReplacementPolicy": "Nope"}}),
        json!({"spec": {"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": []}}}), json!({"spec": {"podFailurePolicy": {"rules": []}}}), json!({"spec": {"template": {"spec": {"restartPolicy": "Always"}}}}), json!({"spec": {"template": {"spec": {"restartPolicy": null}}}}),
        json!({"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}, "podFailurePolicy": {"rules": []}}}), json!({"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}, "backoffLimitPerIndex": 1}}),
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Nope", "onExitCodes": {"operator": "In", "values": [1]}}]}}}), json!({"spec": {"podFailurePolicy": {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}}]}}}),
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore"}]}}}), json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}, "onPodConditions": [{"type": "X"}]}]}}}),
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [0]}}]}}}), json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [2, 1]}}]}}}),
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1, 1]}}]}}}), json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": []}}]}}}),
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "Nope", "values": [1]}}]}}}), json!({"spec": {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"containerName": "none", "operator": "In", "values": [1]}}]}}}),
        json!({"spec": {"podFailurePolicy": {"rules": [{"action": "", "onPodConditions": [{"type": "", "status": "x"}]}]}}}),
        json!({"spec": {"successPolicy": {"rules": [{"succeededIndexes": "0"}]}}}), json!({"spec": {"successPolicy": {"rules": []}}}), json!({"spec": {"successPolicy": {"rules": [{}]}}}), json!({"spec": {"successPolicy": {"rules": [{"succeededIndexes": "5-1", "succeededCount": 9}]}}}),
        json!({"spec": {"completionMode": "NonIndexed", "successPolicy": {"rules": [{"succeededCount": 1}]}}}), json!({"spec": {"managedBy": "a"}}), json!({"spec": {"managedBy": "example.com/a"}}),
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}), json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "manualSelector": true}}), json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "manualSelector": true, "template": {"metadata": {"labels": {"a": "b"}}}}}),
        json!({"spec": {"manualSelector": true}}), json!({"spec": {"template": {"metadata": {"labels": {"job-name": "other"}}}}}), json!({"spec": {"template": {"metadata": {"labels": {"a": "b c"}}}}}), json!({"spec": {"template": {"spec": {"containers": []}}}}),
        json!({"spec": null}), json!({"spec": {"template": null}}),
    ]).await;
    let mut live = job(
        "live",
        json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1000, "podReplacementPolicy": "Failed"}),
    );
    live["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "500m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}});
    live["spec"]["template"]["spec"]["tolerations"] =
        json!([{"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}]);
    s.quietly(Method::POST, "application/json", "jobs", live).await;
    s.wait("jobs/live", |job| job["status"]["active"] == 2).await;
    for patch in [
        json!({"spec": {"completions": 3}}),
        json!({"spec": {"parallelism": 3}}),
        json!({"spec": {"completions": 3, "parallelism": 3}}),
        json!({"spec": {"completions": 3, "parallelism": 4}}),
        json!({"spec": {"completions": null}}),
        json!({"spec": {"completionMode": "NonIndexed"}}),
        json!({"spec": {"backoffLimitPerIndex": 5}}),
        json!({"spec": {"backoffLimit": 5}}),
        json!({"spec": {"maxFailedIndexes": 1}}),
        json!({"spec": {"podReplacementPolicy": "TerminatingOrFailed"}}),
        json!({"spec": {"podFailurePolicy": {"rules": []}}}),
        json!({"spec": {"successPolicy": {"rules": [{"succeededCount": 1}]}}}),
        json!({"spec": {"suspend": true}}),
        json!({"spec": {"ttlSecondsAfterFinished": 5}}),
        json!({"spec": {"activeDeadlineSeconds": 5}}),
        json!({"spec": {"managedBy": "example.com/x"}}),
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
        json!({"spec": {"manualSelector": true}}),
        json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}),
        json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "img:2"}]}}}}),
        json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
        json!({"status": {"active": 7}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    ] {
        let answer =
            s.exchange(&Ask::new(Method::PATCH, "jobs/live?dryRun=All").json(&patch).typed(MERGE)).await;
        s.note(&format!("live job with {patch}: {}", answer.code));
        let body = answer.body();
        s.tell(&if answer.code < 300 { json!({"status": body["status"]["active"]}) } else { body });
    }
    for patch in [
        json!({"status": {"active": -1}}),
        json!({"status": {"completedIndexes": "5-1"}}),
        json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}),
        json!({"status": {"startTime": null}}),
        json!({"spec": {"parallelism": 5}}),
    ] {
        let answer = s
            .exchange(&Ask::new(Method::PATCH, "jobs/live/status?dryRun=All").json(&patch).typed(MERGE))
            .await;
        s.note(&format!("status of the live job with {patch}: {}", answer.code));
        let body = answer.body();
        s.tell(&if answer.code < 300 {
            json!({"parallelism": body["spec"]["parallelism"]})
        } else {
            json!({"message": body["message"], "details": body["details"]})
        });
    }
}

pub(super) async fn cron_jobs(s: &mut Session) {
    each(
        s,
        "cronjobs",
        &cron_job("a", json!({})),
        &[
            json!({"metadata": {"name": "a".repeat(53)}}),
            json!({"metadata": {"name": "A"}}),
            json!({"spec": {"schedule": ""}}),
            json!({"spec": {"schedule": "nonsense"}}),
            json!({"spec": {"schedule": "61 * * * *"}}),
            json!({"spec": {"schedule": "* * * *"}}),
            json!({"spec": {"schedule": "@every 1h"}}),
            json!({"spec": {"schedule": "@daily"}}),
            json!({"spec": {"schedule": "TZ=UTC 0 0 * * *"}}),
            json!({"spec": {"timeZone": "Mars/Base"}}),
            json!({"spec": {"timeZone": "Europe/Berlin"}}),
            json!({"spec": {"timeZone": "Local"}}),
            json!({"spec": {"timeZone": ""}}),
            json!({"spec": {"concurrencyPolicy": "Nope"}}),
            json!({"spec": {"startingDeadlineSeconds": -1}}),
            json!({"spec": {"successfulJobsHistoryLimit": -1}}),
            json!({"spec": {"failedJobsHistoryLimit": -1}}),
            json!({"spec": {"jobTemplate": {"spec": {"parallelism": -1}}}}),
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Always"}}}}}}),
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}}),
            json!({"spec": {"jobTemplate": {"spec": {"completionMode": "Indexed"}}}}),
            json!({"spec": {"jobTemplate": {"spec": {"manualSelector": true}}}}),
            json!({"spec": {"jobTemplate": {"metadata": {"labels": {"a b": "c"}}}}}),
            json!({"spec": null}),
            json!({"spec": {"jobTemplate": null}}),
        ],
    )
    .await;
}

pub(super) async fn immutability(s: &mut Session) {
    let mut sealed = map("a", json!({"x": "1"}));
    sealed["immutable"] = true.into();
    s.quietly(Method::POST, "application/json", "configmaps", sealed).await;
    s.patch(MERGE, "configmaps/a", json!({"data": {"x": "2"}})).await;
    s.patch(MERGE, "configmaps/a", json!({"immutable": null})).await;
    s.patch(MERGE, "configmaps/a", json!({"binaryData": {"y": "eA=="}})).await;
    s.patch(MERGE, "configmaps/a", json!({"metadata": {"labels": {"a": "b"}}})).await;
    s.quietly(
        Method::POST,
        "application/json",
        "secrets",
        json!({"metadata": {"name": "s"}, "immutable": true, "stringData": {"x": "1"}}),
    )
    .await;
    s.patch(MERGE, "secrets/s", json!({"stringData": {"x": "2"}})).await;
    s.patch(MERGE, "secrets/s", json!({"type": "example.com/x"})).await;
    s.patch(MERGE, "secrets/s", json!({"immutable": false})).await;
    s.quietly(Method::POST, "application/json", "jobs", job("j", json!({"suspend": true}))).await;
    s.wait("jobs/j", |job| job["status"]["conditions"].is_array()).await;
    s.patch(
        MERGE,
        "jobs/j",
        json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "img:2"}]}}}}),
    )
    .await;
    s.patch(MERGE, "jobs/j?dryRun=All", json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}, "metadata": {"labels": {"x": "y"}}}}})).await;
    s.patch(MERGE, "jobs/j", json!({"spec": {"completions": 5}})).await;
    s.patch(MERGE, "jobs/j", json!({"metadata": {"namespace": "other"}})).await;
    s.patch(MERGE, "jobs/j", json!({"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}})).await;
    s.patch(MERGE, "jobs/j", json!({"metadata": {"generateName": "x-"}})).await;
    s.patch(MERGE, "jobs/j", json!({"kind": "Pod"})).await;
    s.patch(MERGE, "jobs/j", json!({"apiVersion": "batch/v7"})).await;
}
