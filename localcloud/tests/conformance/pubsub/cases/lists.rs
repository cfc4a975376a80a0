//! Lists and their pages.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    ListSubscriptionsRequest, ListSubscriptionsResponse, ListTopicSubscriptionsRequest,
    ListTopicSubscriptionsResponse, ListTopicsRequest, ListTopicsResponse, Subscription, Topic,
};
use tonic::Status;

use crate::pubsub::show;
use crate::pubsub::stage::Stage;

/// Names and a token, of any list.
type Listed = Result<(Vec<String>, String), Status>;

fn page(listed: &(Vec<String>, String)) -> String {
    let more = if listed.1.is_empty() { "" } else { " and more" };
    let mut names = listed.0.clone();
    names.sort();
    format!("{} of {names:?}{more}", names.len())
}

async fn topics(stage: &Stage, project: String, page_size: i32, page_token: String) -> Listed {
    let request = ListTopicsRequest { project, page_size, page_token };
    let answer: ListTopicsResponse = stage.wire.call("Publisher/ListTopics", request).await?;
    Ok((answer.topics.into_iter().map(|topic| topic.name).collect(), answer.next_page_token))
}

async fn subscriptions(stage: &Stage, page_size: i32, page_token: String) -> Listed {
    let project = format!("projects/{}", stage.project);
    let request = ListSubscriptionsRequest { project, page_size, page_token };
    let answer: ListSubscriptionsResponse = stage.wire.call("Subscriber/ListSubscriptions", request).await?;
    Ok((answer.subscriptions.into_iter().map(|s| s.name).collect(), answer.next_page_token))
}

async fn of_topic(stage: &Stage, topic: &str, page_size: i32, page_token: String) -> Listed {
    let request = ListTopicSubscriptionsRequest { topic: stage.topic(topic), page_size, page_token };
    let method = "Publisher/ListTopicSubscriptions";
    let answer: ListTopicSubscriptionsResponse = stage.wire.call(method, request).await?;
    Ok((answer.subscriptions, answer.next_page_token))
}

/// Which list.
enum List {
    Topics,
    Subscriptions,
    OfAlpha,
}

/// The sizes of all pages, and what they hold together.
async fn walk(stage: &Stage, step: &str, list: List, size: i32) {
    let (mut sizes, mut all, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let listed = match list {
            List::Topics => topics(stage, format!("projects/{}", stage.project), size, token).await,
            List::Subscriptions => subscriptions(stage, size, token).await,
            List::OfAlpha => of_topic(stage, "alpha", size, token).await,
        };
        let (names, more) = listed.expect("a page");
        sizes.push(names.len());
        all.extend(names);
        token = more;
        if token.is_empty() || sizes.len() > 20 {
            break;
        }
    }
    all.sort();
    stage.note(step, format!("pages of {sizes:?}: {all:?}"));
}

pub(super) async fn pages(stage: &Stage) {
    let project = format!("projects/{}", stage.project);
    stage.ended("nothing there", &topics(stage, project.clone(), 0, String::new()).await, page);
    for id in ["delta", "alpha", "charlie", "bravo", "echo"] {
        let topic = Topic { name: stage.topic(id), ..Topic::default() };
        stage.create_topic(topic).await.expect("a topic");
        let topic = stage.topic(if id < "d" { "alpha" } else { "delta" });
        stage.subscribe(&format!("sub-{id}"), Subscription { topic, ..Default::default() }).await;
    }
    stage.ended("all topics", &topics(stage, project.clone(), 0, String::new()).await, page);
    walk(stage, "topics by two", List::Topics, 2).await;
    walk(stage, "subscriptions by three", List::Subscriptions, 3).await;
    walk(stage, "a topic's subscriptions by one", List::OfAlpha, 1).await;
    stage.ended("of no topic", &of_topic(stage, "absent", 0, String::new()).await, page);
    stage.ended("a negative size", &topics(stage, project.clone(), -1, String::new()).await, page);
    stage.ended(
        "a size beyond the largest",
        &topics(stage, project.clone(), 5000, String::new()).await,
        page,
    );
    stage.ended("a token that nobody gave", &topics(stage, project, 2, "nonsense".into()).await, page);
    stage.ended(
        "a project without its prefix",
        &topics(stage, stage.project.clone(), 0, String::new()).await,
        |_| "OK".into(),
    );
    stage.ended("no project", &topics(stage, String::new(), 0, String::new()).await, show::ok);
}
