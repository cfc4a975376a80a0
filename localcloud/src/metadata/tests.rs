//! A pod's metadata server, asked over its port as Google's libraries ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::iam::{Binding, Policy};
use crate::journal::Journal;

const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const EMAIL: &str = "worker@fx-dev.iam.gserviceaccount.com";

/// One pod of a cluster, with the annotations of its Kubernetes service account.
struct Pod {
    _folder: TempDir,
    iam: Arc<Iam>,
    annotations: Arc<Mutex<BTreeMap<String, String>>>,
    attendant: BoxedAttendant,
}

impl Pod {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, mut tables) = Journal::open(&folder.path().join("journal")).expect("a journal");
        let iam = Iam::open(&journal, &mut tables, &Clock::system()).expect("IAM");
        let annotations = Arc::new(Mutex::new(BTreeMap::<String, String>::new()));
        let held = annotations.clone();
        let pod = PodAccount {
            namespace: "fx".into(),
            account: "worker".into(),
            node: "node-1".into(),
            node_account: String::new(),
            annotation: Box::new(move |name| held.lock().expect("whole").get(name).cloned()),
        };
        let cluster = Metadata::new(&iam).of_cluster("fx-dev", "europe-west1-b", "main");
        let attendant = cluster.attend(pod).await.expect("a server");
        Self { _folder: folder, iam, annotations, attendant }
    }

    async fn ask(&self, path: &str, flavor: bool) -> (u16, String) {
        let host = &self.attendant.environment()[0].1;
        let mut request = reqwest::Client::new().get(format!("http://{host}{path}"));
        if flavor {
            request = request.header("Metadata-Flavor", "Google");
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.headers()["Metadata-Flavor"], "Google");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn told(&self, path: &str) -> String {
        let (status, text) = self.ask(&format!("/computeMetadata/v1/{path}"), true).await;
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    async fn holder(&self) -> Option<Caller> {
        let (status, text) = self.ask(TOKEN, true).await;
        assert_eq!(status, 200, "{text}");
        let token: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&token["token_type"], token["expires_in"].as_i64()), (&"Bearer".into(), Some(3599)));
        self.iam.holder(token["access_token"].as_str().expect("a token"))
    }
}

#[tokio::test]
async fn a_pod_is_told_who_it_is_and_only_if_it_asks_for_metadata() {
    let pod = Pod::start().await;
    assert_eq!(pod.told("project/project-id").await, "fx-dev");
    assert_eq!(pod.told("project/numeric-project-id").await, project_number("fx-dev").to_string());
    assert_eq!(pod.told("instance/attributes/cluster-name").await, "main");
    assert_eq!(pod.told("instance/service-accounts/").await, "default/\nfx-dev.svc.id.goog/\n");
    assert_eq!(pod.told("instance/service-accounts/default/email").await, "fx-dev.svc.id.goog");
    let account = pod.told("instance/service-accounts/default/?recursive=true").await;
    assert!(
        account.starts_with(r#"{"aliases":["default"],"email":"fx-dev.svc.id.goog","scopes":["#),
        "{account}"
    );
    assert_eq!(pod.ask("/", false).await.0, 200, "by this libraries find out that there is one");
    assert_eq!(pod.ask(TOKEN, false).await.0, 403);
    assert_eq!(pod.ask("/computeMetadata/v1/instance/disks/", true).await.0, 404);
}

#[tokio::test]
async fn a_pods_token_is_its_own_and_ends_with_it() {
    let pod = Pod::start().await;
    let Some(Caller::Workload(workload)) = pod.holder().await else { panic!("somebody else's") };
    assert_eq!(workload.member(), "serviceAccount:fx-dev.svc.id.goog[fx/worker]");
    let (_, text) = pod.ask(TOKEN, true).await;
    let token: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let token = token["access_token"].as_str().expect("a token").to_owned();
    pod.attendant.leave().await;
    assert_eq!(pod.iam.holder(&token), None);
}

#[tokio::test]
async fn a_pod_acts_as_an_account_if_the_account_lets_it() {
    let pod = Pod::start().await;
    let annotation = ("iam.gke.io/gcp-service-account".to_owned(), EMAIL.to_owned());
    pod.annotations.lock().expect("whole").extend([annotation]);
    let (status, text) = pod.ask(TOKEN, true).await;
    assert_eq!(status, 404, "{text}");
    assert!(text.contains(&format!("Gaia id not found for email {EMAIL}")), "{text}");

    pod.iam.make_account("fx-dev", "worker");
    let (status, text) = pod.ask(TOKEN, true).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.starts_with("Unable to generate access token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).\n"), "{text}");

    let binding = Binding {
        role: "roles/iam.workloadIdentityUser".into(),
        members: vec!["serviceAccount:fx-dev.svc.id.goog[fx/worker]".into()],
        condition: None,
    };
    let policy = Policy { bindings: vec![binding], ..Policy::default() };
    pod.iam.set_account_policy("fx-dev", EMAIL, policy);
    assert!(matches!(pod.holder().await, Some(Caller::Account { email, .. }) if email == EMAIL));
    assert_eq!(pod.told("instance/service-accounts/default/email").await, EMAIL);
}
