//! What the API server serves, as clients discover it: made from the table of kinds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::kinds::{KINDS, Kind};
use super::status::Refusal;

/// The version whose behaviour the cluster has.
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": "v1.34.1-provision", "gitCommit": "", "gitTreeState": "clean",
        "emulationMajor": "1", "emulationMinor": "34", "minCompatibilityMajor": "1", "minCompatibilityMinor": "33",
        "buildDate": "2025-09-09T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

pub(super) fn core_versions(host: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    })
}

/// The names of the groups, without the core group.
pub(super) fn group_names() -> BTreeSet<&'static str> {
    KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect()
}

fn group_entry(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

pub(super) fn groups() -> Value {
    let groups: Vec<Value> = group_names().into_iter().map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

pub(super) fn group(name: &str) -> Result<Value, Refusal> {
    if !group_names().contains(name) {
        return Err(Refusal::unknown_path());
    }
    let mut group = group_entry(name);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Ok(group)
}

/// The resources of a group; the core group is empty.
pub(super) fn resources(group: &str) -> Result<Value, Refusal> {
    let resources: Vec<Value> =
        KINDS.iter().filter(|kind| kind.group == group).flat_map(|kind| entries(kind)).collect();
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    if resources.is_empty() {
        return Err(Refusal::unknown_path());
    }
    let mut list = json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
    // The list of the oldest group is as old.
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Ok(list)
}

fn entries(kind: &Kind) -> Vec<Value> {
    let mut entry = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": kind.verbs().collect::<Vec<_>>(),
    });
    if !kind.short.is_empty() {
        entry["shortNames"] = json!(kind.short);
    }
    if kind.namespaced && kind.has_status() {
        entry["categories"] = json!(["all"]);
    }
    let mut entries = vec![entry];
    for subresource in kind.subresources {
        let (shown, verbs) = match *subresource {
            "log" => (json!({"kind": kind.kind}), json!(["get"])),
            "eviction" => {
                (json!({"kind": "Eviction", "group": "policy", "version": "v1"}), json!(["create"]))
            }
            "binding" => (json!({"kind": "Binding"}), json!(["create"])),
            "finalize" => (json!({"kind": kind.kind}), json!(["update"])),
            _ => (json!({"kind": kind.kind}), json!(["get", "patch", "update"])),
        };
        let mut entry = json!({
            "name": format!("{}/{subresource}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "verbs": verbs,
        });
        super::super::object::entries(&mut entry)
            .extend(super::super::object::entries(&mut shown.clone()).clone());
        entries.push(entry);
    }
    entries
}
