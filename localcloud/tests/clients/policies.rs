//! Policies of other services' resources: the same accounts, the same rules.

use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_v1::model::{Binding, Policy};
use google_cloud_pubsub::client::TopicAdmin;
use google_cloud_storage::client::StorageControl;
use google_cloud_storage::model::Bucket;

use crate::{Local, named, nobody, project};

const MEMBER: &str = "serviceAccount:fx-worker@fx-dev.iam.gserviceaccount.com";
const BUCKET: &str = "projects/_/buckets/fx-dev-data";

fn grant(role: &str) -> Policy {
    Policy::new().set_bindings([Binding::new().set_role(role).set_members([MEMBER])])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_deleted_in_every_policy() {
    let local = Local::start().await;
    let iam =
        Iam::builder().with_endpoint(local.url()).with_credentials(nobody()).build().await.expect("a client");
    let topics = TopicAdmin::builder()
        .with_endpoint(local.url())
        .with_credentials(nobody())
        .build()
        .await
        .expect("a client");
    let buckets = StorageControl::builder()
        .with_endpoint(local.url())
        .with_credentials(nobody())
        .build()
        .await
        .expect("a client");
    let topic = named("topics", "fx-items");
    topics.create_topic().set_name(&topic).send().await.expect("a topic");
    let settings = Bucket::new().set_project(project());
    let create =
        buckets.create_bucket().set_parent("projects/_").set_bucket_id("fx-dev-data").set_bucket(settings);
    create.send().await.expect("a bucket");

    let on_topic = async || {
        topics.set_iam_policy().set_resource(&topic).set_policy(grant("roles/pubsub.publisher")).send().await
    };
    let on_bucket = async || {
        buckets
            .set_iam_policy()
            .set_resource(BUCKET)
            .set_policy(grant("roles/storage.objectUser"))
            .send()
            .await
    };
    let missing = "Service account fx-worker@fx-dev.iam.gserviceaccount.com does not exist.";
    for refused in [on_topic().await, on_bucket().await] {
        let error = refused.expect_err("no such account");
        assert_eq!(error.status().map(|status| status.message.as_str()), Some(missing), "{error}");
    }

    let made = iam
        .create_service_account()
        .set_name(project())
        .set_account_id("fx-worker")
        .send()
        .await
        .expect("made");
    on_topic().await.expect("set");
    on_bucket().await.expect("set");
    iam.delete_service_account().set_name(&made.name).send().await.expect("deleted");
    let deleted = format!("deleted:{MEMBER}?uid={}", made.unique_id);
    let policy = topics.get_iam_policy().set_resource(&topic).send().await.expect("read");
    assert_eq!(policy.bindings[0].members, [deleted.clone()]);
    let policy = buckets.get_iam_policy().set_resource(BUCKET).send().await.expect("read");
    assert_eq!(policy.bindings[0].members, [deleted]);
}
