//! Large objects pass through the local cloud in little memory.

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::json;

use crate::process::Process;

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_passes_through_in_a_fraction_of_its_size() {
    // Without a large object the process holds about 30 MiB.
    assert!(peak_after(96 * MIB).await < 64 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `just large-object`"]
async fn a_gibibyte_passes_through_in_under_100_mib() {
    assert!(peak_after(1024 * MIB).await < 100 * MIB);
}

/// Sends an object of that size up and down; returns the most memory that the local cloud held.
async fn peak_after(size: u64) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let local = Process::start(folder.path()).await;
    let (http, url) = (crate::client(), local.url());
    let bucket = json!({"name": "large", "softDeletePolicy": {"retentionDurationSeconds": 0}}).to_string();
    let made =
        http.post(format!("{url}/storage/v1/b?project=p")).body(bucket).send().await.expect("an answer");
    assert_eq!(made.status(), 200);
    let before = local.peak_memory();

    let block = Bytes::from((0..MIB).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    let crc32c = (0..size / MIB).fold(0, |sum, _| crc32c::crc32c_append(sum, &block));
    let blocks = futures::stream::iter((0..size / MIB).map(move |_| Ok::<_, std::io::Error>(block.clone())));
    let up = http.post(format!("{url}/upload/storage/v1/b/large/o?uploadType=media&name=a"));
    let up = up.body(reqwest::Body::wrap_stream(blocks)).send().await.expect("an answer");
    assert_eq!(up.status(), 200);

    let down = http.get(format!("{url}/storage/v1/b/large/o/a?alt=media")).send().await.expect("an answer");
    let (mut came, mut sum, mut blocks) = (0, 0, down.bytes_stream());
    while let Some(block) = blocks.next().await {
        let block = block.expect("bytes");
        came += block.len() as u64;
        sum = crc32c::crc32c_append(sum, &block);
    }
    assert_eq!((came, sum), (size, crc32c));
    let peak = local.peak_memory();
    println!("{} MiB up and down: at most {} MiB held, {} MiB before", size / MIB, peak / MIB, before / MIB);
    peak
}
