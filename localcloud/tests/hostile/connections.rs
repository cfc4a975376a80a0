//! Connections that take and give nothing: they end, or make room, and everyone else goes on.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use crate::wire::Wire;
use crate::{Killable, Local, Rest, SOON};

/// Asks again and again on new connections, and says how long the slowest answer took.
async fn healthy_until(rest: Rest, end: tokio::sync::oneshot::Receiver<()>) -> (u32, Duration) {
    let (mut answers, mut slowest, mut end) = (0, Duration::ZERO, std::pin::pin!(end));
    while futures::poll!(&mut end).is_pending() {
        let begun = Instant::now();
        let fresh = Rest::new(&rest.url);
        fresh
            .json("PUT", &format!("/v1/projects/fx-dev/topics/top{answers}"), json!({}))
            .await
            .expect("a topic");
        slowest = slowest.max(begun.elapsed());
        answers += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (answers, slowest)
}

/// Kilobytes that a process holds in memory.
fn memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_opened_and_left_keep_nobody_from_working() {
    const MANY: usize = 10_000;
    use rustix::process::{Resource, getrlimit};
    if getrlimit(Resource::Nofile).current.is_some_and(|files| files < MANY as u64 + 500) {
        eprintln!("SKIPPED: ten thousand connections (this user may not open so many files)");
        return;
    }
    let local = Killable::start().await;
    let rest = local.rest();
    let port: u16 = rest.url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    let before = memory(local.daemon().pid());
    let (end, ended) = tokio::sync::oneshot::channel();
    let healthy = tokio::spawn(healthy_until(rest.clone(), ended));
    let mut left = Vec::with_capacity(MANY);
    for number in 0..MANY {
        let mut wire = Wire(TcpStream::connect(("127.0.0.1", port)).await.expect("a connection"));
        // Some say nothing, some a little of either protocol, some have been answered once.
        wire.say(
            [&b""[..], b"PRI * H", b"GET / HT", b"GET /v1/projects HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
                [number % 4],
        )
        .await;
        left.push(wire);
    }
    end.send(()).expect("it works");
    let (answers, slowest) = healthy.await.expect("a healthy client");
    assert!(answers > 3, "{answers}");
    rest.get("/v1/projects/fx-dev/topics").await.expect("it still answers");
    if let (Some(before), Some(after)) = (before, memory(local.daemon().pid())) {
        assert!(after - before < 300_000, "{before} kB before, {after} kB with all of them");
        eprintln!(
            "10,000 connections: {answers} healthy answers, slowest {slowest:?}, {before} -> {after} kB"
        );
    }
    drop(left);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_little_for_too_long_is_hung_up_on_before_it_is_known_what_they_speak() {
    let local = Local::start().await;
    let begun = Instant::now();
    let mut all = Vec::new();
    for start in
        ["", "P", "PRI * HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "G", "GET / HTTP/1.1\r\nHost: 1"]
    {
        let mut wire = Wire::open(local.port()).await;
        wire.say(start.as_bytes()).await;
        all.push(async move { (start, wire.ends_within(Duration::from_secs(20)).await) });
    }
    for (start, ended) in futures::future::join_all(all).await {
        assert!(ended, "{start:?} may stay for ever");
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "nor are they hung up on at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_nobody_reads_and_uploads_that_do_not_come_hold_up_nobody() {
    let local = Local::start().await;
    let rest = local.rest();
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    let large = vec![b'x'; 8 << 20];
    rest.call("POST", "/upload/storage/v1/b/data/o?uploadType=media&name=large", large)
        .await
        .expect("an object");
    let port = local.port();
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::open(port).await;
        wire.say(b"GET /storage/v1/b/data/o/large?alt=media HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
        stalled.push(wire);
        let mut wire = Wire::open(port).await;
        wire.say(b"POST /v1/projects/fx-dev/topics/top1:publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n{").await;
        stalled.push(wire);
        let mut wire = Wire::open(port).await;
        let head =
            "POST /upload/storage/v1/b/data/o?uploadType=media&name=slow HTTP/1.1\r\nHost: 127.0.0.1\r\n";
        wire.say(format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").as_bytes()).await;
        stalled.push(wire);
    }
    let begun = Instant::now();
    for number in 0..50 {
        let path = format!("/v1/projects/fx-dev/topics/top{number}");
        rest.json("PUT", &path, json!({})).await.expect("a topic");
        rest.call("GET", "/storage/v1/b/data/o/large?alt=media", "").await.expect("the object");
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    drop(stalled);
}
