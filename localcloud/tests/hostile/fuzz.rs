//! Requests made from good ones by chance, over a socket: every one is answered or hung up on, none
//! with a 500, and good requests in between are answered as ever. The same ones at every run;
//! `SEED` and `FUZZ_REQUESTS` make others.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::Local;
use crate::wire::Wire;

/// Good requests: first line, more headers, body.
const GOOD: &[(&str, &str, &str)] = &[
    (
        "PUT /v1/projects/fx-dev/topics/made",
        "",
        r#"{"labels": {"a": "b"}, "messageRetentionDuration": "600s"}"#,
    ),
    (
        "PATCH /v1/projects/fx-dev/topics/items",
        "",
        r#"{"topic": {"labels": {"a": "b"}}, "updateMask": "labels"}"#,
    ),
    (
        "POST /v1/projects/fx-dev/topics/items:publish",
        "",
        r#"{"messages": [{"data": "YQ==", "attributes": {"k": "v"}, "orderingKey": ""}]}"#,
    ),
    (
        "PUT /v1/projects/fx-dev/subscriptions/made",
        "",
        r#"{"topic": "projects/fx-dev/topics/items", "ackDeadlineSeconds": 20, "filter": "attributes.k = \"v\"", "retryPolicy": {"minimumBackoff": "1s", "maximumBackoff": "60s"}, "deadLetterPolicy": {"deadLetterTopic": "projects/fx-dev/topics/items", "maxDeliveryAttempts": 5}, "expirationPolicy": {}}"#,
    ),
    (
        "POST /v1/projects/fx-dev/subscriptions/work:pull",
        "",
        r#"{"maxMessages": 10, "returnImmediately": true}"#,
    ),
    ("POST /v1/projects/fx-dev/subscriptions/work:acknowledge", "", r#"{"ackIds": ["1-2"]}"#),
    (
        "POST /v1/projects/fx-dev/subscriptions/work:modifyAckDeadline",
        "",
        r#"{"ackIds": ["1-2"], "ackDeadlineSeconds": 600}"#,
    ),
    (
        "POST /v1/projects/fx-dev/topics/items:setIamPolicy",
        "",
        r#"{"policy": {"etag": "ACAB", "bindings": [{"role": "roles/pubsub.publisher", "members": ["user:a@example.com"], "condition": {"expression": "true", "title": "t"}}]}}"#,
    ),
    ("GET /v1/projects/fx-dev/subscriptions?pageSize=2&pageToken=a", "", ""),
    (
        "POST /storage/v1/b?project=fx-dev",
        "",
        r#"{"name": "made", "location": "EU", "labels": {"a": "b"}, "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["x"]}}]}, "softDeletePolicy": {"retentionDurationSeconds": "604800"}}"#,
    ),
    (
        "PATCH /storage/v1/b/data?ifMetagenerationMatch=1",
        "",
        r#"{"labels": {"a": null}, "versioning": {"enabled": true}}"#,
    ),
    (
        "POST /upload/storage/v1/b/data/o?uploadType=media&name=a%2Fb&ifGenerationMatch=0",
        "X-Goog-Hash: crc32c=AAAAAA==\r\n",
        "content",
    ),
    (
        "POST /upload/storage/v1/b/data/o?uploadType=multipart",
        "Content-Type: multipart/related; boundary=b\r\n",
        "--b\r\nContent-Type: application/json\r\n\r\n{\"name\": \"m\", \"metadata\": {\"k\": \"v\"}}\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
    ),
    (
        "POST /upload/storage/v1/b/data/o?uploadType=resumable&name=r",
        "X-Upload-Content-Length: 5\r\n",
        r#"{"contentType": "text/plain"}"#,
    ),
    (
        "PUT /upload/storage/v1/b/data/o?uploadType=resumable&upload_id=abc",
        "Content-Range: bytes 0-4/5\r\n",
        "hello",
    ),
    (
        "GET /storage/v1/b/data/o?prefix=a&delimiter=/&maxResults=3&startOffset=a&endOffset=z&matchGlob=**&pageToken=x",
        "",
        "",
    ),
    ("GET /storage/v1/b/data/o/seed?alt=media&generation=1", "Range: bytes=0-3\r\nIf-None-Match: x\r\n", ""),
    (
        "PATCH /storage/v1/b/data/o/seed",
        "",
        r#"{"metadata": {"a": "b"}, "contentType": "a/b", "customTime": "2026-01-01T00:00:00Z"}"#,
    ),
    (
        "POST /storage/v1/b/data/o/seed/rewriteTo/b/data/o/copy?maxBytesRewrittenPerCall=1048576&rewriteToken=x",
        "",
        r#"{"storageClass": "NEARLINE"}"#,
    ),
    (
        "POST /storage/v1/b/data/o/joined/compose",
        "",
        r#"{"sourceObjects": [{"name": "seed", "generation": "1", "objectPreconditions": {"ifGenerationMatch": "1"}}], "destination": {"contentType": "x/y"}}"#,
    ),
    ("DELETE /storage/v1/b/data/o/nothing?ifGenerationMatch=5", "", ""),
    (
        "PUT /storage/v1/b/data/iam",
        "",
        r#"{"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}], "etag": "CAE="}"#,
    ),
    (
        "POST /v1/projects/fx-dev/serviceAccounts",
        "",
        r#"{"accountId": "made-account", "serviceAccount": {"displayName": "d", "description": "e"}}"#,
    ),
    (
        "PATCH /v1/projects/fx-dev/serviceAccounts/worker@fx-dev.iam.gserviceaccount.com",
        "",
        r#"{"serviceAccount": {"displayName": "x"}, "updateMask": "displayName"}"#,
    ),
    (
        "POST /v1/projects/fx-dev:setIamPolicy",
        "",
        r#"{"policy": {"version": 3, "bindings": []}, "updateMask": "bindings,etag"}"#,
    ),
    ("POST /v1/projects/fx-dev:testIamPermissions", "", r#"{"permissions": ["storage.buckets.get"]}"#),
    ("GET /v3/projects:search?query=id:fx-dev&pageSize=5", "", ""),
    ("POST /v1/projects/fx-dev/services:batchEnable", "", r#"{"serviceIds": ["pubsub.googleapis.com"]}"#),
    (
        "POST /v1/projects/fx-dev/locations/nowhere-1/clusters",
        "",
        r#"{"cluster": {"name": "Bad Name", "nodePools": [{"name": "p", "initialNodeCount": 1, "config": {"machineType": "e2-medium", "spot": true}, "autoscaling": {"enabled": true, "minNodeCount": 0, "maxNodeCount": 3}}]}}"#,
    ),
    (
        "PUT /v1/projects/fx-dev/locations/europe-west1-b/clusters/none/nodePools/none",
        "",
        r#"{"machineType": "e2-small"}"#,
    ),
    (
        "POST /v1/projects/fx-dev/locations/europe-west1-b/clusters/none:setResourceLabels",
        "",
        r#"{"resourceLabels": {"a": "b"}, "labelFingerprint": "x"}"#,
    ),
];

const TOKENS: &[&str] = &[
    "",
    "\0",
    "\u{7f}",
    "é",
    "%00",
    "%ff",
    "%2F",
    "..",
    "//",
    "{}",
    "[]",
    "null",
    "-1",
    "0",
    "1e400",
    "9223372036854775808",
    "\"\"",
    "true",
    "[[[[[[",
    "{\"a\":",
    "\r\n",
    "\r\n\r\n",
    ":",
    "?",
    "&",
    "#",
    "=",
    "*",
    "\\u0000",
    "\\ud800",
    "2026-13-45T00:00:00Z",
    "-5s",
    "1.5.5s",
];

fn good(number: usize) -> Vec<u8> {
    let (line, headers, body) = GOOD[number % GOOD.len()];
    let length = body.len();
    format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Changes the part behind `from`; the length of the body is put right, so that it is read.
fn mutated(rng: &mut StdRng, number: usize) -> Vec<u8> {
    let (line, headers, body) = GOOD[number % GOOD.len()];
    let (mut line, mut headers, mut body) =
        (line.as_bytes().to_vec(), headers.as_bytes().to_vec(), body.as_bytes().to_vec());
    for _ in 0..rng.random_range(1..4) {
        match rng.random_range(0..6) {
            0 => change(rng, &mut line),
            1 => change(rng, &mut headers),
            _ => change(rng, &mut body),
        }
    }
    let length = body.len();
    let mut request =
        [&line[..], b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", &headers].concat();
    request.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
    request.extend_from_slice(&body);
    if rng.random_range(0..20) == 0 {
        let at = rng.random_range(0..request.len());
        change(rng, &mut request[at..].to_vec());
        request.truncate(at);
    }
    request
}

fn change(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    let at = rng.random_range(0..=bytes.len());
    let to = rng.random_range(at..=bytes.len()).min(at + 30);
    match rng.random_range(0..6) {
        0 => drop(bytes.drain(at..to)),
        1 if at < bytes.len() => bytes[at] = rng.random(),
        2 => {
            let part = bytes[at..to].repeat(rng.random_range(1..200));
            bytes.splice(at..at, part);
        }
        3 => {
            // A value of JSON for another.
            let values = [b':', b',', b'['];
            let start =
                bytes[at..].iter().position(|byte| values.contains(byte)).map_or(at, |more| at + more + 1);
            let end = bytes[start..]
                .iter()
                .position(|byte| b",}]".contains(byte))
                .map_or(bytes.len(), |more| start + more);
            let token = TOKENS[rng.random_range(0..TOKENS.len())];
            bytes.splice(start..end, token.bytes());
        }
        _ => {
            let token = TOKENS[rng.random_range(0..TOKENS.len())];
            bytes.splice(at..at, token.bytes());
        }
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_made_by_chance_are_answered_without_a_500_and_good_ones_go_on() {
    let local = Local::start().await;
    let rest = local.rest();
    rest.json("PUT", "/v1/projects/fx-dev/topics/items", json!({})).await.expect("a topic");
    let work = json!({"topic": "projects/fx-dev/topics/items"});
    rest.json("PUT", "/v1/projects/fx-dev/subscriptions/work", work).await.expect("a subscription");
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    rest.call("POST", "/upload/storage/v1/b/data/o?uploadType=media&name=seed", "seed")
        .await
        .expect("an object");
    let (seed, requests) = (from_environment("SEED", 4), from_environment("FUZZ_REQUESTS", 1500));
    let mut rng = StdRng::seed_from_u64(seed);
    for number in 0..GOOD.len() {
        let answer = Wire::exchange(local.port(), &good(number)).await;
        check(&good(number), &answer);
    }
    for number in 0..usize::try_from(requests).expect("a number") {
        let request = mutated(&mut rng, number);
        let mut wire = Wire::open(local.port()).await;
        wire.say(&request).await;
        // No more comes: a request that is cut is known to be.
        let _ = wire.0.shutdown().await;
        check(&request, &wire.rest().await);
        if number % 50 == 0 {
            let seed = rest.call("GET", "/storage/v1/b/data/o?maxResults=1", "").await;
            assert!(seed.is_ok(), "after {}: {seed:?}", String::from_utf8_lossy(&request));
        }
    }
    // What was taken can be read at the next start.
    let Local { folder, cloud } = local;
    cloud.shutdown().await;
    let again = localcloud::Cloud::start(crate::settings(folder.path())).await.expect("it starts again");
    again.shutdown().await;
}

fn check(request: &[u8], answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).unwrap_or_default();
    let request = String::from_utf8_lossy(request);
    let request = request.chars().take(1500).collect::<String>();
    assert!(status.is_empty() || text.starts_with("HTTP/1."), "{request:?}: {text}");
    assert!(!status.starts_with('5') || status == "501", "{request:?}: {text}");
}
