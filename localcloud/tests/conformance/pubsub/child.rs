//! A subscriber in a process of its own, that can be stopped and let go on: this test program, run
//! again with the one ignored test below.

use std::process::Stdio;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::StreamingPullRequest;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::show;
use super::stage::{SOON, ack_ids, gather};
use super::wire::Wire;

const URL: &str = "CONFORMANCE_URL";
const SUBSCRIPTION: &str = "CONFORMANCE_SUBSCRIPTION";
/// What marks the child's words among those of the test harness.
const SAYS: &str = "says: ";

/// The process; dropping it ends it.
pub(super) struct Child {
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(super) fn start(url: &str, subscription: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let test = "pubsub::child::holds_one_message_and_acknowledges_it_after_a_pause";
        let mut process = Command::new(program)
            .args(["--ignored", "--exact", test, "--nocapture"])
            .envs([(URL, url), (SUBSCRIPTION, subscription)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let stdout = process.stdout.take().expect("its output");
        Self { process, lines: BufReader::new(stdout).lines() }
    }

    /// What it says next.
    pub(super) async fn line(&mut self) -> String {
        let next = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                if let Some((_, says)) = line.split_once(SAYS) {
                    return says.to_owned();
                }
            }
            "nothing".to_owned()
        };
        tokio::time::timeout(SOON, next).await.expect("a word of the child")
    }

    /// As a node does whose machine is suspended.
    pub(super) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("a running process"), signal).expect("a signal");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other process of `vanish::a_stopped_process`, and nothing alone"]
async fn holds_one_message_and_acknowledges_it_after_a_pause() {
    let (Ok(url), Ok(subscription)) = (std::env::var(URL), std::env::var(SUBSCRIPTION)) else { return };
    let wire = Wire::connect(&url).await;
    let mut stream = wire.stream([StreamingPullRequest {
        subscription,
        stream_ack_deadline_seconds: 10,
        max_outstanding_messages: 1,
        ..Default::default()
    }]);
    let held = gather(&mut stream, 1, SOON).await;
    println!("{SAYS}{}", show::texts(&held));
    // It is stopped in here, for longer than its lease.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    stream.send(StreamingPullRequest { ack_ids: ack_ids(&held), ..Default::default() });
    println!("{SAYS}acknowledged {}", show::texts(&held));
    tokio::time::sleep(SOON).await;
}
