//! Cloud Storage through `gcloud storage`.

use std::path::Path;
use std::process::{Command, Output};

use crate::Local;

fn gcloud(local: &Local, folder: &Path, arguments: &str) -> std::io::Result<Output> {
    let mut gcloud = Command::new("gcloud");
    gcloud.arg("storage").args(arguments.split(' ')).current_dir(folder);
    gcloud.env("CLOUDSDK_CONFIG", folder.join("gcloud")).env("CLOUDSDK_CORE_PROJECT", crate::PROJECT);
    gcloud.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", format!("{}/", local.url()));
    gcloud.env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true").env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1");
    gcloud.output()
}

#[tokio::test(flavor = "multi_thread")]
async fn gcloud_makes_a_bucket_and_sends_a_large_file_up_and_down() {
    let local = Local::start().await;
    let folder = local.folder.path();
    // Large enough for an upload in parts.
    let content: Vec<u8> = (0..9_000_001_u32).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
    std::fs::write(folder.join("up"), &content).expect("a file");
    for arguments in [
        "buckets create gs://gcloud-bucket --location=europe-west1 --uniform-bucket-level-access",
        "cp up gs://gcloud-bucket/a/b",
        "cp gs://gcloud-bucket/a/b down",
    ] {
        let output = match gcloud(&local, folder, arguments) {
            Ok(output) => output,
            Err(error) => {
                eprintln!("SKIPPED: Cloud Storage through gcloud ({error})");
                return;
            }
        };
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(std::fs::read(folder.join("down")).expect("a file") == content);
    assert!(std::fs::read(local.state().join("buckets/gcloud-bucket/a/b")).expect("a file") == content);
}
