//! A real control plane: etcd, kube-apiserver and kube-controller-manager as processes on free ports, in a temporary
//! folder, ended with their owner even if that is killed.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::session::Server;

/// How long it may take to be ready on a busy machine; it is 4 s on an idle one.
const LONGEST_START: Duration = Duration::from_mins(1);
const TOKEN: &str = "conformance";
/// Runs a program until its input ends, which it does with whoever holds the other end, however that dies.
const WHILE_WANTED: &str = r#""$@" & cat >/dev/null; kill -9 $!; wait"#;
const CONTROLLERS: &str = "job-controller,cronjob-controller,garbage-collector-controller,namespace-controller,\
    ttl-after-finished-controller,serviceaccount-controller";

/// The processes, and where their API is.
pub(super) struct ControlPlane {
    server: Server,
    processes: Vec<Child>,
    folder: tempfile::TempDir,
}

impl ControlPlane {
    /// Starts one; none where its programs are missing, with a line that says so.
    pub(super) async fn start() -> Option<Self> {
        let Some(program) = program() else {
            // Past the capture of a test's output: that nothing was compared must be seen.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: comparison with a real Kubernetes control plane (etcd or target/kubernetes/controlplane is missing: apt-get install etcd-server, then ci/kubernetes/build)"
            );
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let [client, peer, api] = free_ports();
        write_credentials(folder.path(), api);
        let mut started = Self { server: server(api), processes: vec![], folder };
        started.spawn(Path::new("etcd"), &etcd(client, peer));
        started.spawn(&program, &api_server(client, api));
        started.is_ready().await;
        started.spawn(&program, &controller_manager());
        Some(started)
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    fn spawn(&mut self, program: &Path, arguments: &[String]) {
        let folder = self.folder.path();
        let name = arguments.first().map_or("", String::as_str).trim_start_matches('-');
        let log = File::create(folder.join(format!("{name}.log"))).expect("a log");
        let spawned = Command::new("sh")
            .args(["-c", WHILE_WANTED, "sh"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.processes.push(spawned.expect("a process of the control plane"));
    }

    async fn is_ready(&self) {
        let since = Instant::now();
        loop {
            let asked =
                self.server.http.get(format!("{}/readyz", self.server.url)).bearer_auth(TOKEN).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(
                since.elapsed() < LONGEST_START,
                "the control plane is not ready; its logs: {}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The last lines of what the processes say.
    fn logs(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
        let tail =
            |text: String| text.lines().rev().take(5).map(str::to_owned).collect::<Vec<_>>().join("\n");
        logs.filter_map(|log| std::fs::read_to_string(log.path()).ok().map(tail))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        for process in &mut self.processes {
            drop(process.stdin.take());
        }
        for process in &mut self.processes {
            // Its shell ends once it has ended the program.
            let _ = process.wait();
        }
    }
}

/// The program that `ci/kubernetes/build` makes, if it and etcd are there.
fn program() -> Option<PathBuf> {
    let etcd = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let tests = std::env::current_exe().ok()?;
    // target/debug/deps/conformance-…
    let built = tests.ancestors().nth(3)?.join("kubernetes/controlplane");
    (etcd.is_ok_and(|status| status.success()) && built.exists()).then_some(built)
}

fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}

fn server(port: u16) -> Server {
    // Its certificate is its own; the token is what counts.
    let http = reqwest::Client::builder().danger_accept_invalid_certs(true).user_agent("conformance/1.0");
    Server {
        http: http.build().expect("a client"),
        url: format!("https://127.0.0.1:{port}"),
        token: Some(TOKEN.into()),
        speed_up: 1,
    }
}

fn write_credentials(folder: &Path, port: u16) {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file is written");
    write("tokens.csv", &format!("{TOKEN},admin,1,system:masters\n"));
    let key = rcgen::KeyPair::generate().expect("a key");
    write("service-accounts.key", &key.serialize_pem());
    write("service-accounts.pub", &key.public_key_pem());
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": format!("https://127.0.0.1:{port}"), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "it", "user": {"token": TOKEN}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    write("kubeconfig", &config.to_string());
}

fn flags(of: &str, flags: &[(&str, &str)]) -> Vec<String> {
    let program = Some(of.to_owned()).filter(|of| !of.is_empty());
    program.into_iter().chain(flags.iter().map(|(flag, value)| format!("--{flag}={value}"))).collect()
}

fn etcd(client: u16, peer: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    flags(
        "",
        &[
            ("name", "it"),
            ("data-dir", "etcd"),
            ("unsafe-no-fsync", "true"),
            ("listen-client-urls", &client),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &format!("it={peer}")),
        ],
    )
}

fn api_server(etcd: u16, port: u16) -> Vec<String> {
    flags(
        "kube-apiserver",
        &[
            ("etcd-servers", &format!("http://127.0.0.1:{etcd}")),
            ("bind-address", "127.0.0.1"),
            ("secure-port", &port.to_string()),
            ("cert-dir", "certificates"),
            ("service-account-key-file", "service-accounts.pub"),
            ("service-account-signing-key-file", "service-accounts.key"),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("token-auth-file", "tokens.csv"),
            ("authorization-mode", "RBAC"),
            ("service-cluster-ip-range", "10.0.0.0/24"),
        ],
    )
}

fn controller_manager() -> Vec<String> {
    flags(
        "kube-controller-manager",
        &[
            ("kubeconfig", "kubeconfig"),
            ("controllers", CONTROLLERS),
            ("leader-elect", "false"),
            ("secure-port", "0"),
            ("kube-api-qps", "500"),
            ("kube-api-burst", "1000"),
        ],
    )
}
