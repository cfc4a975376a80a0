//! Service accounts and their policies.

use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_iam_admin_v1::model::ServiceAccount;
use google_cloud_iam_v1::model::{Binding, Policy};

use crate::{Local, named, nobody, project, refusal};

async fn client(local: &Local) -> Iam {
    Iam::builder().with_endpoint(local.url()).with_credentials(nobody()).build().await.expect("a client")
}

async fn create(iam: &Iam, id: &str) -> Result<ServiceAccount, google_cloud_gax::error::Error> {
    let about = ServiceAccount::new().set_display_name("Worker").set_description("made by a test");
    iam.create_service_account()
        .set_name(project())
        .set_account_id(id)
        .set_service_account(about)
        .send()
        .await
}

#[tokio::test]
async fn an_account_is_made_read_described_listed_and_deleted() {
    let local = Local::start().await;
    let iam = client(&local).await;
    let made = create(&iam, "fx-worker").await.expect("made");
    assert_eq!(made.email, "fx-worker@fx-dev.iam.gserviceaccount.com");
    assert_eq!((made.unique_id.len(), made.display_name.as_str()), (21, "Worker"));
    assert_eq!(refusal(create(&iam, "fx-worker").await).0, 409);

    for name in [named("serviceAccounts", &made.email), named("serviceAccounts", &made.unique_id)] {
        let read = iam.get_service_account().set_name(name).send().await.expect("read");
        assert_eq!(read.name, made.name);
    }
    let described = iam
        .patch_service_account()
        .set_service_account(ServiceAccount::new().set_name(&made.name).set_description("changed"))
        .set_update_mask(google_cloud_wkt::FieldMask::default().set_paths(["description"]))
        .send()
        .await
        .expect("described");
    assert_eq!((described.description.as_str(), described.display_name.as_str()), ("changed", "Worker"));

    let local = local.restart().await;
    let iam = client(&local).await;
    let listed = iam.list_service_accounts().set_name(project()).send().await.expect("listed");
    assert_eq!(listed.accounts, [described]);
    iam.delete_service_account().set_name(&made.name).send().await.expect("deleted");
    let gone = refusal(iam.get_service_account().set_name(&made.name).send().await);
    assert_eq!(gone.0, 404);
    assert!(gone.1.ends_with("does not exist."), "{}", gone.1);
}

#[tokio::test]
async fn a_bad_id_is_refused_and_so_is_a_bad_project() {
    let local = Local::start().await;
    let iam = client(&local).await;
    for id in ["short", "Upper-case", "ends-with-", "a-name-that-is-longer-than-30-letters"] {
        assert_eq!(refusal(create(&iam, id).await).0, 400, "{id}");
    }
    let nowhere =
        iam.create_service_account().set_name("projects/No").set_account_id("fx-worker").send().await;
    assert_eq!(refusal(nowhere).0, 400);
}

#[tokio::test]
async fn a_recreated_account_keeps_its_email_and_not_its_bindings() {
    let local = Local::start().await;
    let iam = client(&local).await;
    let worker = create(&iam, "fx-worker").await.expect("made");
    let owner = create(&iam, "fx-owner").await.expect("made");
    let member = format!("serviceAccount:{}", worker.email);
    let binding = Binding::new().set_role("roles/iam.serviceAccountUser").set_members([&member]);
    let policy = Policy::new().set_bindings([binding]);
    iam.set_iam_policy().set_resource(&owner.name).set_policy(policy).send().await.expect("set");

    let members = async || {
        let policy = iam.get_iam_policy().set_resource(&owner.name).send().await.expect("read");
        policy.bindings[0].members.clone()
    };
    assert_eq!(members().await, std::slice::from_ref(&member));
    iam.delete_service_account().set_name(&worker.name).send().await.expect("deleted");
    let deleted = format!("deleted:{member}?uid={}", worker.unique_id);
    assert_eq!(members().await, std::slice::from_ref(&deleted));
    let again = create(&iam, "fx-worker").await.expect("made again");
    assert_ne!(again.unique_id, worker.unique_id);
    assert_eq!(members().await, [deleted]);

    iam.delete_service_account().set_name(&again.name).send().await.expect("deleted");
    let first = named("serviceAccounts", &worker.unique_id);
    let undeleted = iam.undelete_service_account().set_name(first).send().await.expect("undeleted");
    assert_eq!(undeleted.restored_account.expect("an account").email, worker.email);
    assert_eq!(members().await, [member]);
}

#[tokio::test]
async fn a_member_that_does_not_exist_is_refused() {
    let local = Local::start().await;
    let iam = client(&local).await;
    let owner = create(&iam, "fx-owner").await.expect("made");
    let binding = Binding::new()
        .set_role("roles/iam.serviceAccountUser")
        .set_members(["serviceAccount:nobody@fx-dev.iam.gserviceaccount.com"]);
    let policy = Policy::new().set_bindings([binding]);
    let refused = refusal(iam.set_iam_policy().set_resource(&owner.name).set_policy(policy).send().await);
    let text = "Service account nobody@fx-dev.iam.gserviceaccount.com does not exist.";
    assert_eq!(refused, (400, text.to_owned()));
}
