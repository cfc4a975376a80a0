//! Content on its way in: interrupted, resumed, expired, cancelled, and not what it should be.

use std::time::Duration;

use bytes::Bytes;
use reqwest::RequestBuilder;
use serde_json::json;

use super::BUCKET;
use super::json::{Json, answer, error};
use crate::testing::Server;

const BLOCK: usize = 256 << 10;
const HOUR: Duration = Duration::from_hours(1);

/// Begins an upload; returns the path of its session.
async fn begin(json: &Json, server: &Server, settings: &str) -> String {
    let start = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=large");
    let begun = json.request("POST", &start).body(settings.to_owned()).send().await.expect("begin");
    let session = begun.headers()["location"].to_str().expect("a link");
    session.strip_prefix(&server.endpoint()).expect("our own address").to_owned()
}

fn part(json: &Json, session: &str, range: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    json.request("PUT", session).header("content-range", range).body(body)
}

/// The status of an answer, and how far it says that the upload is.
async fn standing(request: RequestBuilder) -> (u16, Option<String>) {
    let answer = request.send().await.expect("an answer");
    let range = answer.headers().get("range").map(|range| range.to_str().expect("text").to_owned());
    (answer.status().as_u16(), range)
}

fn content(blocks: usize, rest: usize) -> Bytes {
    (0..blocks * BLOCK + rest).map(|at| u8::try_from(at * 7 % 251).expect("a byte")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_broke_off_goes_on_where_it_stopped_even_after_a_kill() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let body = content(3, 77);
    let (size, crc32c) = (body.len(), crc32c::crc32c(&body));
    let session = begin(&json, &server, "{}").await;
    let none = standing(part(&json, &session, &format!("bytes */{size}"), "")).await;
    assert_eq!(none, (308, None));

    // What is more than whole blocks is not kept.
    let first = part(&json, &session, &format!("bytes 0-{}/{size}", BLOCK + 9), body.slice(..BLOCK + 10));
    assert_eq!(standing(first).await, (308, Some(format!("bytes=0-{}", BLOCK - 1))));

    let server = server.restart().await;
    let json = Json::of(&server);
    let far = standing(part(&json, &session, &format!("bytes */{size}"), "")).await;
    assert_eq!(far, (308, Some(format!("bytes=0-{}", BLOCK - 1))));

    // What is here already is skipped.
    let overlap = part(&json, &session, &format!("bytes 5-{}/*", 2 * BLOCK - 1), body.slice(5..2 * BLOCK));
    assert_eq!(standing(overlap).await, (308, Some(format!("bytes=0-{}", 2 * BLOCK - 1))));
    let last =
        part(&json, &session, &format!("bytes {}-{}/{size}", 2 * BLOCK, size - 1), body.slice(2 * BLOCK..));
    let (status, object) = answer(last.header("x-goog-hash", format!("crc32c={}", sum(crc32c)))).await;
    assert_eq!((status, &object["crc32c"]), (200, &sum(crc32c).into()));

    // A client that did not hear of it asks again, also of the next process.
    let server = server.restart().await;
    let json = Json::of(&server);
    let (status, again) = answer(part(&json, &session, &format!("bytes */{size}"), "")).await;
    assert_eq!((status, &again["generation"]), (200, &object["generation"]));
    let bucket = clients::Bucket::new(super::clients(&server).await, BUCKET);
    assert_eq!(bucket.read("large").await.expect("read").expect("an object").0, body);
}

fn sum(crc32c: u32) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(crc32c.to_be_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_leaves_a_hole_or_is_too_small_is_refused() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let session = begin(&json, &server, "{}").await;
    let hole = answer(part(&json, &session, "bytes 524288-524290/600000", "abc")).await;
    let says = "Invalid request.  According to the Content-Range header, the upload offset is 524288 byte(s), which exceeds already uploaded size of 0 byte(s).";
    assert_eq!(hole, error(400, "invalid", says, None));
    let small = answer(part(&json, &session, "bytes 0-2/600000", "abc")).await;
    let says = "Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, except for the final request (it's recommended to be the exact multiple of 262144).  The received request contained 3 bytes, which does not meet this requirement.";
    assert_eq!(small, error(400, "invalid", says, None));
    let long = answer(part(&json, &session, "bytes 0-4/3", "abcde")).await;
    assert_eq!(long, error(400, "invalid", "The upload has 5 bytes, more than it said (3).", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_unknown_size_ends_when_a_part_says_so() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let body = content(2, 3);
    let session = begin(&json, &server, "{}").await;
    let first = part(&json, &session, &format!("bytes 0-{}/*", 2 * BLOCK - 1), body.slice(..2 * BLOCK));
    assert_eq!(standing(first).await.0, 308);
    let end = format!("bytes {}-{}/{}", 2 * BLOCK, 2 * BLOCK + 2, body.len());
    let (status, object) = answer(part(&json, &session, &end, body.slice(2 * BLOCK..))).await;
    assert_eq!((status, &object["size"]), (200, &body.len().to_string().into()));

    // All parts came full: the size alone ends it. And nothing at all may be the whole content.
    let session = begin(&json, &server, "{}").await;
    let whole = part(&json, &session, &format!("bytes 0-{}/*", BLOCK - 1), body.slice(..BLOCK));
    assert_eq!(standing(whole).await.0, 308);
    assert_eq!(standing(part(&json, &session, &format!("bytes */{BLOCK}"), "")).await.0, 200);
    let session = begin(&json, &server, "{}").await;
    assert_eq!(standing(part(&json, &session, "bytes */0", "")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_for_a_week() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let session = begin(&json, &server, "{}").await;
    server.clock.advance(HOUR * (7 * 24 - 1)).expect("advance");
    assert_eq!(standing(part(&json, &session, "bytes */9", "")).await.0, 308);
    server.clock.advance(HOUR).expect("advance");
    assert!([404, 410].contains(&standing(part(&json, &session, "bytes */9", "")).await.0));
    assert_eq!(std::fs::read_dir(server.folder.path().join("uploads")).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_is_gone() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let session = begin(&json, &server, "{}").await;
    assert_eq!(json.call("DELETE", &session).await.0, 499);
    assert_eq!(standing(part(&json, &session, "bytes 0-2/3", "abc")).await.0, 499);
    assert_eq!(json.call("DELETE", "/upload/storage/v1/b/x/o?upload_id=nothing").await.0, 404);
    let server = server.restart().await;
    assert_eq!(standing(part(&Json::of(&server), &session, "bytes 0-2/3", "abc")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_what_the_client_meant_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let upload = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=a");
    for (hash, says) in [
        ("crc32c=AAAAAA==", "Provided CRC32C \"AAAAAA==\" doesn't match calculated CRC32C \"Ya91Mw==\"."),
        (
            "md5=AAAAAAAAAAAAAAAAAAAAAA==",
            "Provided MD5 hash \"AAAAAAAAAAAAAAAAAAAAAA==\" doesn't match calculated MD5 hash \"mgNkuembtIDdJeHwKEyFVQ==\".",
        ),
    ] {
        let put = json.request("POST", &upload).header("x-goog-hash", hash).body("content");
        assert_eq!(answer(put).await, error(400, "invalid", says, None));
    }
    assert_eq!(std::fs::read_dir(server.folder.path().join("uploads")).expect("a folder").count(), 0);
}
