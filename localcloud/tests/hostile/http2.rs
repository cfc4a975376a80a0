//! Abuse of HTTP/2, frame by frame, and of gRPC on top of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::wire::Wire;
use crate::{Local, SOON};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers without compression: name and value as literals.
fn headers(pairs: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127, "one byte of length");
        [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
    };
    pairs.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn request(method: &str, path: &str, kind: &str) -> Vec<u8> {
    headers(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "127.0.0.1"),
        (":path", path),
        ("content-type", kind),
        ("te", "trailers"),
    ])
}

async fn open(local: &Local) -> Wire {
    let mut wire = Wire::open(local.port()).await;
    wire.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.say(&frame(SETTINGS, 0, 0, &[])).await;
    wire
}

/// Kinds, flags and payloads of the frames in what came.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        all.push((head[3], stream, payload.to_vec()));
        bytes = rest;
    }
    all
}

/// What comes until a frame of a kind, or the end.
async fn until_frame(wire: &mut Wire, kind: u8) -> Vec<(u8, u32, Vec<u8>)> {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    let read = async {
        loop {
            match wire.0.read(&mut block).await {
                Ok(0) | Err(_) => return frames(&bytes),
                Ok(read) => bytes.extend_from_slice(&block[..read]),
            }
            if frames(&bytes).iter().any(|frame| frame.0 == kind) {
                return frames(&bytes);
            }
        }
    };
    tokio::time::timeout(SOON, read).await.expect("a frame or an end")
}

