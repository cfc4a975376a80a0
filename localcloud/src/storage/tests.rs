//! Cloud Storage through the official clients, over real sockets.

#![allow(clippy::large_futures)] // they are the clients'

mod batch;
mod copies;
mod json;
mod lifecycle;
mod lists;
mod preconditions;
mod streams;
mod uploads;
mod versions;

use bytes::Bytes;
use clients::{Bucket, Conditional};
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_storage::client::{Storage, StorageControl};
use google_cloud_storage::model::{self, bucket};
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_wkt::FieldMask;

use crate::testing::Server;

const BUCKET: &str = "p-fx-data";
const PATH: &str = "projects/_/buckets/p-fx-data";

async fn clients(server: &Server) -> (Storage, StorageControl) {
    server.target().storage().await.expect("clients")
}

async fn create(
    server: &Server,
    bucket: model::Bucket,
) -> Result<model::Bucket, google_cloud_storage::Error> {
    let (_, control) = clients(server).await;
    let create = control.create_bucket().set_parent("projects/_").set_bucket_id(BUCKET);
    create.set_bucket(bucket.set_project("projects/p")).send().await
}

async fn set_up(server: &Server) -> Bucket {
    create(server, model::Bucket::new()).await.expect("a bucket");
    Bucket::new(clients(server).await, BUCKET)
}

