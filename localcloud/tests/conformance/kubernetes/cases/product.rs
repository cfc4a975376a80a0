//! What `provision` itself applies: the objects of the example stack, as they reached the cluster.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::session::Session;

/// Applied by `provision apply --local` for the stack.toml of this repository.
const OBJECTS: &str = include_str!("../product.json");

pub(super) async fn manifests(s: &mut Session) {
    let objects: Vec<Value> = serde_json::from_str(OBJECTS).expect("JSON");
    let how = "fieldManager=provision&fieldValidation=Strict&force=true";
    for mut object in objects {
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        let path = match object["kind"].as_str() {
            Some("Namespace") => {
                object["metadata"]["name"] = s.namespace.clone().into();
                format!("/api/v1/namespaces/{}", s.namespace)
            }
            Some("ServiceAccount") => format!("serviceaccounts/{name}"),
            _ => format!("cronjobs/{name}"),
        };
        s.apply(&format!("{path}?{how}"), object.clone()).await;
        s.apply(&format!("{path}?{how}"), object).await;
    }
    // A run: a Job from the template, as many indexes as workers.
    let cron = s.wait("cronjobs/fx", |cron| cron["spec"].is_object()).await;
    let mut job = cron["spec"]["jobTemplate"].clone();
    job["metadata"]["name"] = "run".into();
    job["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "fx",
        "uid": cron["metadata"]["uid"], "controller": true}]);
    for (field, value) in [("suspend", json!(false)), ("completions", json!(2)), ("parallelism", json!(2))] {
        job["spec"][field] = value;
    }
    job["spec"]["template"]["spec"]["schedulerName"] = "nobody".into();
    s.post("jobs?fieldValidation=Strict", job).await;
    let told = s
        .wait("events?fieldSelector=involvedObject.kind%3DJob", |list| {
            list["items"].as_array().is_some_and(|events| !events.is_empty())
        })
        .await;
    let first = &told["items"][0];
    assert_eq!(first["reason"], "SuccessfulCreate", "{first}");
    s.wait("jobs/run", |job| job["status"]["active"] == 2).await;
    let pods = s.wait("pods", |list| list["items"].as_array().is_some_and(|pods| pods.len() == 2)).await;
    for pod in pods["items"].as_array().into_iter().flatten() {
        s.tell(&json!({"annotations": pod["metadata"]["annotations"], "spec": pod["spec"]}));
    }
    s.quietly(Method::DELETE, "application/json", "jobs/run?propagationPolicy=Background", Value::Null).await;
}
