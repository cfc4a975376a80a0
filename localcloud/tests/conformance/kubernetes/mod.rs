//! Kubernetes: each case drives a server over plain HTTP and leaves a transcript of what it saw. The transcripts that are
//! committed come from a real kube-apiserver and kube-controller-manager; both it and the local cluster must repeat them.
//!
//! `CONFORMANCE_WRITE=1` writes the transcripts anew from the real server, `CONFORMANCE_CASES=text` runs only the cases
//! whose name has the text.

mod cases;
mod differences;
mod local;
mod normal;
mod session;
mod transcript;
mod truth;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::Duration;

use futures::FutureExt as _;
use session::{Server, Session};

/// How long one case may take on a busy machine.
const LONGEST: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn the_transcripts_are_those_of_a_real_control_plane() {
    install_tls();
    let Some(truth) = truth::ControlPlane::start().await else { return };
    let record = std::env::var_os("CONFORMANCE_WRITE").is_some();
    let judge = |case: &str, seen: &str| {
        if record {
            transcript::write(case, seen);
            return None;
        }
        transcript::difference("the transcript", &transcript::read(case), "the real server", seen)
    };
    let wanted = std::env::var("CONFORMANCE_CASES").unwrap_or_default();
    agreed(&run(truth.server(), |name| name.contains(&wanted), judge).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_kubernetes_repeats_the_transcripts() {
    install_tls();
    let wanted = std::env::var("CONFORMANCE_CASES").unwrap_or_default();
    let judge = |case: &str, seen: &str| {
        let (wanted, seen) = (differences::compared(&transcript::read(case)), differences::compared(seen));
        let (wanted, seen) = (&differences::apply(&wanted), &seen);
        transcript::difference("the real server", wanted, "the local one", seen)
    };
    let local = local::Local::start().await;
    let mut failures = run(local.server(), |name| name.contains(&wanted), judge).await;
    local.stop().await;
    if !failures.is_empty() {
        // All at once they may miss a moment on a busy machine; what is wrong is wrong by itself, too.
        let local = local::Local::start().await;
        failures = run(local.server(), |name| failures.contains_key(name), judge).await;
        local.stop().await;
    }
    agreed(&failures);
}

/// Runs cases at once, each in a namespace of its own; what was found wrong, by case.
async fn run(
    server: &Server,
    is_wanted: impl Fn(&str) -> bool,
    judge: impl Fn(&str, &str) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut running = tokio::task::JoinSet::new();
    for &(name, case) in cases::ALL.iter().filter(|(name, _)| is_wanted(name)) {
        let mut session = Session::new(server.clone(), name);
        running.spawn(async move {
            let ended = AssertUnwindSafe(async {
                session.begin().await;
                tokio::time::timeout(LONGEST, case(&mut session)).await
            });
            let ended = ended.catch_unwind().await;
            (name, ended.map(|ended| ended.map(|()| session.transcript())))
        });
    }
    let mut failures = BTreeMap::new();
    while let Some(ended) = running.join_next().await {
        let (name, ended) = ended.expect("panics are caught");
        let why = match ended {
            Ok(Ok(seen)) => judge(name, &seen),
            Ok(Err(_)) => Some(format!("did not end in {LONGEST:?}")),
            Err(panic) => {
                Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "panicked".to_owned()))
            }
        };
        failures.extend(why.map(|why| (name.to_owned(), why)));
    }
    failures
}

fn agreed(failures: &BTreeMap<String, String>) {
    let told: Vec<String> = failures.iter().map(|(name, why)| format!("{name}:\n{why}")).collect();
    assert!(told.is_empty(), "{} cases differ\n\n{}", told.len(), told.join("\n\n"));
}

fn install_tls() {
    static TLS: OnceLock<()> = OnceLock::new();
    TLS.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
