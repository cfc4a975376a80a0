//! Conditions on generations and metagenerations, on every verb.

use serde_json::{Value, json};

use super::BUCKET;
use super::json::{Json, error, generation};
use crate::testing::Server;

const UNMET: &str = "At least one of the pre-conditions you specified did not hold.";

fn unmet() -> (u16, Value) {
    error(412, "conditionNotMet", UNMET, Some(("header", "If-Match")))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_of_objects_keeps_its_conditions() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let object = json.write("a", "one").await;
    let now = generation(&object);

    // Reads: "not match" asks whether it changed.
    for media in ["", "&alt=media"] {
        let get = async |condition: &str| json.object("GET", &format!("a?{condition}{media}")).await;
        assert_eq!(get(&format!("ifGenerationMatch={now}")).await.0, 200);
        assert_eq!(get("ifMetagenerationMatch=1&ifGenerationNotMatch=5").await.0, 200);
        assert_eq!(get("ifGenerationMatch=5").await.0, 412);
        assert_eq!(get("ifMetagenerationMatch=2").await.0, 412);
        assert_eq!(get(&format!("ifGenerationNotMatch={now}")).await, (304, Value::Null));
        assert_eq!(get("ifMetagenerationNotMatch=1").await, (304, Value::Null));
    }
    assert_eq!(json.object("GET", "a?ifGenerationMatch=5").await, unmet());
    assert_eq!(json.read("a?ifGenerationMatch=5").await, (412, UNMET.to_owned()));

    // Everything else.
    let wrong = ["ifGenerationMatch=5", "ifMetagenerationMatch=7", "ifMetagenerationNotMatch=1"];
    let also_wrong = format!("ifGenerationNotMatch={now}");
    for condition in wrong.into_iter().chain([also_wrong.as_str()]) {
        let copy = format!("a/rewriteTo/b/{BUCKET}/o/a?{condition}");
        for (method, path) in [
            ("PATCH", format!("a?{condition}")),
            ("PUT", format!("a?{condition}")),
            ("DELETE", format!("a?{condition}")),
            ("POST", copy.clone()),
            ("POST", copy.replace("rewriteTo", "copyTo")),
        ] {
            assert_eq!(json.object(method, &path).await, unmet(), "{method} {path}");
        }
        assert_eq!(json.try_write("a", "two", &format!("&{condition}")).await, unmet(), "{condition}");
        let begin = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=a&{condition}");
        assert_eq!(json.call("POST", &begin).await, unmet(), "{condition}");
    }
    let compose = async |query: &str, source: Value| {
        let path = format!("/storage/v1/b/{BUCKET}/o/c/compose?{query}");
        json.send("POST", &path, &json!({"sourceObjects": [source]})).await
    };
    assert_eq!(compose("ifGenerationMatch=5", json!({"name": "a"})).await, unmet());
    let stale = json!({"name": "a", "objectPreconditions": {"ifGenerationMatch": "5"}});
    assert_eq!(compose("", stale).await, unmet());
    for condition in ["ifSourceGenerationMatch=5", "ifSourceMetagenerationMatch=5"] {
        assert_eq!(json.object("POST", &format!("a/rewriteTo/b/{BUCKET}/o/b?{condition}")).await, unmet());
    }
    assert_eq!(json.object("GET", "a").await, (200, object.clone()), "nothing changed it");
    let nothing = error(404, "notFound", &format!("No such object: {BUCKET}/b"), None);
    assert_eq!(json.object("GET", "b").await, nothing);

    assert_eq!(json.try_write("a", "two", "&ifGenerationMatch=0").await, unmet());
    assert_eq!(json.try_write("b", "two", "&ifGenerationMatch=0").await.0, 200);
    assert_eq!(
        json.object("DELETE", &format!("a?ifGenerationMatch={now}&ifMetagenerationMatch=1")).await.0,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_of_buckets_keeps_its_conditions() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({"labels": {"a": "1", "b": "2"}})).await;
    let path = |condition: &str| format!("/storage/v1/b/{BUCKET}?{condition}");
    for condition in ["ifMetagenerationMatch=2", "ifMetagenerationNotMatch=1"] {
        for method in ["PATCH", "PUT", "DELETE"] {
            assert_eq!(json.call(method, &path(condition)).await, unmet(), "{method} {condition}");
        }
    }
    assert_eq!(json.call("GET", &path("ifMetagenerationMatch=2")).await, unmet());
    assert_eq!(json.call("GET", &path("ifMetagenerationNotMatch=1")).await, (304, Value::Null));
    let labels = json!({"labels": {"a": null, "c": "3"}});
    let (status, bucket) = json.send("PATCH", &path("ifMetagenerationMatch=1"), &labels).await;
    assert_eq!((status, &bucket["labels"]), (200, &json!({"b": "2", "c": "3"})));
    assert_eq!(json.call("DELETE", &path("ifMetagenerationMatch=2")).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_of_an_object_merges_and_null_removes() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    json.write("a", "one").await;
    let patch = async |body: Value| {
        let (status, object) = json.send("PATCH", &format!("/storage/v1/b/{BUCKET}/o/a"), &body).await;
        assert_eq!(status, 200, "{object}");
        (object["metageneration"].clone(), object["metadata"].clone(), object["cacheControl"].clone())
    };
    let set = patch(json!({"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"})).await;
    assert_eq!(set, (json!("2"), json!({"a": "1", "b": "2"}), json!("no-store")));
    let merged = patch(json!({"metadata": {"a": null, "c": "3"}, "cacheControl": null})).await;
    assert_eq!(merged, (json!("3"), json!({"b": "2", "c": "3"}), Value::Null));
    assert_eq!(patch(json!({"metadata": null})).await, (json!("4"), Value::Null, Value::Null));
    let retention = json!({"retention": {"mode": "Locked"}});
    let refused = json.send("PATCH", &format!("/storage/v1/b/{BUCKET}/o/a"), &retention).await;
    assert_eq!(refused.0, 501);
}
