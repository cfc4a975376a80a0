//! Secrets reach the worker's request, and nothing that anybody reads: a canary of each source is
//! looked for in everything that any command prints, and in every file that is left behind.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use scenarios::{Said, Scenario};
use serde_json::{Value, json};

/// The values, and each as a Secret's data holds it.
const CANARIES: [(&str, &str); 3] = [
    ("canary-of-the-environment", "Y2FuYXJ5LW9mLXRoZS1lbnZpcm9ubWVudA=="),
    ("canary-of-the-file", "Y2FuYXJ5LW9mLXRoZS1maWxl"),
    ("canary-of-secret-manager", "Y2FuYXJ5LW9mLXNlY3JldC1tYW5hZ2Vy"),
];
const BUCKET: &str = "local-cloud-vendor-data";
const RUN: [&str; 6] = ["run", "--local", "--yes", "--new", "--items", "items.txt"];

fn stack(vendor: SocketAddr) -> String {
    format!(
        r#"
[stack]
name = "vendor"
region = "europe-west1"
zone = "europe-west1-b"
[topic.items]
[subscription.work]
topic = "items"
[bucket.data]
[cluster.main.pool.steady]
nodes = 1
[secret.of-env]
env = "VENDOR_TOKEN"
[secret.of-file]
file = "keys/token"
[secret.kept]
secret_manager = "vendor-token"
[job.prices]
subscription = "work"
bucket = "data"
pool = "main/steady"
attempts = 1
[job.prices.etl]
extract = "http://{vendor}/{{item}}.csv"
schema = {{ day = "date", price = "double" }}
load = "gs://data/prices/{{item}}.csv"
[job.prices.etl.http]
tries = 1
[job.prices.etl.http.headers]
Authorization = {{ secret = "of-env", prefix = "Bearer " }}
X-Of-File = {{ secret = "of-file" }}
X-Kept = {{ secret = "kept" }}
"#
    )
}

/// A vendor's server. It refuses, breaks or redirects what it is told to, and says in its answer all
/// that it was asked, headers and all.
#[derive(Clone)]
struct Vendor {
    address: SocketAddr,
    asked: Arc<Mutex<String>>,
}

impl Vendor {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let vendor = Self { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let serving = vendor.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serving.answer(stream);
            }
        });
        vendor
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = String::new();
        let mut lines = BufReader::new(stream.try_clone()?);
        while lines.read_line(&mut head)? > 2 {}
        let (status, body) = match head.split_whitespace().nth(1) {
            Some("/good.csv") => ("200 OK", "day,price\n2026-01-02,1.5\n".to_owned()),
            Some("/refused.csv") => ("403 Forbidden", head.clone()),
            Some("/mistyped.csv") => ("200 OK", "day,price\nsoon,1\n".to_owned()),
            _ => ("500 Internal Server Error", head.clone()),
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push_str(&head);
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A stack whose secrets are canaries.
struct Guarded {
    scenario: Scenario,
    /// The environment's own.
    token: &'static str,
}

impl Guarded {
    fn new(vendor: &Vendor) -> Self {
        let scenario = Scenario::with(&stack(vendor.address));
        scenario.write("keys/token", format!("{}\n", CANARIES[1].0));
        scenario.write("items.txt", "good\nrefused\nbroken\nmistyped\n");
        Self { scenario, token: CANARIES[0].0 }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scenario.command(args);
        command.env("VENDOR_TOKEN", self.token).env("RUST_LOG", "debug");
        command
    }

    /// Runs a command that must end with `code`, and looks at all that it says.
    fn says(&self, code: i32, args: &[&str]) -> Said {
        let said = scenarios::said(self.command(args));
        let what = args.join(" ");
        assert_eq!(said.code, Some(code), "provision {what}\n{}\n{}", said.stdout, said.stderr);
        assert_eq!(canaries(said.stdout.as_bytes()), [] as [&str; 0], "stdout of provision {what}");
        assert_eq!(canaries(said.stderr.as_bytes()), [] as [&str; 0], "stderr of provision {what}");
        said
    }

    /// Asks Secret Manager as the project's owner.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let status = self.says(0, &["local", "status", "--format", "json"]).stdout;
        let status: Value = serde_json::from_str(&status).expect("JSON");
        let authority = status["url"].as_str().expect("a url").trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&authority).expect("connected");
        let body = body.to_string();
        let head = format!("Host: {authority}\r\nContent-Length: {}", body.len());
        let path = format!("/v1/projects/local-cloud/secrets{path}");
        write!(stream, "{method} {path} HTTP/1.0\r\n{head}\r\n\r\n{body}").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        assert!(answer.starts_with("HTTP/1.0 200"), "{path}: {answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("an answer").1).expect("JSON")
    }

    /// Has Secret Manager keep a value, which is sent in base64.
    fn keep(&self, value: &str) {
        self.ask("POST", "?secretId=vendor-token", &json!({"replication": {"automatic": {}}}));
        self.ask("POST", "/vendor-token:addVersion", &json!({"payload": {"data": value}}));
    }

    /// The members who may read what Secret Manager keeps.
    fn readers(&self) -> Vec<Value> {
        let policy = self.ask("GET", "/vendor-token:getIamPolicy", &json!({}));
        let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
        bindings
            .iter()
            .flat_map(|binding| binding["members"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// Has the job's workers log all that they can.
    fn debug_workers(&self) {
        let variable = json!({"name": "RUST_LOG", "value": "debug,h2=debug,hyper=debug,reqwest=debug"});
        let pod = json!({"containers": [{"name": "worker", "env": [variable]}]});
        let spec = json!({"jobTemplate": {"spec": {"template": {"spec": pod}}}});
        let patch = json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "prices"}, "spec": spec,
        });
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let file =
                Kubeconfig::read_from(self.scenario.path(".provision/local/kubeconfig")).expect("a file");
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            let client = kube::Client::try_from(config.expect("a cluster")).expect("a client");
            let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("batch", "v1", "CronJob"));
            let jobs: Api<DynamicObject> = Api::namespaced_with(client, "vendor", &kind);
            jobs.patch("prices", &PatchParams::apply("a-tester"), &Patch::Apply(patch))
                .await
                .expect("patched");
        });
    }
}

