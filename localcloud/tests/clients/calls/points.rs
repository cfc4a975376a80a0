//! Which points were passed, and by whom.

use localcloud::calls::{Moment, Passed};

use super::*;

async fn work(local: &Local) {
    for id in ["first", "second"] {
        topics(local).await.create_topic().set_name(topic(id)).send().await.expect("a topic");
    }
    let gone = topics(local).await.delete_topic().set_topic(topic("gone")).send().await;
    gone.expect_err("it is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_the_same_work_pass_the_same_points() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let local = Local::start().await;
        let mark = local.cloud.calls().mark();
        work(&local).await;
        runs.push(local.cloud.calls().coverage(mark).expect("remembered"));
    }
    assert_eq!(runs[0], runs[1]);
    let this = std::env::current_exe().expect("a file");
    let this = this.file_name().expect("a name").to_string_lossy().into_owned();
    let passed = |method: &str, id: &str, moment| Passed {
        method: method.into(),
        resource: topic(id),
        moment,
        callers: [this.clone()].into(),
    };
    let expected = [
        ("pubsub.topics.create", "first"),
        ("pubsub.topics.create", "second"),
        ("pubsub.topics.delete", "gone"),
    ];
    let both = |(method, id)| [passed(method, id, Moment::Before), passed(method, id, Moment::After)];
    assert_eq!(runs[0], expected.into_iter().flat_map(both).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_who_called_and_what_was_answered() {
    let local = Local::start().await;
    work(&local).await;
    let calls = local.cloud.calls().since(0);
    assert_eq!(told(&calls, "pubsub.topics.create"), ["200 Answered", "200 Answered"]);
    assert_eq!(told(&calls, "pubsub.topics.delete"), ["404 Answered"]);
    let first = &calls[0];
    assert_eq!((first.number, first.pid, first.principal.as_str()), (1, Some(std::process::id()), "owner"));
}
