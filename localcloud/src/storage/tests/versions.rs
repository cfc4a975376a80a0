//! Generations that are no longer live: kept, listed, restored, removed.

use std::time::Duration;

use serde_json::{Value, json};

use super::BUCKET;
use super::json::{Json, error, generation};
use crate::testing::Server;

const DAY: Duration = Duration::from_hours(24);

fn files(server: &Server) -> Vec<String> {
    let folder = server.folder.path().join("buckets").join(BUCKET);
    let aside = std::fs::read_dir(folder.join(".generations")).into_iter().flatten();
    let mut names: Vec<_> =
        aside.map(|file| file.expect("a file").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_and_deleted_generations_are_kept_aside_and_restored_by_a_copy() {
    let server = Server::start().await;
    let settings =
        json!({"versioning": {"enabled": true}, "softDeletePolicy": {"retentionDurationSeconds": "0"}});
    let json = Json::with_bucket(&server, settings).await;
    let (one, two) = (json.write("a/b", "one").await, json.write("a/b", "two").await);
    json.write("a/c", "other").await;
    let (one, two) = (generation(&one), generation(&two));
    assert_eq!(json.object("DELETE", "a%2Fb").await.0, 204);
    assert_eq!(json.object("GET", "a%2Fb").await.0, 404);
    assert_eq!(json.read(&format!("a%2Fb?generation={one}")).await, (200, "one".into()));
    assert_eq!(json.read(&format!("a%2Fb?generation={two}")).await, (200, "two".into()));
    let of = |name: &str, generation: &str| (name.to_owned(), generation.to_owned());
    assert_eq!(json.list("").await.len(), 1);
    let versions = json.list("versions=True&prefix=a/b").await;
    assert_eq!(versions, [of("a/b", one), of("a/b", two)]);
    assert_eq!(files(&server), [format!("a%2Fb~{one}"), format!("a%2Fb~{two}")]);

    let server = server.restart().await;
    let json = Json::of(&server);
    let (status, object) = json.object("GET", &format!("a%2Fb?generation={one}")).await;
    assert_eq!((status, object["timeDeleted"].is_string()), (200, true));
    let (status, _) =
        json.object("POST", &format!("a%2Fb/copyTo/b/{BUCKET}/o/a%2Fb?sourceGeneration={one}")).await;
    assert_eq!((status, json.read("a%2Fb").await), (200, (200, "one".into())));

    // A bucket with noncurrent generations is not empty.
    for (name, _) in json.list("").await {
        assert_eq!(json.object("DELETE", &name.replace('/', "%2F")).await.0, 204);
    }
    let full = error(409, "conflict", "The bucket you tried to delete is not empty.", None);
    assert_eq!(json.call("DELETE", &format!("/storage/v1/b/{BUCKET}")).await, full);
    for (name, generation) in json.list("versions=true").await {
        let path = format!("{}?generation={generation}", name.replace('/', "%2F"));
        assert_eq!(json.object("DELETE", &path).await.0, 204);
    }
    assert_eq!(files(&server), [""; 0]);
    assert_eq!(json.call("DELETE", &format!("/storage/v1/b/{BUCKET}")).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_deleted_objects_are_restored_until_their_time_is_up_and_block_nothing() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    let one = json.write("a", "one").await;
    let one = generation(&one);
    json.write("a", "two").await;
    assert_eq!(json.object("DELETE", "a").await.0, 204);
    assert_eq!((json.list("").await.len(), json.list("versions=true").await.len()), (0, 0));
    let deleted = json.list("softDeleted=true").await;
    assert_eq!((deleted.len(), deleted[0].1.as_str()), (2, one));
    assert_eq!(json.object("GET", &format!("a?generation={one}")).await.0, 404);
    let (status, object) = json.object("GET", &format!("a?generation={one}&softDeleted=true")).await;
    assert_eq!(
        (status, object["hardDeleteTime"].is_string(), object["softDeleteTime"].is_string()),
        (200, true, true)
    );

    let server = server.restart().await;
    let json = Json::of(&server);
    let (status, restored) = json.object("POST", &format!("a/restore?generation={one}")).await;
    assert_eq!((status, json.read("a").await), (200, (200, "one".into())));
    assert_ne!(generation(&restored), one);
    let without = error(400, "required", "Required parameter: generation", Some(("parameter", "generation")));
    assert_eq!(json.object("POST", "a/restore").await, without);
    assert_eq!(json.object("GET", "b?softDeleted=true").await.0, 404);
    assert_eq!(json.object("DELETE", "a").await.0, 204);

    server.clock.advance(DAY * 6).expect("advance");
    assert_eq!(json.list("softDeleted=true").await.len(), 3);
    server.clock.advance(DAY * 2).expect("advance");
    wait_until(async || json.list("softDeleted=true").await.is_empty()).await;
    assert_eq!(files(&server), [""; 0]);

    json.write("b", "three").await;
    assert_eq!(json.object("DELETE", "b").await.0, 204);
    assert_eq!(json.call("DELETE", &format!("/storage/v1/b/{BUCKET}")).await.0, 204);
    let json = Json::with_bucket(&server, json!({})).await;
    assert_eq!(json.list("softDeleted=true").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_versions_and_retention_nothing_is_kept() {
    let server = Server::start().await;
    let json =
        Json::with_bucket(&server, json!({"softDeletePolicy": {"retentionDurationSeconds": "0"}})).await;
    json.write("a", "one").await;
    json.write("a", "two").await;
    assert_eq!(json.object("DELETE", "a").await.0, 204);
    let kept = async |query| json.list(query).await.len();
    assert_eq!((kept("versions=true").await, kept("softDeleted=true").await), (0, 0));
    assert_eq!(files(&server), [""; 0]);
    let both = json.call("GET", &format!("/storage/v1/b/{BUCKET}/o?versions=true&softDeleted=true")).await;
    assert_eq!(both.0, 400, "{}", both.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_object_is_neither_replaced_nor_deleted() {
    let server = Server::start().await;
    let json = Json::with_bucket(&server, json!({})).await;
    json.write("a", "one").await;
    let hold = json!({"temporaryHold": true});
    assert_eq!(json.send("PATCH", &format!("/storage/v1/b/{BUCKET}/o/a"), &hold).await.0, 200);
    let says = format!(
        "Object '{BUCKET}/a' is under active Temporary hold and cannot be deleted, overwritten or archived until hold is removed."
    );
    assert_eq!(json.object("DELETE", "a").await, error(403, "forbidden", &says, None));
    assert_eq!(json.try_write("a", "two", "").await, error(403, "forbidden", &says, None));
    let free = json!({"temporaryHold": Value::Null});
    assert_eq!(json.send("PATCH", &format!("/storage/v1/b/{BUCKET}/o/a"), &free).await.0, 200);
    assert_eq!(json.object("DELETE", "a").await.0, 204);
}

/// Waits for what the service does by itself.
pub(super) async fn wait_until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "it does not happen");
        tokio::task::yield_now().await;
    }
}
