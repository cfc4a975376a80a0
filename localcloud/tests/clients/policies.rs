//! Policies of other services' resources: the same accounts, the same rules.

use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_v1::model::{Binding, Policy};
use google_cloud_storage::client::StorageControl;
use google_cloud_storage::model::Bucket;

use crate::{Local, nobody, project};

const MEMBER: &str = "serviceAccount:fx-worker@fx-dev.iam.gserviceaccount.com";
const BUCKET: &str = "projects/_/buckets/fx-dev-data";

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_knows_which_accounts_there_are() {
    let local = Local::start().await;
    let iam =
        Iam::builder().with_endpoint(local.url()).with_credentials(nobody()).build().await.expect("a client");
    let buckets = StorageControl::builder().with_endpoint(local.url()).with_credentials(nobody());
    let buckets = buckets.build().await.expect("a client");
    let settings = Bucket::new().set_project(project());
    let create = buckets.create_bucket().set_parent("projects/_").set_bucket_id("fx-dev-data");
    create.set_bucket(settings).send().await.expect("a bucket");

    let grant = async || {
        let binding = Binding::new().set_role("roles/storage.objectUser").set_members([MEMBER]);
        let policy = Policy::new().set_bindings([binding]);
        buckets.set_iam_policy().set_resource(BUCKET).set_policy(policy).send().await
    };
    let refused = grant().await.expect_err("no such account");
    let missing = "Service account fx-worker@fx-dev.iam.gserviceaccount.com does not exist.";
    assert_eq!(refused.status().map(|status| status.message.as_str()), Some(missing), "{refused}");

    let create = iam.create_service_account().set_name(project()).set_account_id("fx-worker");
    let made = create.send().await.expect("made");
    assert_eq!(grant().await.expect("set").bindings[0].members, [MEMBER]);
    iam.delete_service_account().set_name(&made.name).send().await.expect("deleted");
    let policy = buckets.get_iam_policy().set_resource(BUCKET).send().await.expect("read");
    assert_eq!(policy.bindings[0].members, [format!("deleted:{MEMBER}?uid={}", made.unique_id)]);
}
