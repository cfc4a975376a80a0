//! The part of the `OpenAPI` description that kubectl asks for before it writes: that the server
//! itself checks the fields of every kind (`fieldValidation`). Schemas are not described.

use serde_json::{Map, Value, json};

use super::super::kinds::{KINDS, Kind};
use super::discovery::group_names;
use super::status::Refusal;

fn root(group: &str) -> String {
    if group.is_empty() { "api/v1".into() } else { format!("apis/{group}/v1") }
}

/// Where the groups' documents are.
pub(super) fn index() -> Value {
    let groups = std::iter::once("").chain(group_names()).map(root);
    let paths: Map<String, Value> = groups
        .map(|root| {
            let url = format!("/openapi/v3/{root}?hash={}", env!("CARGO_PKG_VERSION"));
            (root, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

/// One group's document.
pub(super) fn group(group: &str) -> Result<Value, Refusal> {
    let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.group == group).collect();
    if kinds.is_empty() {
        return Err(Refusal::unknown_path());
    }
    let paths: Map<String, Value> = kinds.into_iter().flat_map(|kind| paths(kind)).collect();
    let info = json!({"title": "Kubernetes", "version": "v1.34.1"});
    Ok(json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}))
}

fn paths(kind: &Kind) -> [(String, Value); 2] {
    let middle = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let all = format!("/{}{middle}/{}", root(kind.group), kind.plural);
    let described = json!({"group": kind.group, "version": "v1", "kind": kind.kind});
    let operation = |action: &str| {
        let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .into();
        json!({
            "parameters": parameters, "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": described,
        })
    };
    let one = format!("{all}/{{name}}");
    [
        (all, json!({"post": operation("post")})),
        (one, json!({"put": operation("put"), "patch": operation("patch")})),
    ]
}
