//! Secret Manager by its official client: versions, checksums, and who may read what.

use google_cloud_iam_v1::model::{Binding, Policy};
use google_cloud_secretmanager_v1::client::SecretManagerService;
use google_cloud_secretmanager_v1::model::replication::Automatic;
use google_cloud_secretmanager_v1::model::secret_version::State;
use google_cloud_secretmanager_v1::model::{Replication, Secret, SecretPayload};
use serde_json::{Value, json};

use crate::{Local, client, named, nobody, project, refusal};

async fn manager(local: &Local) -> SecretManagerService {
    let builder = SecretManagerService::builder().with_endpoint(local.url()).with_credentials(nobody());
    builder.build().await.expect("a client")
}

async fn make(manager: &SecretManagerService, id: &str) -> Secret {
    let replication = Replication::new().set_automatic(Automatic::new());
    let secret = Secret::new().set_replication(replication).set_labels([("team", "prices")]);
    let create = manager.create_secret().set_parent(project()).set_secret_id(id).set_secret(secret);
    create.send().await.expect("a secret")
}

async fn add(manager: &SecretManagerService, id: &str, value: &'static str) -> String {
    let payload = SecretPayload::new()
        .set_data(value.as_bytes())
        .set_data_crc32c(i64::from(crc32c::crc32c(value.as_bytes())));
    let add = manager.add_secret_version().set_parent(named("secrets", id)).set_payload(payload);
    add.send().await.expect("a version").name
}

async fn read(
    manager: &SecretManagerService,
    version: &str,
) -> Result<String, google_cloud_gax::error::Error> {
    let answer = manager.access_secret_version().set_name(named("secrets", version)).send().await?;
    let payload = answer.payload.expect("a payload");
    assert_eq!(payload.data_crc32c, Some(i64::from(crc32c::crc32c(&payload.data))));
    Ok(String::from_utf8(payload.data.to_vec()).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_numbered_read_disabled_and_destroyed_and_survive_a_restart() {
    let local = Local::start().await;
    let manager = self::manager(&local).await;
    let made = make(&manager, "token").await;
    assert!(made.name.ends_with("/secrets/token") && made.name.starts_with("projects/"), "{}", made.name);
    let (status, message) = refusal(read(&manager, "token/versions/latest").await);
    assert_eq!((status, message), (404, format!("Secret [{}] not found or has no versions.", made.name)));

    assert_eq!(add(&manager, "token", "one").await, format!("{}/versions/1", made.name));
    assert_eq!(add(&manager, "token", "two").await, format!("{}/versions/2", made.name));
    drop(manager);
    let local = local.restart().await;
    let manager = self::manager(&local).await;
    assert_eq!(read(&manager, "token/versions/latest").await.expect("a value"), "two");
    assert_eq!(read(&manager, "token/versions/1").await.expect("a value"), "one");

    let second = named("secrets", "token/versions/2");
    let disabled = manager.disable_secret_version().set_name(&second).send().await.expect("disabled");
    assert_eq!(disabled.state, State::Disabled);
    let (status, message) = refusal(read(&manager, "token/versions/latest").await);
    let expected = format!("Secret Version [{}/versions/2] is in DISABLED state.", made.name);
    assert_eq!((status, message), (400, expected));
    manager.enable_secret_version().set_name(&second).send().await.expect("enabled");
    assert_eq!(read(&manager, "token/versions/2").await.expect("a value"), "two");
    let destroyed = manager.destroy_secret_version().set_name(&second).send().await.expect("destroyed");
    assert!(destroyed.state == State::Destroyed && destroyed.destroy_time.is_some());
    let (status, _) = refusal(manager.enable_secret_version().set_name(&second).send().await);
    assert_eq!(status, 400, "what is destroyed stays so");

    let all =
        manager.list_secret_versions().set_parent(named("secrets", "token")).send().await.expect("a list");
    let after: Vec<State> = all.versions.into_iter().map(|version| version.state).collect();
    assert_eq!(after, [State::Destroyed, State::Enabled], "newest first");
    manager.delete_secret().set_name(named("secrets", "token")).send().await.expect("deleted");
    assert_eq!(refusal(read(&manager, "token/versions/1").await).0, 404);
    make(&manager, "token").await;
    assert_eq!(refusal(read(&manager, "token/versions/1").await).0, 404, "a new secret has no versions");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_checked_and_no_error_repeats_them() {
    let local = Local::start().await;
    let manager = self::manager(&local).await;
    make(&manager, "token").await;
    let add = async |payload: Value| {
        let url = format!("{}/v1/{}:addVersion", local.url(), named("secrets", "token"));
        let answer = client().post(url).body(json!({ "payload": payload }).to_string()).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        assert!(!text.contains("Y2FuYXJ5") && !text.contains("canary"), "{text}");
        status
    };
    assert_eq!(add(json!({"data": "Y2FuYXJ5"})).await, 200);
    assert_eq!(add(json!({"data": "Y2FuYXJ5", "dataCrc32c": "1"})).await, 400);
    assert_eq!(add(json!({"data": "Y2FuYXJ5!"})).await, 400);
    assert_eq!(add(json!({"data": ""})).await, 400);
    assert_eq!(add(json!({"data": "QUFB".repeat(22_000)})).await, 400);
    assert_eq!(read(&manager, "token/versions/latest").await.expect("a value"), "canary");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_kept_and_shown_and_lists_say_what_there_is() {
    let local = Local::start().await;
    let manager = self::manager(&local).await;
    make(&manager, "a").await;
    make(&manager, "b").await;
    let binding =
        Binding::new().set_role("roles/secretmanager.secretAccessor").set_members(["user:ann@example.com"]);
    let set = manager.set_iam_policy().set_resource(named("secrets", "a"));
    let set = set.set_policy(Policy::new().set_bindings([binding.clone()])).send().await.expect("set");
    assert_eq!(set.bindings, [binding]);
    let held = manager.get_iam_policy().set_resource(named("secrets", "a")).send().await.expect("read");
    assert_eq!(held, set);
    let other = manager.get_iam_policy().set_resource(named("secrets", "b")).send().await.expect("read");
    assert_eq!(other.bindings, []);
    let no_role = Binding::new().set_role("roles/secretmanager.reader").set_members(["user:ann@example.com"]);
    let set = manager.set_iam_policy().set_resource(named("secrets", "a"));
    let refused = refusal(set.set_policy(Policy::new().set_bindings([no_role])).send().await);
    assert_eq!(refused.0, 400, "{}", refused.1);

    let all = manager.list_secrets().set_parent(project()).send().await.expect("a list");
    let names: Vec<String> = all.secrets.into_iter().map(|secret| secret.name).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.starts_with("projects/") && !name.contains("fx-dev")), "{names:?}");
    let first = manager.list_secrets().set_parent(project()).set_page_size(1).send().await.expect("a page");
    let next = manager.list_secrets().set_parent(project()).set_page_token(first.next_page_token);
    assert_eq!(next.send().await.expect("a page").secrets.len(), 1);
}
