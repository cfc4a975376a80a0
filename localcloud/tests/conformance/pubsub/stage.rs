//! What a case plays on: one project of one target, the ways to reach it, and the transcript.

use std::time::{Duration, Instant};

use clients::Target;
use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use googleapis_tonic_google_iam_v1::google::iam::v1::{Binding, Policy, SetIamPolicyRequest};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    AcknowledgeRequest, ModifyAckDeadlineRequest, PublishRequest, PublishResponse, PubsubMessage,
    PullRequest, PullResponse, ReceivedMessage, StreamingPullRequest, Subscription, Topic,
};
use tonic::Status;

use super::show;
use super::transcript::{Line, Transcript};
use super::wire::{Stream, Wire};

/// What must happen happens by then, on a busy machine too.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// What must not happen has not happened by then.
pub(super) const A_WHILE: Duration = Duration::from_millis(700);

/// One project of one target.
pub(super) struct Stage {
    pub(super) url: String,
    pub(super) wire: Wire,
    pub(super) project: String,
    transcript: Transcript,
}

impl Stage {
    /// A project of its own for a case.
    pub(super) async fn set(url: &str, case: &str) -> Self {
        let project = case.replace("::", "-").replace('_', "-");
        let wire = Wire::connect(url).await;
        Self { url: url.to_owned(), wire, project, transcript: Transcript::default() }
    }

    pub(super) fn topic(&self, id: &str) -> String {
        format!("projects/{}/topics/{id}", self.project)
    }

    pub(super) fn subscription(&self, id: &str) -> String {
        format!("projects/{}/subscriptions/{id}", self.project)
    }

    /// Writes an observation down. The project's name is not one.
    pub(super) fn note(&self, step: impl Into<String>, saw: impl AsRef<str>) {
        self.transcript.note(step, saw.as_ref().replace(&self.project, "PROJECT"));
    }

    /// Writes down how a call ended: its code and text, or what `show` makes of the answer.
    pub(super) fn ended<A>(
        &self,
        step: impl Into<String>,
        answer: &Result<A, Status>,
        show: impl Fn(&A) -> String,
    ) {
        self.note(step, answer.as_ref().map_or_else(show::status, show));
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.transcript.lines()
    }

    /// The clients' way to the target.
    pub(super) fn target(&self) -> Target {
        Target::anonymous(&self.url)
    }

    pub(super) async fn topics(&self) -> TopicAdmin {
        let target = self.target();
        let builder = TopicAdmin::builder().with_endpoint(&self.url);
        builder.with_credentials(target.credentials).build().await.expect("a client")
    }

    pub(super) async fn subscriptions(&self) -> SubscriptionAdmin {
        let target = self.target();
        let builder = SubscriptionAdmin::builder().with_endpoint(&self.url);
        builder.with_credentials(target.credentials).build().await.expect("a client")
    }

    pub(super) async fn create_topic(&self, topic: Topic) -> Result<Topic, Status> {
        self.wire.call("Publisher/CreateTopic", topic).await
    }

    pub(super) async fn create_subscription(&self, new: Subscription) -> Result<Subscription, Status> {
        self.wire.call("Subscriber/CreateSubscription", new).await
    }

    /// The topic `items` and a subscription `work` on it.
    pub(super) async fn set_up(&self, settings: Subscription) {
        let topic = Topic { name: self.topic("items"), ..Topic::default() };
        self.create_topic(topic).await.expect("a topic");
        self.subscribe("work", settings).await;
    }

    /// One more subscription on `items`, unless the settings name another topic.
    pub(super) async fn subscribe(&self, id: &str, settings: Subscription) {
        let topic = if settings.topic.is_empty() { self.topic("items") } else { settings.topic.clone() };
        let settings = Subscription { name: self.subscription(id), topic, ..settings };
        self.create_subscription(settings).await.expect("a subscription");
    }

    pub(super) async fn publish(&self, messages: Vec<PubsubMessage>) -> Result<PublishResponse, Status> {
        self.wire.call("Publisher/Publish", PublishRequest { topic: self.topic("items"), messages }).await
    }

    /// Lets Pub/Sub itself move dead letters, where there are permissions: the emulator has none.
    pub(super) async fn let_the_agent_bury(&self, subscription: &str, topic: &str) {
        let url = format!("{}/v3/projects/{}", self.url, self.project);
        let answer = reqwest::get(url).await.expect("an answer").text().await.expect("a body");
        let project: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let Some(number) = project["name"].as_str().and_then(|name| name.strip_prefix("projects/")) else {
            return;
        };
        let agent = format!("serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com");
        for (resource, role) in [
            (self.subscription(subscription), "roles/pubsub.subscriber"),
            (self.topic(topic), "roles/pubsub.publisher"),
        ] {
            let members = vec![agent.clone()];
            let binding = Binding { role: role.into(), members, ..Binding::default() };
            let policy = Some(Policy { bindings: vec![binding], ..Policy::default() });
            let request = SetIamPolicyRequest { resource, policy, ..SetIamPolicyRequest::default() };
            let _: Policy = self.wire.call("IAMPolicy/SetIamPolicy", request).await.expect("a policy");
        }
    }

