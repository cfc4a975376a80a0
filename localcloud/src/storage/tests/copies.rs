//! Copies, rewrites in several calls, moves; downloads in parts.

use serde_json::json;

use super::BUCKET;
use super::json::{Json, generation};
use crate::testing::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_of_a_large_object_takes_several_calls() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let content = "x".repeat((5 << 20) / 2);
    json.write("a", &content).await;
    let call = async |token: &str| {
        json.object(
            "POST",
            &format!("a/rewriteTo/b/{BUCKET}/o/b?maxBytesRewrittenPerCall=1048576&rewriteToken={token}"),
        )
        .await
        .1
    };
    let (mut token, mut steps) = (String::new(), Vec::new());
    let last = loop {
        let answer = call(&token).await;
        steps.push((answer["totalBytesRewritten"].as_str().map(str::to_owned), answer["done"].as_bool()));
        match answer["rewriteToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break answer,
        }
    };
    let step = |bytes: &str, done| (Some(bytes.to_owned()), Some(done));
    assert_eq!(steps, [step("1048576", false), step("2097152", false), step("2621440", true)]);
    assert_eq!(last["resource"]["name"], "b");
    assert_eq!(json.read("b").await, (200, content));

    json.write("a", "another").await;
    assert_eq!(call(&token).await["error"]["code"], 400, "a token of another generation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_leaves_nothing_behind() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let from = json.write("a", "one").await;
    let (status, to) = json.object("POST", "a/moveTo/o/b%2Fc").await;
    assert_eq!((status, to["name"].as_str(), generation(&to) > generation(&from)), (200, Some("b/c"), true));
    assert_eq!((json.object("GET", "a").await.0, json.read("b%2Fc").await), (404, (200, "one".into())));
    assert_eq!(json.object("POST", "b%2Fc/moveTo/o/d?ifSourceGenerationMatch=5").await.0, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_read_in_parts_and_beyond_its_end_not_at_all() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    json.write("a", "0123456789").await;
    let path = format!("/download/storage/v1/b/{BUCKET}/o/a?alt=media");
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-99", 206, "789", "bytes 7-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=10-", 416, "Request range not satisfiable", "bytes */10"),
    ] {
        let answer = json.request("GET", &path).header("range", range).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-range"]),
            (status, &content_range.parse().expect("a value"))
        );
        assert_eq!(answer.text().await.expect("text"), body, "{range}");
    }
    let nothing = json.read("b").await;
    assert_eq!(nothing, (404, format!("No such object: {BUCKET}/b")));
    let head = json.request("HEAD", &format!("/{BUCKET}/a")).send().await.expect("an answer");
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &"10".parse().expect("a value"))
    );
    assert_eq!(json.call("GET", "/no-such-bucket/a").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_compressed_is_expanded_for_those_who_cannot() {
    use std::io::Write as _;
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let text = "all work and no play ".repeat(10_000);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("packed");
    let packed = packed.finish().expect("packed");
    let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=a&contentEncoding=gzip");
    let written = json.request("POST", &path).body(packed.clone()).send().await.expect("an answer");
    assert_eq!(written.status(), 200);
    let get = |accepted: &'static str| {
        json.request("GET", &format!("/storage/v1/b/{BUCKET}/o/a?alt=media"))
            .header("accept-encoding", accepted)
            .send()
    };
    let raw = get("gzip, deflate").await.expect("an answer");
    assert_eq!(raw.headers()["content-encoding"], "gzip");
    assert_eq!(raw.bytes().await.expect("content"), packed);
    let plain = get("identity").await.expect("an answer");
    assert_eq!(
        (plain.headers().get("content-encoding"), &plain.headers()["x-goog-stored-content-encoding"]),
        (None, &"gzip".parse().expect("a value"))
    );
    assert_eq!(plain.text().await.expect("content"), text);
}
