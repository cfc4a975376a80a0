//! A full disk: here a limit on the length of the daemon's files, which any user may set and lift.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use localcloud::daemon;

use crate::{Failure, Killable, Rest, SERVE, program};

fn limit_files(local: &Killable, length: Option<u64>) {
    let pid = Pid::from_raw(local.daemon().pid().cast_signed()).expect("a pid");
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: length, maximum: None }).expect("a limit");
}

async fn create(rest: &Rest, topic: usize, padding: usize) -> Result<(), Failure> {
    let labels = json!({"v": "x".repeat(padding)});
    rest.json("PUT", &format!("/v1/projects/fx-dev/topics/top{topic}"), json!({"labels": labels}))
        .await
        .map(drop)
}

/// What exceeds the limit gets a signal, which ends who does not ignore it: this one ignores it.
async fn heedless_of_limits() -> Killable {
    let mut local = Killable::start().await;
    let daemon = local.daemon.take().expect("a daemon");
    daemon.down().await.expect("down");
    let script = format!("trap '' XFSZ; exec {} {}", program().display(), SERVE.join(" "));
    let shell = std::path::Path::new("/bin/sh");
    local.daemon = Some(daemon::ensure(&local.state(), shell, &["-c", &script]).await.expect("a daemon"));
    local
}

async fn topics(rest: &Rest) -> Vec<String> {
    let all = rest.get("/v1/projects/fx-dev/topics?pageSize=1000").await.expect("a list");
    let all = all["topics"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|topic| topic["name"].as_str().expect("a name").rsplit('/').next().expect("an id").into())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_changes_keeps_what_is_there_and_goes_on_when_there_is_room() {
    let mut local = heedless_of_limits().await;
    let rest = local.rest();
    create(&rest, 0, 10).await.expect("a topic");

    let journal = local.state().join("journal");
    let length = std::fs::metadata(&journal).expect("a journal").len();
    // Room for the beginning of a line.
    limit_files(&local, Some(length + 100));
    let mut refused = 0;
    for topic in 1..20 {
        match create(&rest, topic, 60).await {
            Err(Failure::Refused(status, body)) => {
                assert!(matches!(status, 500 | 503), "{status}");
                let message = body["error"]["message"].as_str().unwrap_or_default();
                assert!(message.contains("File too large"), "{message}");
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 19);
    let upload = rest.call("POST", "/upload/storage/v1/b/none/o?uploadType=media&name=a", "x").await;
    assert!(matches!(upload, Err(Failure::Refused(404, _))), "reading goes on");
    assert_eq!(topics(&rest).await, ["top0"]);
    let text = std::fs::read(&journal).expect("a journal");
    assert!(text.ends_with(b"\n") && text.len() as u64 == length, "nothing half-written is left");

    limit_files(&local, None);
    create(&rest, 7, 60).await.expect("there is room again");
    local.kill();
    local.restart().await;
    assert_eq!(topics(&local.rest()).await, ["top0", "top7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_finds_no_room_leaves_the_object_as_it_was() {
    let local = heedless_of_limits().await;
    let rest = local.rest();
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "data"})).await.expect("a bucket");
    let upload = "/upload/storage/v1/b/data/o?uploadType=media&name=a";
    rest.call("POST", upload, "small").await.expect("an object");
    limit_files(&local, Some(100_000));
    let refused = rest.call("POST", upload, "x".repeat(300_000)).await;
    assert!(matches!(refused, Err(Failure::Refused(500 | 503, _) | Failure::Broken)), "{refused:?}");
    let read = async |rest: &Rest| {
        rest.call("GET", "/storage/v1/b/data/o/a?alt=media", "").await.expect("an object")
    };
    assert_eq!(read(&rest).await, b"small");
    assert_eq!(
        std::fs::read_dir(local.state().join("uploads")).expect("uploads").count(),
        0,
        "no half of it is left"
    );
    limit_files(&local, None);
    rest.call("POST", upload, "x".repeat(300_000)).await.expect("there is room again");
    assert_eq!(read(&rest).await.len(), 300_000);
}