/// Which canaries stand in some bytes, plain or as a Secret's data.
fn canaries(bytes: &[u8]) -> Vec<&'static str> {
    let stands = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    CANARIES.iter().filter(|(plain, coded)| stands(plain) || stands(coded)).map(|(plain, _)| *plain).collect()
}

/// The files below a folder that hold a canary, and how many files there are.
fn holding(folder: &Path) -> (Vec<PathBuf>, usize) {
    let (mut found, mut seen, mut folders) = (Vec::new(), 0, vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            seen += 1;
            if !canaries(&std::fs::read(&path).unwrap_or_default()).is_empty() {
                found.push(path.strip_prefix(folder).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    (found, seen)
}

#[test]
fn a_canary_is_in_the_request_and_nowhere_else() {
    let vendor = Vendor::start();
    let guarded = Guarded::new(&vendor);
    guarded.says(0, &["check"]);
    guarded.says(0, &["local", "up"]);
    guarded.keep(CANARIES[2].1);
    for format in ["text", "json", "markdown"] {
        guarded.says(0, &["plan", "--local", "--format", format]);
    }
    for command in [&["show", "--implied"][..], &["show", "--format", "json"], &["graph"], &["schema"]] {
        guarded.says(0, command);
    }
    guarded.says(0, &["apply", "--local", "--yes", "--format", "json"]);
    guarded.says(0, &["plan", "--local", "--detailed-exitcode"]);

    guarded.debug_workers();
    let report = guarded.says(6, &[RUN.as_slice(), &["--format", "json"]].concat()).stdout;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((report["done"].as_u64(), report["failed"].as_u64()), (Some(1), Some(3)), "{report:#}");
    let asked = vendor.asked();
    for header in [
        "authorization: Bearer canary-of-the-environment\r\n",
        "x-of-file: canary-of-the-file\r\n",
        "x-kept: canary-of-secret-manager\r\n",
    ] {
        assert!(asked.contains(header), "{header}: {asked}");
    }
    let logs = guarded.says(0, &["logs", "--local"]);
    assert!((logs.stdout + &logs.stderr).contains("DEBUG"), "the workers said all that they could");
    for command in [
        &["runs", "list", "--local"][..],
        &["runs", "show", "--local"],
        &["runs", "show", "--local", "--format", "json"],
        &["failed", "list", "--local"],
        &["failed", "show", "--local"],
        &["status", "--local"],
        &["status", "--local", "--format", "json"],
        &["local", "calls"],
        &["local", "calls", "--format", "json"],
        &["local", "grants"],
    ] {
        guarded.says(0, command);
    }
    let state = guarded.scenario.path(".provision/local");
    let (holding_it, seen) = holding(&state);
    println!("{seen} files of the local cloud looked at");
    assert!(seen > 20, "{seen}");
    // What the cluster and Secret Manager keep, and no bucket, log or record.
    assert_eq!(holding_it, [PathBuf::from("journal")]);
    let mut kept = String::new();
    for object in guarded.scenario.objects(BUCKET, "") {
        writeln!(kept, "{object}").expect("text");
    }
    assert!(kept.contains("failures/") && kept.contains("run.json"), "{kept}");

    let readers = guarded.readers();
    assert!(
        readers.len() == 1
            && readers[0].as_str().is_some_and(|reader| reader.ends_with("/ns/vendor/sa/prices"))
    );
    guarded.says(0, &["teardown", "--local", "--yes", "--delete-data"]);
    assert_eq!(guarded.readers(), [] as [Value; 0], "nobody is left who may read it");
    guarded.says(0, &["plan", "--local"]);
}

#[test]
fn a_secret_that_leaves_the_file_takes_its_object_and_its_grant_along() {
    let vendor = Vendor::start();
    let guarded = Guarded::new(&vendor);
    guarded.says(0, &["local", "up"]);
    guarded.keep(CANARIES[2].1);
    guarded.says(0, &["apply", "--local", "--yes"]);
    for gone in [
        "[secret.of-file]\nfile = \"keys/token\"\n",
        "[secret.kept]\nsecret_manager = \"vendor-token\"\n",
        "X-Of-File = { secret = \"of-file\" }\n",
        "X-Kept = { secret = \"kept\" }\n",
    ] {
        guarded.scenario.edit(gone, "");
    }
    let plan = guarded.says(0, &["plan", "--local"]).stdout;
    for line in ["- secret.of-file", "~ job.prices", "1 to update, 0 to replace, 2 to delete"] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    guarded.says(0, &["apply", "--local", "--yes"]);
    assert_eq!(guarded.readers(), [] as [Value; 0]);
    guarded.says(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn a_configuration_that_cannot_work_ends_the_job_at_once_and_is_told() {
    let vendor = Vendor::start();
    let guarded = Guarded::new(&vendor);
    guarded.says(0, &["local", "up"]);
    guarded.keep(CANARIES[2].1);
    guarded.ask("POST", "/vendor-token/versions/1:disable", &json!({}));
    let said = guarded.says(7, &RUN);
    for words in ["exit code 78", "secret `kept`: Secret Version [", "is in DISABLED state"] {
        assert!(said.stdout.contains(words), "{words}\n{}\n{}", said.stdout, said.stderr);
    }
    assert_eq!(vendor.asked(), "", "nothing was begun");
}

#[test]
fn a_changed_value_is_one_change_and_is_told_as_changed() {
    let vendor = Vendor::start();
    let mut guarded = Guarded::new(&vendor);
    guarded.says(0, &["local", "up"]);
    guarded.keep(CANARIES[2].1);
    guarded.says(0, &["apply", "--local", "--yes"]);
    guarded.token = CANARIES[1].0;
    let plan = guarded.says(2, &["plan", "--local", "--detailed-exitcode"]).stdout;
    assert!(plan.contains("~ secret.of-env"), "{plan}");
    assert!(plan.contains("value: outdated → current"), "{plan}");
    assert!(plan.contains("1 to update"), "{plan}");
    guarded.says(0, &["apply", "--local", "--yes"]);
    guarded.says(0, &["plan", "--local", "--detailed-exitcode"]);

    // Who may not read Secrets still plans, and who may applies what was planned.
    guarded.token = CANARIES[0].0;
    let fault = ["local", "fault", "add", "kubernetes.secrets.*", "--fail", "403"];
    guarded.says(0, &fault);
    let plan =
        guarded.says(2, &["plan", "--local", "--detailed-exitcode", "--out", "of-a-viewer.json"]).stdout;
    assert!(plan.contains("value: unknown: may not be read → current"), "{plan}");
    guarded.says(0, &["local", "fault", "clear"]);
    let applied = guarded.says(0, &["apply", "of-a-viewer.json", "--local", "--yes"]);
    assert!(applied.stderr.contains("updated secret.of-env"), "{}", applied.stderr);
    guarded.says(0, &["plan", "--local", "--detailed-exitcode"]);

    // A value that is not here is shown in the file, and nothing needs it to take the stack down.
    let mut plan = guarded.scenario.command(&["plan", "--local"]);
    let said = scenarios::said({
        plan.env_remove("VENDOR_TOKEN");
        plan
    });
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let shown = "error: secret.of-env: the variable VENDOR_TOKEN is not set in this environment\n  --> stack.toml:13:1";
    assert!(said.stderr.contains(shown), "{}", said.stderr);
    for command in
        [&["check"][..], &["status", "--local"], &["teardown", "--local", "--yes", "--delete-data"]]
    {
        guarded.scenario.expect(0, command);
    }
}