    pub(super) async fn publish_texts<T: ToString>(&self, texts: impl IntoIterator<Item = T>) {
        let messages = texts.into_iter().map(|text| message(text.to_string())).collect();
        self.publish(messages).await.expect("published");
    }

    /// What is there now, and leased by this.
    pub(super) async fn pull(&self, id: &str, most: i32) -> Result<Vec<ReceivedMessage>, Status> {
        #[expect(deprecated, reason = "a case does not want to wait")]
        let request =
            PullRequest { subscription: self.subscription(id), max_messages: most, return_immediately: true };
        let answer: PullResponse = self.wire.call("Subscriber/Pull", request).await?;
        Ok(answer.received_messages)
    }

    /// So many messages, as soon as they are there, in the order of their texts.
    pub(super) async fn take(&self, id: &str, count: usize) -> Vec<ReceivedMessage> {
        let deadline = Instant::now() + SOON;
        let mut taken = Vec::new();
        while taken.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} messages after {SOON:?}", taken.len());
            let most = i32::try_from(count - taken.len()).expect("a small number");
            taken.extend(self.pull(id, most).await.expect("pulled"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        taken.sort_by_key(show::text);
        taken
    }

    /// What is there after a while in which nothing should come.
    pub(super) async fn rest(&self, id: &str) -> String {
        tokio::time::sleep(A_WHILE).await;
        show::texts(&self.pull(id, 100).await.expect("pulled"))
    }

    pub(super) async fn ack(&self, id: &str, ack_ids: Vec<String>) -> Result<(), Status> {
        let request = AcknowledgeRequest { subscription: self.subscription(id), ack_ids };
        self.wire.call("Subscriber/Acknowledge", request).await
    }

    pub(super) async fn modify(&self, id: &str, ack_ids: Vec<String>, seconds: i32) -> Result<(), Status> {
        let subscription = self.subscription(id);
        let request = ModifyAckDeadlineRequest { subscription, ack_ids, ack_deadline_seconds: seconds };
        self.wire.call("Subscriber/ModifyAckDeadline", request).await
    }

    /// A stream on a subscription, with a lease of 10 s unless `settings` has another.
    pub(super) fn stream(&self, id: &str, settings: StreamingPullRequest) -> Stream {
        let seconds = settings.stream_ack_deadline_seconds;
        self.wire.stream([StreamingPullRequest {
            subscription: self.subscription(id),
            stream_ack_deadline_seconds: if seconds == 0 { 10 } else { seconds },
            ..settings
        }])
    }
}

/// A message with a text in it.
pub(super) fn message(text: impl Into<String>) -> PubsubMessage {
    PubsubMessage { data: text.into().into(), ..PubsubMessage::default() }
}

pub(super) fn ack_ids(messages: &[ReceivedMessage]) -> Vec<String> {
    messages.iter().map(|message| message.ack_id.clone()).collect()
}

/// How a wait compares to what it should be: sharp below, generous above.
pub(super) fn timing(waited: Duration, promised: Duration) -> String {
    let name = format!("{} s", promised.as_secs());
    // The lease begins when the server sends, not when a busy client reads.
    if waited + Duration::from_secs(2) < promised {
        format!("before {name}")
    } else if waited < promised + Duration::from_secs(12) {
        format!("after {name}")
    } else {
        format!("long after {name}")
    }
}

/// So many messages of a stream, or fewer if no more come within the time.
pub(super) async fn gather(stream: &mut Stream, count: usize, patience: Duration) -> Vec<ReceivedMessage> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut messages = Vec::new();
    while messages.len() < count {
        match tokio::time::timeout_at(deadline, stream.answer()).await {
            Ok(Some(Ok(answer))) => messages.extend(answer.received_messages),
            Ok(Some(Err(_)) | None) | Err(_) => break,
        }
    }
    messages
}

/// How a stream ends, and the texts of what still comes.
pub(super) async fn end(stream: &mut Stream, patience: Duration) -> String {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match tokio::time::timeout_at(deadline, stream.answer()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(status))) => return show::status(&status),
            Ok(None) => return "it ends".into(),
            Err(_) => return "it stays open".into(),
        }
    }
}