async fn a_healthy_client_goes_on(local: &Local) {
    let begun = Instant::now();
    local.rest().json("GET", "/v1/projects/fx-dev/topics", json!(null)).await.expect("an answer");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_opened_and_reset_as_fast_as_can_be_end_the_connection() {
    let local = Local::start().await;
    let mut wire = open(&local).await;
    let head = request("GET", "/v1/projects/fx-dev/topics", "application/json");
    let mut burst = Vec::new();
    for number in 0..20_000_u32 {
        let stream = number * 2 + 1;
        burst.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        burst.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
    }
    let writing = async {
        wire.say(&burst).await;
        wire.rest().await
    };
    let (all, ()) = futures::future::join(writing, async {
        for _ in 0..10 {
            a_healthy_client_goes_on(&local).await;
        }
    })
    .await;
    assert!(frames(&all).iter().any(|frame| frame.0 == GOAWAY) || all.len() < 1 << 20, "it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end_end_the_connection() {
    let local = Local::start().await;
    let mut wire = open(&local).await;
    wire.say(&frame(HEADERS, END_STREAM, 1, &request("GET", "/", "text/plain"))).await;
    let more = frame(CONTINUATION, 0, 1, &headers(&[("x", &"y".repeat(100))]).repeat(100));
    for _ in 0..2000 {
        wire.say(&more).await;
    }
    assert!(wire.ends_within(SOON).await, "20 MB of headers are no request");
    a_healthy_client_goes_on(&local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_opens_no_window_holds_up_only_itself() {
    let local = Local::start().await;
    let rest = local.rest();
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    let large = vec![b'x'; 4 << 20];
    rest.call("POST", "/upload/storage/v1/b/data/o?uploadType=media&name=large", large)
        .await
        .expect("an object");
    let mut all = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::open(local.port()).await;
        wire.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        // A window of nothing for every stream.
        wire.say(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
        let head = request("GET", "/storage/v1/b/data/o/large?alt=media", "text/plain");
        for stream in 0..100 {
            wire.say(&frame(HEADERS, END_HEADERS | END_STREAM, stream * 2 + 1, &head)).await;
        }
        all.push(wire);
    }
    for _ in 0..20 {
        a_healthy_client_goes_on(&local).await;
    }
    rest.call("GET", "/storage/v1/b/data/o/large?alt=media", "").await.expect("the object");
    drop(all);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_what_was_agreed_are_refused_one_by_one() {
    let local = Local::start().await;
    let mut wire = open(&local).await;
    let head = request("POST", "/v1/projects/fx-dev/topics/items:publish", "application/json");
    for stream in 0..400 {
        // Each waits for a body that does not come.
        wire.say(&frame(HEADERS, END_HEADERS, stream * 2 + 1, &head)).await;
    }
    let got = until_frame(&mut wire, RESET).await;
    let settings = got.iter().find(|frame| frame.0 == SETTINGS).expect("settings");
    let most = settings
        .2
        .chunks(6)
        .find(|one| one[..2] == [0, 3])
        .map(|one| u32::from_be_bytes([one[2], one[3], one[4], one[5]]));
    assert_eq!(most, Some(256));
    let refused = got.iter().find(|frame| frame.0 == RESET).expect("a reset");
    assert_eq!(refused.2, 7_u32.to_be_bytes(), "REFUSED_STREAM: it may be sent again");
    a_healthy_client_goes_on(&local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_the_protocol_end_the_connection() {
    let local = Local::start().await;
    for (what, bad) in [
        ("data on no stream", frame(DATA, 0, 0, b"x")),
        ("a stream of the server's", frame(HEADERS, END_HEADERS, 2, &request("GET", "/", "a"))),
        ("headers that are no headers", frame(HEADERS, END_HEADERS, 1, &[0xff; 40])),
        ("a ping of the wrong length", frame(PING, 0, 0, b"x")),
        ("settings that are cut", frame(SETTINGS, 0, 0, &[0, 4, 0])),
        ("a window beyond all bounds", frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("a frame of 16 MB", vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]),
        ("more of no headers", frame(CONTINUATION, 0, 1, b"x")),
    ] {
        let mut wire = open(&local).await;
        wire.say(&bad).await;
        let got = until_frame(&mut wire, GOAWAY).await;
        assert!(got.iter().any(|frame| frame.0 == GOAWAY) || got.len() < 5, "{what}: {got:?}");
    }
    a_healthy_client_goes_on(&local).await;
}

/// Sends one gRPC message as it stands; the status that comes back, and its text.
async fn grpc(local: &Local, path: &str, body: &[u8]) -> (Option<u32>, String) {
    let client = reqwest::Client::builder().http2_prior_knowledge().timeout(SOON).build().expect("a client");
    let answer = client
        .post(format!("{}{path}", local.cloud.url()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body.to_vec())
        .send()
        .await
        .expect("an answer");
    let text =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    (text("grpc-status").and_then(|status| status.parse().ok()), text("grpc-message").unwrap_or_default())
}

fn message(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short message").to_be_bytes();
    [&[0], &length[..], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_that_is_wrong_gets_a_status_that_says_so() {
    const INVALID: [u32; 2] = [3, 13];
    const UNIMPLEMENTED: u32 = 12;
    let local = Local::start().await;
    let publish = "/google.pubsub.v1.Publisher/Publish";
    let (status, text) = grpc(&local, "/google.pubsub.v1.Publisher/Nothing", &message(b"")).await;
    assert_eq!(status, Some(UNIMPLEMENTED), "{text}");
    assert!(text.contains("google.pubsub.v1.Publisher/Nothing"), "{text}");
    let (status, text) = grpc(&local, "/google.spanner.v1.Spanner/Read", &message(b"")).await;
    assert_eq!(status, Some(UNIMPLEMENTED), "{text}");
    assert!(text.contains("google.spanner.v1.Spanner/Read"), "{text}");
    for (what, body) in [
        ("no protobuf", message(&[0xff; 30])),
        ("a length beyond the message", message(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("no UTF-8", message(&[0x0a, 2, 0xc3, 0x28])),
        ("compressed by nobody", [&[1, 0, 0, 0, 1][..], b"x"].concat()),
        ("cut", vec![0, 0, 0, 0, 9, 1]),
        ("nothing", Vec::new()),
        ("groups within groups", message(&[0x0b; 500])),
    ] {
        let (status, text) = grpc(&local, publish, &body).await;
        assert!(
            status.is_some_and(|status| INVALID.contains(&status) || status == UNIMPLEMENTED),
            "{what}: {status:?} {text}"
        );
    }
    let (status, text) = grpc(&local, publish, &[0, 0xff, 0xff, 0xff, 0xff]).await;
    assert!(matches!(status, Some(3 | 8 | 11)), "longer than is taken: {status:?} {text}");
    a_healthy_client_goes_on(&local).await;
}
