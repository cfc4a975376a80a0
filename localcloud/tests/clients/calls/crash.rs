//! A caller is killed at a point: here this test program itself, run once more as a client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use localcloud::calls::{Fate, Fault, Point, What};

use super::*;
use crate::refusal;

const ADDRESS: &str = "CALLS_A_LOCAL_CLOUD_AT";

#[test]
#[ignore = "is the client of another test"]
fn calls_a_local_cloud() {
    let authority = std::env::var(ADDRESS).expect("an address");
    let mut stream = TcpStream::connect(&authority).expect("connected");
    let path = format!("/v1/{}", topic("made"));
    write!(stream, "PUT {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\n\r\n").expect("written");
    // It is killed while it waits.
    let _ = stream.read(&mut [0; 1024]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_killed_at_the_point_that_a_fault_names() {
    for (point, is_made) in
        [(Point::before("pubsub.topics.create"), false), (Point::after("pubsub.topics.create"), true)]
    {
        let local = Local::start().await;
        let calls = local.cloud.calls();
        let kill = calls.fault(Fault::next(1, point.on("*/topics/made"), What::Kill));
        let mut client = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "calls::crash::calls_a_local_cloud", "--ignored", "--nocapture"])
            .env(ADDRESS, local.url().trim_start_matches("http://"))
            .stdout(Stdio::null())
            .spawn()
            .expect("a client");
        let pid = client.id();
        let status = soon(tokio::task::spawn_blocking(move || client.wait().expect("waited"))).await;
        assert_eq!(status.expect("no panic").signal(), Some(9));
        let entry = soon(calls.struck(kill, 0)).await;
        assert_eq!((entry.fate, entry.pid, entry.status.is_some()), (Fate::Killed, Some(pid), is_made));
        let found = topics(&local).await.get_topic().set_topic(topic("made")).send().await;
        assert_eq!(found.is_ok(), is_made);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_local_cloud_nor_who_started_it_is_killed() {
    let local = Local::start().await;
    local.cloud.calls().fault(Fault::next(1, Point::before("pubsub.topics.create"), What::Kill));
    let create = async || topics(&local).await.create_topic().set_name(topic("made")).send().await;
    let (code, message) = refusal(create().await);
    assert_eq!((code, message.contains("is not killed")), (500, true), "{message}");
    create().await.expect("a topic");
}
