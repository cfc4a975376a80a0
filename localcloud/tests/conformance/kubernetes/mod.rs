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

use std::sync::OnceLock;
use std::time::Duration;

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
    run(truth.server(), judge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_kubernetes_repeats_the_transcripts() {
    install_tls();
    let local = local::Local::start().await;
    let judge = |case: &str, seen: &str| {
        let (wanted, seen) = (differences::compared(&transcript::read(case)), differences::compared(seen));
        let (wanted, seen) = (&differences::apply(&wanted), &seen);
        transcript::difference("the real server", wanted, "the local one", seen)
    };
    run(local.server(), judge).await;
    local.stop().await;
}

/// Runs all cases at once, each in a namespace of its own, and fails with everything that was found.
async fn run(server: &Server, judge: impl Fn(&str, &str) -> Option<String>) {
    let wanted = std::env::var("CONFORMANCE_CASES").unwrap_or_default();
    let mut running = tokio::task::JoinSet::new();
    for &(name, case) in cases::ALL.iter().filter(|(name, _)| name.contains(&wanted)) {
        let mut session = Session::new(server.clone(), name);
        running.spawn(async move {
            session.begin().await;
            let ended = tokio::time::timeout(LONGEST, case(&mut session)).await;
            (name, ended.map(|()| session.transcript()))
        });
    }
    let mut failures = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((name, Ok(seen))) => failures.extend(judge(name, &seen).map(|why| format!("{name}:\n{why}"))),
            Ok((name, Err(_))) => failures.push(format!("{name}: did not end in {LONGEST:?}")),
            Err(panic) => failures.push(panic.to_string()),
        }
    }
    failures.sort();
    assert!(failures.is_empty(), "{} cases differ\n\n{}", failures.len(), failures.join("\n\n"));
}

fn install_tls() {
    static TLS: OnceLock<()> = OnceLock::new();
    TLS.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
