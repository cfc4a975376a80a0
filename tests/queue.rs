//! Messages as `provision` publishes them, by the official client.

use clients::Target;
use contract::Message;

/// Publishes them to a topic of the service at a URL, and waits until all are there.
///
/// # Panics
/// If one can't be published.
pub async fn publish(url: &str, topic: &str, messages: impl IntoIterator<Item = Message>) {
    let publisher = Target::anonymous(url).publisher().await.expect("a client");
    let publisher = publisher.publisher(topic).build();
    let publish = |message: Message| {
        let data = serde_json::to_vec(&message).expect("JSON");
        publisher.publish(google_cloud_pubsub::model::Message::new().set_data(data))
    };
    let answers: Vec<_> = messages.into_iter().map(publish).collect();
    for answer in answers {
        answer.await.expect("it is published");
    }
}
