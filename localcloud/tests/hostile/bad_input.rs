//! Requests that no client should send: each gets an error that says what is wrong, and nobody
//! else notices.

use serde_json::{Value, json};

use crate::wire::{Answer, Wire};
use crate::{Failure, Local};

async fn local_with_things() -> Local {
    let local = Local::start().await;
    let rest = local.rest();
    rest.json("PUT", "/v1/projects/fx-dev/topics/items", json!({})).await.expect("a topic");
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    local
}

async fn post(local: &Local, path: &str, kind: &str, body: &str) -> Answer {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Wire::ask(local.port(), &request).await
}

/// One path of each service that takes JSON.
const TAKES_JSON: [&str; 6] = [
    "/v1/projects/fx-dev/topics/items:publish",
    "/storage/v1/b?project=fx-dev",
    "/v1/projects/fx-dev/serviceAccounts",
    "/v1/projects/fx-dev:setIamPolicy",
    "/v1/projects/fx-dev/locations/europe-west1-b/clusters",
    "/v1/projects/fx-dev/services:batchEnable",
];

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_of_any_kind_is_a_400_that_says_so() {
    let local = local_with_things().await;
    let deep = "[".repeat(100_000);
    let deep_objects = "{\"a\":".repeat(100_000);
    let wide = format!("[{}1]", "1,".repeat(100_000));
    for path in TAKES_JSON {
        for body in [
            "{",
            "{]",
            "nul",
            "\"",
            "{\"a\":1}x",
            "\u{0}",
            "[]",
            "7",
            "\"text\"",
            "{\"a\":1e9999}",
            &deep,
            &deep_objects,
            &wide,
        ] {
            let answer = post(&local, path, "application/json", body).await;
            let start = &body[..body.len().min(20)];
            assert_eq!(answer.status, 400, "{path} {start}: {:?}", answer.json());
            let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
            assert!(!message.is_empty() && message.len() < 2000, "{path} {start}: {} bytes", message.len());
        }
        let answer = post(&local, path, "application/octet-stream", "\u{7f}\u{1}").await;
        assert_eq!(answer.status, 400, "{path}: {:?}", answer.json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_long_are_refused_without_being_read() {
    let local = local_with_things().await;
    for path in TAKES_JSON {
        for length in ["99999999999", "18446744073709551615"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n");
            let answer = Wire::ask(local.port(), &head).await;
            assert!(matches!(answer.status, 400 | 413 | 431), "{path} {length}: {answer:?}");
        }
        let mut wire = Wire::open(local.port()).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.say(head.as_bytes()).await;
        let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
        for _ in 0..40 {
            wire.say(chunk.as_bytes()).await;
        }
        if let Some(answer) = wire.answer().await {
            assert!(matches!(answer.status, 400 | 413), "{path}: {answer:?}");
        }
    }
    local.rest().get("/v1/projects/fx-dev/topics").await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_long_is_refused() {
    let local = Local::start().await;
    let long = "x".repeat(200_000);
    let many: String = (0..5000).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    for request in [
        format!("GET /{long} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{many}\r\n"),
        format!("{long} / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        "GET / HTTP/7.7\r\nHost: 127.0.0.1\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}".into(),
    ] {
        let answer = Wire::exchange(local.port(), request.as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{}: {text}", &request[..20]);
    }
    local.rest().get("/v1/projects/fx-dev/topics").await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_breaks_off_changes_nothing() {
    use tokio::io::AsyncWriteExt as _;
    let local = local_with_things().await;
    let requests = [
        "PUT /v1/projects/fx-dev/topics/made HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n{}",
        "PUT /v1/projects/fx-dev/topics/made HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "PUT /v1/projects/fx-dev/topics/made HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /upload/storage/v1/b/data/o?uploadType=media&name=made HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\nhalf",
        "POST /upload/storage/v1/b/data/o?uploadType=multipart HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: 900\r\n\r\n--b\r\n\r\n{\"name\": \"made\"}\r\n--b\r\n\r\nhalf",
        "PUT /v1/projects/fx-dev/topics/made HTTP/1.1\r\nHost: 127.0",
    ];
    for request in requests {
        // Half-closed: whoever sent it still listens.
        let mut wire = Wire::open(local.port()).await;
        wire.say(request.as_bytes()).await;
        wire.0.shutdown().await.expect("half-closed");
        let answer = wire.rest().await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{request}: {text}");
        // Gone.
        let mut wire = Wire::open(local.port()).await;
        wire.say(request.as_bytes()).await;
        drop(wire);
    }
    let rest = local.rest();
    let missing = rest.get("/v1/projects/fx-dev/topics/made").await;
    assert!(matches!(missing, Err(Failure::Refused(404, _))), "{missing:?}");
    let objects = rest.get("/storage/v1/b/data/o").await.expect("a list");
    assert!(objects["items"].is_null(), "{objects}");
    let uploads = local.folder.path().join(".provision/local/uploads");
    crate::until("nothing of the uploads is left", async || {
        (std::fs::read_dir(&uploads).expect("uploads").count() == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_says_its_name() {
    let local = Local::start().await;
    for path in ["/v1/projects/fx-dev/jobs", "/v2/projects/fx-dev/locations/l/functions", "/batch/compute/v1"]
    {
        let Err(Failure::Refused(status, body)) = local.rest().get(path).await else {
            panic!("{path}: served")
        };
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(
            (status, message),
            (501, format!("GET {path}: not supported by the local cloud").as_str())
        );
    }
    let strange = Wire::ask(local.port(), "BREW /pot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert_eq!((strange.status, strange.json()["error"]["status"].clone()), (404, Value::from("NOT_FOUND")));
}
