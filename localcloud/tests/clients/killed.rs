//! `kill -9` at any instant: nothing acknowledged is lost, nothing is half there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::process::Process;
use crate::state;

const ROUNDS: usize = 20;
const WRITERS: u64 = 4;
const NAMES: u64 = 3;
/// One keeps versions, one keeps deleted objects, one keeps nothing.
const BUCKETS: [&str; 3] = ["versions", "soft-deleted", "plain"];
const BLOCK: usize = 256 << 10;

/// What an object may be: the content, or nothing. More than one while a call is not answered.
type Possible = Vec<Option<Content>>;

/// A content, told by a number and a size.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content(u64, usize);

impl Content {
    fn bytes(self) -> Vec<u8> {
        (0..self.1).map(|at| (self.0.wrapping_mul(31).wrapping_add(at as u64) % 253) as u8).collect()
    }
}

/// What was acknowledged, by bucket and name.
type Model = Arc<Mutex<BTreeMap<(String, String), Possible>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_instant_loses_nothing_and_halves_nothing() {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let (model, http) = (Model::default(), crate::client());
    let mut local = Process::start(folder.path()).await;
    for bucket in BUCKETS {
        let settings = json!({
            "name": bucket,
            "versioning": {"enabled": bucket == "versions"},
            "softDeletePolicy": {"retentionDurationSeconds": if bucket == "soft-deleted" { 604_800 } else { 0 }},
        });
        let path = format!("{}/storage/v1/b?project=p", local.url());
        let made =
            reqwest::Client::new().post(path).body(settings.to_string()).send().await.expect("an answer");
        assert_eq!(made.status(), 200);
    }
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let at = (http.clone(), local.url().to_owned());
                tokio::spawn(write(at, writer, random.random(), model.clone()))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(5..120))).await;
        local.kill();
        for writer in writers {
            acknowledged += writer.await.expect("a writer that ends with the local cloud");
        }
        local = Process::start(folder.path()).await;
        check(&http, local.url(), &model, round).await;
        check_files(&http, folder.path(), local.url()).await;
    }
    let kept = model.lock().expect("the model").values().flatten().flatten().count();
    println!("{ROUNDS} kills, {acknowledged} changes acknowledged, {kept} objects there at the end");
}

/// Writes and deletes objects of its own names until the local cloud is gone. Returns how many
/// changes were acknowledged.
async fn write((http, url): (reqwest::Client, String), writer: u64, seed: u64, model: Model) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    for acknowledged in 0.. {
        let bucket = BUCKETS[random.random_range(0..BUCKETS.len())];
        let name = format!("w{writer}/{}", random.random_range(0..NAMES));
        let size = if random.random_ratio(1, 4) { BLOCK * 2 + 17 } else { random.random_range(0..5000) };
        let new = random.random_ratio(2, 3).then(|| Content(random.random(), size));
        let key = (bucket.to_owned(), name.clone());
        model.lock().expect("the model").entry(key.clone()).or_insert_with(|| vec![None]).push(new);
        let escaped = name.replace('/', "%2F");
        let done = match new {
            Some(content) if size > BLOCK => resumable(&http, &url, bucket, &escaped, content).await,
            Some(content) => {
                let path = format!("{url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={escaped}");
                http.post(path).body(content.bytes()).send().await.map(|answer| answer.status().as_u16())
            }
            None => {
                let path = format!("{url}/storage/v1/b/{bucket}/o/{escaped}");
                http.delete(path).send().await.map(|answer| answer.status().as_u16())
            }
        };
        // Without an answer it may be so or so.
        let Ok(status) = done else { return acknowledged };
        assert!(matches!(status, 200 | 204 | 404), "{status}");
        model.lock().expect("the model").insert(key, vec![new]);
    }
    0
}

async fn resumable(
    http: &reqwest::Client,
    url: &str,
    bucket: &str,
    name: &str,
    content: Content,
) -> reqwest::Result<u16> {
    let path = format!("{url}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={name}");
    let begun = http.post(path).send().await?;
    let session = begun.headers()["location"].to_str().expect("a link").to_owned();
    let (bytes, size) = (content.bytes(), content.1);
    let first = http.put(&session).header("content-range", format!("bytes 0-{}/{size}", BLOCK - 1));
    assert_eq!(first.body(bytes[..BLOCK].to_vec()).send().await?.status(), 308);
    let rest = http.put(&session).header("content-range", format!("bytes {BLOCK}-{}/{size}", size - 1));
    Ok(rest.body(bytes[BLOCK..].to_vec()).send().await?.status().as_u16())
}

/// Every object is what was acknowledged last, or what nobody knows the fate of.
async fn check(http: &reqwest::Client, url: &str, model: &Model, round: usize) {
    let known: Vec<_> = model.lock().expect("the model").clone().into_iter().collect();
    for (key, possible) in known {
        let path = format!("{url}/storage/v1/b/{}/o/{}?alt=media", key.0, key.1.replace('/', "%2F"));
        let answer = http.get(path).send().await.expect("an answer");
        let found = match answer.status().as_u16() {
            404 => None,
            status => {
                assert_eq!(status, 200, "round {round}: {key:?}");
                Some(answer.bytes().await.expect("content"))
            }
        };
        let is = |content: &&Option<Content>| match (content, &found) {
            (None, None) => true,
            (Some(content), Some(found)) => content.bytes() == *found,
            _ => false,
        };
        let settled = possible.iter().rfind(is);
        let settled = *settled.unwrap_or_else(|| panic!("round {round}: {key:?} is none of {possible:?}"));
        model.lock().expect("the model").insert(key, vec![settled]);
    }
}

/// The journal and the files agree: every generation has its content, and no file is nobody's.
async fn check_files(http: &reqwest::Client, folder: &Path, url: &str) {
    for bucket in BUCKETS {
        let mut rows = 0;
        for which in ["versions=true", "softDeleted=true"] {
            for object in list(http, url, bucket, which).await {
                rows += 1;
                if which == "versions=true" {
                    check_sum(http, url, bucket, &object).await;
                }
            }
        }
        let files = files_below(&state(folder).join("buckets").join(bucket));
        assert_eq!(files, rows, "files and rows of {bucket}");
    }
}

async fn list(http: &reqwest::Client, url: &str, bucket: &str, which: &str) -> Vec<Value> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = http.get(format!("{url}/storage/v1/b/{bucket}/o?{which}&pageToken={token}")).send().await;
        let page = page.expect("an answer").bytes().await.expect("a list");
        let page: Value = serde_json::from_slice(&page).expect("JSON");
        all.extend(page["items"].as_array().into_iter().flatten().cloned());
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => return all,
        }
    }
}

async fn check_sum(http: &reqwest::Client, url: &str, bucket: &str, object: &Value) {
    use base64::Engine as _;
    let text = |field: &str| object[field].as_str().expect("text");
    let (name, generation) = (text("name").replace('/', "%2F"), text("generation"));
    let path = format!("{url}/storage/v1/b/{bucket}/o/{name}?alt=media&generation={generation}");
    let content = http.get(path).send().await.expect("an answer").bytes().await.expect("content");
    let sum = base64::prelude::BASE64_STANDARD.encode(crc32c::crc32c(&content).to_be_bytes());
    assert_eq!(sum, text("crc32c"), "{bucket}/{name}#{generation}");
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}
