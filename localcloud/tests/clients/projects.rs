//! Projects, their policies and their services.

use google_cloud_iam_v1::model::{Binding, Policy};
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_resourcemanager_v3::model::project::State;

use crate::{Local, PROJECT, nobody, project, refusal};

async fn client(local: &Local) -> Projects {
    Projects::builder().with_endpoint(local.url()).with_credentials(nobody()).build().await.expect("a client")
}

#[tokio::test]
async fn a_project_is_there_as_soon_as_it_is_named_and_keeps_its_number() {
    let local = Local::start().await;
    let projects = client(&local).await;
    let first = projects.get_project().set_name(project()).send().await.expect("a project");
    assert_eq!((first.project_id.as_str(), &first.state), (PROJECT, &State::Active));
    let local = local.restart().await;
    let by_number = client(&local).await.get_project().set_name(&first.name).send().await.expect("the same");
    assert_eq!(by_number, first);
}

#[tokio::test]
async fn of_two_who_change_a_policy_at_once_the_second_must_read_again() {
    let local = Local::start().await;
    let projects = client(&local).await;
    let read = projects.get_iam_policy().set_resource(project()).send().await.expect("read");
    let with = |member: &str| {
        let binding = Binding::new().set_role("roles/viewer").set_members([member]);
        read.clone().set_bindings([binding])
    };
    let set = async |policy: Policy| {
        projects.set_iam_policy().set_resource(project()).set_policy(policy).send().await
    };
    let first = set(with("user:a@example.com")).await.expect("the first");
    let (status, message) = refusal(set(with("user:b@example.com")).await);
    assert_eq!(status, 409);
    assert!(message.starts_with("There were concurrent policy changes."), "{message}");

    let local = local.restart().await;
    let held = client(&local).await.get_iam_policy().set_resource(project()).send().await.expect("read");
    assert_eq!(held, first);
}

#[tokio::test]
async fn the_caller_may_do_everything() {
    let local = Local::start().await;
    let asked = ["pubsub.topics.create", "storage.buckets.create"];
    let answer =
        client(&local).await.test_iam_permissions().set_resource(project()).set_permissions(asked).send();
    assert_eq!(answer.await.expect("an answer").permissions, asked);
}
