//! The local target: a cloud in this process, and a cluster made through its GKE API.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use localcloud::{Cloud, Settings};
use serde_json::{Value, json};

use super::session::Server;

const LOCATION: &str = "projects/conformance/locations/europe-west1-b";
const LONGEST_START: Duration = Duration::from_mins(1);

/// The cloud, and where its cluster's API is.
pub(super) struct Local {
    server: Server,
    cloud: Cloud,
    _folder: tempfile::TempDir,
}

impl Local {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        let settings = Settings {
            folder: state.clone(),
            working_folder: folder.path().into(),
            worker_program: "worker".into(),
            port: 0,
        };
        let cloud = Cloud::start(settings).await.expect("a local cloud");
        make_cluster(cloud.url()).await;
        let config = std::fs::read_to_string(state.join("kubeconfig")).expect("a kubeconfig");
        let server = server(&serde_json::from_str(&config).expect("JSON"));
        Self { server, cloud, _folder: folder }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) async fn stop(self) {
        self.cloud.shutdown().await;
    }
}

async fn make_cluster(url: &str) {
    let http = reqwest::Client::new();
    let body = json!({"cluster": {"name": "main", "nodePools": [{"name": "none", "initialNodeCount": 0,
        "autoscaling": {"enabled": true, "totalMinNodeCount": 0, "totalMaxNodeCount": 1}}]}});
    let made = http.post(format!("{url}/v1/{LOCATION}/clusters")).header("content-type", "application/json");
    let made = made.body(body.to_string()).send().await.expect("an answer");
    assert!(made.status().is_success(), "{}", made.text().await.expect("why not"));
    let since = Instant::now();
    loop {
        let found = http.get(format!("{url}/v1/{LOCATION}/clusters/main")).send().await.expect("an answer");
        let found: Value = serde_json::from_str(&found.text().await.expect("a cluster")).expect("JSON");
        if found["status"] == "RUNNING" {
            return;
        }
        assert!(since.elapsed() < LONGEST_START, "the cluster does not run: {found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn server(config: &Value) -> Server {
    let part = |pointer: &str| {
        let text = config.pointer(pointer).and_then(Value::as_str).expect("a part of the kubeconfig");
        BASE64_STANDARD.decode(text).expect("base64")
    };
    let authority = reqwest::Certificate::from_pem(&part("/clusters/0/cluster/certificate-authority-data"));
    let identity =
        [part("/users/0/user/client-certificate-data"), part("/users/0/user/client-key-data")].concat();
    let http = reqwest::Client::builder()
        .tls_certs_only([authority.expect("a certificate")])
        .identity(reqwest::Identity::from_pem(&identity).expect("an identity"))
        .user_agent("conformance/1.0");
    let url = config.pointer("/clusters/0/cluster/server").and_then(Value::as_str).expect("an address");
    Server {
        http: http.build().expect("a client"),
        url: url.into(),
        token: None,
        speed_up: localcloud::clock::SPEED_UP,
    }
}
