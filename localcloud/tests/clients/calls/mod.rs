//! Faults on every wire, as the official clients see them.

mod crash;
mod faults;
mod points;
mod stream;

use std::time::Duration;

use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use localcloud::calls::{Entry, Failure, What};

use crate::{Local, named, nobody};

/// Whatever is waited for is there by then.
const SOON: Duration = Duration::from_secs(30);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, what).await.expect("soon")
}

async fn topics(local: &Local) -> TopicAdmin {
    TopicAdmin::builder()
        .with_endpoint(local.url())
        .with_credentials(nobody())
        .build()
        .await
        .expect("a client")
}

async fn subscriptions(local: &Local) -> SubscriptionAdmin {
    let builder = SubscriptionAdmin::builder().with_endpoint(local.url());
    builder.with_credentials(nobody()).build().await.expect("a client")
}

fn topic(id: &str) -> String {
    named("topics", id)
}

fn fail(name: &str) -> What {
    What::Fail(Failure::named(name).expect("a name of a failure"))
}

/// Method, status and fate of the calls of a method.
fn told(calls: &[Entry], method: &str) -> Vec<String> {
    let of_it = calls.iter().filter(|entry| entry.method == method);
    of_it.map(|e| format!("{} {:?}", e.status.as_deref().unwrap_or("-"), e.fate)).collect()
}
