//! Lists: globs, prefixes, ranges, versions, and pages under change.

use serde_json::{Value, json};

use super::BUCKET;
use super::json::Json;
use crate::testing::Server;

async fn page(json: &Json, query: &str) -> (Vec<String>, Vec<String>, String) {
    let (status, list) = json.call("GET", &format!("/storage/v1/b/{BUCKET}/o?{query}")).await;
    assert_eq!(status, 200, "{list}");
    let texts = |value: &Value| -> Vec<String> {
        let values = value.as_array().into_iter().flatten();
        values.map(|value| value.as_str().or(value["name"].as_str()).expect("a name").to_owned()).collect()
    };
    (
        texts(&list["items"]),
        texts(&list["prefixes"]),
        list["nextPageToken"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn delimiters_globs_and_offsets_pick_what_is_listed() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    for name in ["a/", "a/1.csv", "a/b/2.csv", "b.csv", "c.txt", "d/3.txt"] {
        json.write(name, "").await;
    }
    for (query, items, prefixes) in [
        ("delimiter=/", &["b.csv", "c.txt"][..], &["a/", "d/"][..]),
        ("delimiter=/&includeTrailingDelimiter=true", &["a/", "b.csv", "c.txt"], &["a/", "d/"]),
        ("delimiter=/&prefix=a/", &["a/", "a/1.csv"], &["a/b/"]),
        ("matchGlob=**.csv", &["a/1.csv", "a/b/2.csv", "b.csv"], &[]),
        ("matchGlob=*.{csv,txt}", &["b.csv", "c.txt"], &[]),
        ("matchGlob=**/&delimiter=/", &[], &["a/", "d/"]),
        ("startOffset=a/b&endOffset=c.txt", &["a/b/2.csv", "b.csv"], &[]),
        ("startOffset=a/b&endOffset=d&delimiter=/", &["b.csv", "c.txt"], &["a/"]),
        ("prefix=nothing", &[], &[]),
    ] {
        let (found, rolled, _) = page(&json, query).await;
        assert_eq!(
            (found, rolled),
            (
                items.iter().map(ToString::to_string).collect(),
                prefixes.iter().map(ToString::to_string).collect()
            ),
            "{query}"
        );
    }
    assert_eq!(json.call("GET", &format!("/storage/v1/b/{BUCKET}/o?matchGlob=[")).await.0, 400);
    assert_eq!(json.call("GET", &format!("/storage/v1/b/{BUCKET}/o?pageToken=!")).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_behind_the_last_row_whatever_comes_and_goes() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({"versioning": {"enabled": true}})).await;
    for name in ["a", "b", "b", "c", "d", "e"] {
        json.write(name, "").await;
    }
    let (first, _, token) = page(&json, "maxResults=2").await;
    assert_eq!(first, ["a", "b"]);
    for gone in ["a", "b", "c"] {
        assert_eq!(json.object("DELETE", gone).await.0, 204);
    }
    json.write("aa", "").await;
    json.write("cc", "").await;
    let (second, _, token) = page(&json, &format!("maxResults=2&pageToken={token}")).await;
    assert_eq!(second, ["cc", "d"]);
    let (third, _, token) = page(&json, &format!("maxResults=2&pageToken={token}")).await;
    assert_eq!((third, token), (vec!["e".to_owned()], String::new()));

    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (versions, _, next) = page(&json, &format!("versions=true&maxResults=1&pageToken={token}")).await;
        all.extend(versions);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(all, ["a", "aa", "b", "b", "c", "cc", "d", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_come_in_pages_and_changes_to_them_can_be_limited() {
    let server = Server::start().await;
    let json = Json::of(&server);
    for name in ["aaa", "bbb", "ccc"] {
        assert_eq!(json.send("POST", "/storage/v1/b?project=p", &json!({"name": name})).await.0, 200);
    }
    let (_, first) = json.call("GET", "/storage/v1/b?project=p&maxResults=2").await;
    let token = first["nextPageToken"].as_str().expect("a token");
    let (_, second) = json.call("GET", &format!("/storage/v1/b?project=p&pageToken={token}")).await;
    assert_eq!(
        (second["items"][0]["name"].as_str(), second["items"].as_array().map(Vec::len)),
        (Some("ccc"), Some(1))
    );

    server.storage.limit_bucket_changes(true);
    server.clock.freeze().expect("freeze");
    assert_eq!(json.call("DELETE", "/storage/v1/b/aaa").await.0, 204);
    let (status, refused) = json.call("DELETE", "/storage/v1/b/bbb").await;
    let error = &refused["error"]["errors"][0];
    assert_eq!(
        (status, &error["reason"], &error["domain"]),
        (429, &json!("rateLimitExceeded"), &json!("usageLimits"))
    );
    server.clock.advance(std::time::Duration::from_secs(2)).expect("advance");
    assert_eq!(json.call("DELETE", "/storage/v1/b/bbb").await.0, 204);
}