async fn write(bucket: &Bucket, object: &str, body: &str) -> i64 {
    let written = bucket.create(object, body.to_owned().into(), [].into()).await.expect("write");
    let Conditional::Stored(stored) = written else { panic!("{object} is there already") };
    stored.generation
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask::default().set_paths(paths.iter().copied())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_what_was_set_and_shows_the_defaults_of_the_rest() {
    let server = Server::start().await;
    let (_, control) = clients(&server).await;
    let rule = bucket::lifecycle::Rule::new()
        .set_action(bucket::lifecycle::rule::Action::new().set_type("Delete"))
        .set_condition(bucket::lifecycle::rule::Condition::new().set_age_days(30));
    let access = bucket::IamConfig::new()
        .set_uniform_bucket_level_access(
            bucket::iam_config::UniformBucketLevelAccess::new().set_enabled(true),
        )
        .set_public_access_prevention("enforced");
    let wanted = model::Bucket::new()
        .set_location("europe-west1")
        .set_labels([("managed-by", "provision")])
        .set_versioning(bucket::Versioning::new().set_enabled(true))
        .set_lifecycle(bucket::Lifecycle::new().set_rule([rule]))
        .set_iam_config(access);
    let created = create(&server, wanted.clone()).await.expect("a bucket");
    assert_eq!(created.name, PATH);
    assert_eq!(created.location, "EUROPE-WEST1");
    assert_eq!(created.location_type, "region");
    assert_eq!(created.storage_class, "STANDARD");
    assert_eq!((&created.labels, &created.lifecycle), (&wanted.labels, &wanted.lifecycle));
    let kept = created.soft_delete_policy.clone().and_then(|policy| policy.retention_duration);
    assert_eq!(kept.map(|kept| kept.seconds()), Some(604_800));
    let access = created.iam_config.clone().expect("access");
    assert_eq!(access.public_access_prevention, "enforced");
    assert!(access.uniform_bucket_level_access.expect("uniform").enabled);

    let got = control.get_bucket().set_name(PATH).send().await.expect("get");
    assert_eq!(got, created);
    let change = model::Bucket::new().set_name(PATH).set_labels([("a", "b")]).set_soft_delete_policy(
        bucket::SoftDeletePolicy::new().set_retention_duration(google_cloud_wkt::Duration::clamp(0, 0)),
    );
    let update = control.update_bucket().set_bucket(change).set_if_metageneration_match(1);
    let update = update.set_update_mask(mask(&["labels", "soft_delete_policy", "lifecycle"]));
    let updated = update.clone().send().await.expect("update");
    assert_eq!(updated.labels, [("a".to_owned(), "b".to_owned())].into());
    assert_eq!((updated.metageneration, &updated.lifecycle), (2, &None));
    assert_eq!(updated.versioning, created.versioning);
    let kept = updated.soft_delete_policy.and_then(|policy| policy.retention_duration);
    assert_eq!(kept.map(|kept| kept.seconds()), Some(0));

    let raced = update.send().await.expect_err("another metageneration");
    assert_eq!(raced.status().map(|status| status.code), Some(Code::FailedPrecondition));
    let mut buckets = control.list_buckets().set_parent("projects/p").by_item();
    assert_eq!(buckets.next().await.expect("one").expect("a bucket").name, PATH);
    assert!(buckets.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_refused_if_it_is_taken_or_no_bucket_could_have_it() {
    let server = Server::start().await;
    let (_, control) = clients(&server).await;
    create(&server, model::Bucket::new()).await.expect("a bucket");
    for (project, says) in [("projects/p", "you already own it"), ("projects/other", "not available")] {
        let bucket = model::Bucket::new().set_project(project);
        let create =
            control.create_bucket().set_parent("projects/_").set_bucket_id(BUCKET).set_bucket(bucket);
        let error = create.send().await.expect_err("taken");
        let status = error.status().expect("a status");
        assert_eq!(status.code, Code::AlreadyExists);
        assert!(status.message.contains(says), "{}", status.message);
    }
    let bucket = model::Bucket::new().set_project("projects/p");
    let create = control.create_bucket().set_parent("projects/_").set_bucket_id("../x").set_bucket(bucket);
    let error = create.send().await.expect_err("no name");
    assert_eq!(error.status().map(|status| status.code), Some(Code::InvalidArgument));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_objects_is_not_deleted() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    let (_, control) = clients(&server).await;
    write(&bucket, "a", "a").await;
    let error = control.delete_bucket().set_name(PATH).send().await.expect_err("not empty");
    assert_eq!(error.status().map(|status| status.code), Some(Code::FailedPrecondition));
    bucket.delete("a").await.expect("delete");
    control.delete_bucket().set_name(PATH).send().await.expect("delete");
    let error = control.get_bucket().set_name(PATH).send().await.expect_err("gone");
    assert_eq!(error.status().map(|status| status.code), Some(Code::NotFound));
    assert!(!server.folder.path().join("buckets").join(BUCKET).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_a_plain_file_with_generations_and_metadata() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    let metadata = clients::Metadata::from([("run".to_owned(), "fx-1".to_owned())]);
    let Conditional::Stored(first) =
        bucket.create("features/USD.csv", "one".into(), metadata.clone()).await.expect("write")
    else {
        panic!("there is one already")
    };
    assert_eq!((first.size, &first.metadata), (3, &metadata));
    let file = server.folder.path().join("buckets").join(BUCKET).join("features/USD.csv");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "one");

    let again = bucket.create("features/USD.csv", "two".into(), [].into()).await.expect("an answer");
    assert_eq!(again, Conditional::Conflict);
    let replaced = bucket.replace("features/USD.csv", Bytes::from("two"), [].into(), first.generation).await;
    let Conditional::Stored(second) = replaced.expect("an answer") else { panic!("a conflict") };
    assert!(second.generation > first.generation);
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "two");
    let stale = bucket.replace("features/USD.csv", Bytes::from("x"), [].into(), first.generation).await;
    assert_eq!(stale.expect("an answer"), Conditional::Conflict);

    let (body, generation) = bucket.read("features/USD.csv").await.expect("read").expect("an object");
    assert_eq!((body, generation), (Bytes::from("two"), second.generation));
    assert_eq!(bucket.stat("features/USD.csv").await.expect("stat"), Some(second));
    assert_eq!(bucket.read("nothing").await.expect("read"), None);
    assert_eq!(bucket.stat("nothing").await.expect("stat"), None);
    bucket.delete("features/USD.csv").await.expect("delete");
    assert!(!file.exists());
    assert_eq!(std::fs::read_dir(server.folder.path().join("uploads")).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_is_stored_listed_and_read_back() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    let long = format!("long/{}", "x".repeat(600));
    let mut names = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "/a",
        "a//b",
        "../../escape",
        "x/./y",
        "q?#[]&=+ %25",
        "é/\u{1F980}",
        ".names/x",
        "tab\tquote\"'",
        &long,
    ];
    for name in names {
        write(&bucket, name, name).await;
    }
    names.sort_unstable();
    let server = server.restart().await;
    let bucket = Bucket::new(clients(&server).await, BUCKET);
    let listed = bucket.list("").await.expect("list");
    assert_eq!(listed.iter().map(|stored| stored.name.as_str()).collect::<Vec<_>>(), names);
    for name in names {
        let (body, _) = bucket.read(name).await.expect("read").expect(name);
        assert_eq!(body, name);
        bucket.delete(name).await.expect("delete");
    }
    assert_eq!(std::fs::read_dir(server.folder.path()).expect("a folder").count(), 3);
    let rest = std::fs::read_dir(server.folder.path().join("buckets").join(BUCKET)).expect("a folder");
    let rest: Vec<_> = rest.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(rest, [".generations"], "all of it is soft-deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_go_up_in_parts_and_are_read_in_parts() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    let (data, _) = clients(&server).await;
    let body: Bytes = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for buffered in [false, true] {
        let name = format!("large-{buffered}");
        let write = data.write_object(PATH, &name, body.clone()).with_resumable_upload_threshold(0_usize);
        let stored = if buffered {
            write.with_resumable_upload_buffer_size(1_usize << 20).send_buffered().await
        } else {
            write.send_unbuffered().await
        };
        assert_eq!(stored.expect("write").size, 12_000_000);
        assert_eq!(bucket.read(&name).await.expect("read").expect("an object").0, body);
    }
    let read = data.read_object(PATH, "large-true").set_read_range(ReadRange::segment(1000, 24));
    let mut part = read.send().await.expect("read");
    assert_eq!(part.next().await.expect("bytes").expect("bytes"), body[1000..1024]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_with_prefixes_rolled_up() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    for name in ["a/1", "a/2", "b", "c/1", "c/2/x", "d"] {
        write(&bucket, name, "").await;
    }
    let (_, control) = clients(&server).await;
    for size in 1..=7 {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let list = control.list_objects().set_parent(PATH).set_delimiter("/").set_page_size(size);
            let page = list.set_page_token(token).send().await.expect("list");
            assert!(page.objects.len() + page.prefixes.len() <= usize::try_from(size).expect("a size"));
            found.extend(page.objects.into_iter().map(|object| object.name).chain(page.prefixes));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        found.sort();
        assert_eq!(found, ["a/", "b", "c/", "d"], "pages of {size}");
    }
    let range =
        control.list_objects().set_parent(PATH).set_lexicographic_start("a/2").set_lexicographic_end("c/2");
    let names: Vec<_> = range.send().await.expect("list").objects.into_iter().map(|o| o.name).collect();
    assert_eq!(names, ["a/2", "b", "c/1"]);
    assert_eq!(bucket.folders("c/").await.expect("folders"), ["c/2/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_copied_composed_and_changed() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    let (_, control) = clients(&server).await;
    let one = write(&bucket, "one", "1").await;
    write(&bucket, "two", "2").await;

    let rewrite = control.rewrite_object().set_source_bucket(PATH).set_source_object("one");
    let rewrite =
        rewrite.set_destination_bucket(PATH).set_destination_name("copy").set_if_generation_match(0);
    let copied = rewrite.clone().send().await.expect("rewrite");
    assert!(copied.done);
    assert_eq!(bucket.read("copy").await.expect("read").expect("an object").0, "1");
    let error = rewrite.send().await.expect_err("it exists");
    assert_eq!(error.status().map(|status| status.code), Some(Code::FailedPrecondition));

    let part = |name: &str| model::compose_object_request::SourceObject::new().set_name(name);
    let destination = model::Object::new().set_bucket(PATH).set_name("both");
    let compose = control.compose_object().set_destination(destination);
    let both = compose.set_source_objects([part("one"), part("two")]).send().await.expect("compose");
    assert_eq!((both.component_count, both.size), (2, 2));
    assert_eq!(bucket.read("both").await.expect("read").expect("an object").0, "12");

    let object = model::Object::new().set_bucket(PATH).set_name("one").set_metadata([("k", "v")]);
    let update = control.update_object().set_object(object).set_if_generation_match(one);
    let updated = update.set_update_mask(mask(&["metadata"])).send().await.expect("update");
    assert_eq!((updated.generation, updated.metageneration), (one, 2));
    let metadata = bucket.stat("one").await.expect("stat").expect("an object").metadata;
    assert_eq!(metadata, [("k".to_owned(), "v".to_owned())].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_journal_and_the_file_is_repaired() {
    let server = Server::start().await;
    let bucket = set_up(&server).await;
    write(&bucket, "a/b", "content").await;
    let place = server.folder.path().join("buckets").join(BUCKET).join("a/b");
    let journal = std::fs::read_to_string(server.folder.path().join("journal")).expect("a journal");
    let (_, content) = journal.split_once("\"content\":\"").expect("a row");
    let content = server.folder.path().join("uploads").join(&content[..32]);
    std::fs::rename(&place, &content).expect("as it was before the kill");
    std::fs::write(content.with_file_name("garbage"), "of an upload").expect("write");

    let server = server.restart().await;
    let bucket = Bucket::new(clients(&server).await, BUCKET);
    assert_eq!(bucket.read("a/b").await.expect("read").expect("an object").0, "content");
    assert!(place.exists());
    assert_eq!(std::fs::read_dir(server.folder.path().join("uploads")).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_changed_under_their_etag() {
    let server = Server::start().await;
    set_up(&server).await;
    let (_, control) = clients(&server).await;
    let policy = control.get_iam_policy().set_resource(PATH).send().await.expect("a policy");
    assert!(policy.bindings.iter().any(|binding| binding.role == "roles/storage.legacyBucketOwner"));
    let set = |policy| control.set_iam_policy().set_resource(PATH).set_policy(policy).send();
    set(policy.clone()).await.expect("set");
    let stale = set(policy).await.expect_err("stale");
    assert_eq!(stale.status().map(|status| status.code), Some(Code::Aborted));
}
