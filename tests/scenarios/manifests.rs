//! What `provision` applies to a cluster, and the file of it that the local cloud's comparison with a real control plane
//! takes there: the file must be what the product sends today.
//!
//! `CONFORMANCE_WRITE=1` writes the file anew; then the case `product_manifests` of the comparison wants its transcript
//! anew too: `CONFORMANCE_WRITE=1 CONFORMANCE_CASES=product cargo test -p localcloud --test conformance real_control_plane`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use scenarios::{Scenario, repository};
use serde_json::{Map, Value};

const FILE: &str = "localcloud/tests/conformance/kubernetes/product.json";
const APPLIED: [&str; 3] = [
    "/api/v1/namespaces/fx",
    "/api/v1/namespaces/fx/serviceaccounts/fx",
    "/apis/batch/v1/namespaces/fx/cronjobs/fx",
];

#[test]
fn what_the_real_control_plane_is_shown_is_what_apply_sends() {
    let scenario = Scenario::fx();
    scenario.expect(0, &["apply", "--local", "--yes"]);
    let sent: Vec<Value> = read(scenario.path(".provision/local/kubeconfig")).iter().map(applied).collect();
    let file = repository().join(FILE);
    if std::env::var_os("CONFORMANCE_WRITE").is_some() {
        let text = serde_json::to_string_pretty(&sent).expect("JSON");
        std::fs::write(&file, text + "\n").expect("the file is written");
    }
    let kept: Vec<Value> =
        serde_json::from_slice(&std::fs::read(&file).expect("the file")).expect("a list of objects");
    let (sent, kept) = (leaves(&sent.into()), leaves(&kept.into()));
    let only = |these: &BTreeMap<String, Value>, those: &BTreeMap<String, Value>| -> Vec<String> {
        let missing = these.iter().filter(|(path, value)| those.get(*path) != Some(value));
        missing.map(|(path, value)| format!("{path}: {value}")).collect()
    };
    let (sent_only, kept_only) = (only(&sent, &kept), only(&kept, &sent));
    assert!(
        sent_only.is_empty() && kept_only.is_empty(),
        "{FILE} is not what `provision apply` sends: record it anew with CONFORMANCE_WRITE=1\nsent: {sent_only:#?}\nin the file: {kept_only:#?}"
    );
}

/// The objects, as they are in the cluster.
fn read(kubeconfig: PathBuf) -> Vec<Value> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        let client = kube::Client::try_from(config.expect("a cluster")).expect("a client");
        let mut objects = Vec::new();
        for path in APPLIED {
            let request = http::Request::get(path).body(Vec::new()).expect("a request");
            objects.push(client.request(request).await.expect("the object"));
        }
        objects
    })
}

/// What server-side apply was given for an object: the fields that their manager `provision` owns.
fn applied(object: &Value) -> Value {
    let managers = object.pointer("/metadata/managedFields").and_then(Value::as_array).expect("managers");
    let ours = |manager: &&Value| manager["manager"] == "provision" && manager["operation"] == "Apply";
    let fields = managers.iter().find(ours).and_then(|manager| manager["fieldsV1"].as_object());
    let mut applied = owned(object, fields.expect("fields of ours"));
    for field in ["apiVersion", "kind"] {
        applied[field] = object[field].clone();
    }
    applied["metadata"]["name"] = object["metadata"]["name"].clone();
    // A hash of what is here already, and of the stack's own text.
    let annotations = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if annotations.is_some_and(|all| all.remove("provision-spec").is_some() && all.is_empty()) {
        applied["metadata"].as_object_mut().expect("metadata").remove("annotations");
    }
    applied
}

/// The part of a value that a set of fields names, in the format of `fieldsV1`: `f:` a field, `k:` an item of a list by its
/// keys, `v:` an item by its value; a name with nothing below it stands for all that is there.
fn owned(value: &Value, fields: &Map<String, Value>) -> Value {
    if fields.is_empty() {
        return value.clone();
    }
    let below = |fields: &Value| fields.as_object().cloned().unwrap_or_default();
    match value {
        Value::Object(map) => {
            let named = |(name, value): (&String, &Value)| {
                let fields = below(fields.get(&format!("f:{name}"))?);
                Some((name.clone(), owned(value, &fields)))
            };
            Value::Object(map.iter().filter_map(named).collect())
        }
        Value::Array(items) => {
            let named = |item: &Value| {
                let found = fields.iter().find(|(name, _)| names(name, item));
                found.map(|(_, fields)| owned(item, &below(fields)))
            };
            Value::Array(items.iter().filter_map(named).collect())
        }
        other => other.clone(),
    }
}

/// Whether `k:{"name":"worker"}` or `v:"worker"` means an item of a list.
fn names(name: &str, item: &Value) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    match name.split_once(':') {
        Some(("k", keys)) => {
            json(keys).as_object().is_some_and(|keys| keys.iter().all(|(key, value)| item[key] == *value))
        }
        Some(("v", value)) => json(value) == *item,
        _ => false,
    }
}

/// Every value that holds no other, by its place.
fn leaves(value: &Value) -> BTreeMap<String, Value> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    if children.is_empty() {
        return BTreeMap::from([(String::new(), value.clone())]);
    }
    let placed = |(name, child): (String, &Value)| {
        let below = leaves(child).into_iter();
        below.map(move |(path, value)| (format!("/{name}{path}"), value)).collect::<Vec<_>>()
    };
    children.into_iter().flat_map(placed).collect()
}
