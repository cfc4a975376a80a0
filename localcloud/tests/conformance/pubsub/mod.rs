//! Pub/Sub beside Google's own emulator. Each case of the list plays on both; what they saw must be
//! equal, or stand in the table of differences. What only the local cloud can be asked (moving its
//! clock, restarting it, long queues) stands beside it.

mod cases;
mod child;
mod differences;
mod emulator;
mod load;
mod local;
mod proxy;
mod show;
mod stage;
mod stress;
mod time;
mod transcript;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use cases::{CASES, Case};
use emulator::Emulator;
use local::Local;
use stage::Stage;
use transcript::{Line, Saw};

/// No case waits longer.
const LONGEST: Duration = Duration::from_secs(100);

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_and_googles_emulator_agree() {
    let local = Local::start().await;
    let emulator = tokio::task::spawn_blocking(Emulator::start).await.expect("no panic");
    let began = Instant::now();
    let google = async {
        match &emulator {
            Ok(emulator) => Some(play(&emulator.url()).await),
            Err(why) => {
                eprintln!("SKIPPED: Pub/Sub beside Google's emulator ({why})");
                None
            }
        }
    };
    let (ours, google) = tokio::join!(play(local.cloud.url()), google);
    eprintln!("{} cases in {:.0?}", ours.len(), began.elapsed());
    local.cloud.shutdown().await;
    if let Some(google) = google {
        let disagreements = transcript::compare(&ours, &google);
        assert!(disagreements.is_empty(), "{disagreements}");
    }
    transcript::check(&ours);
}

/// Plays all cases at once. `CONFORMANCE_CASES` picks those whose name it is part of.
async fn play(url: &str) -> Saw {
    let picked = std::env::var("CONFORMANCE_CASES").unwrap_or_default();
    let mut playing = JoinSet::new();
    for &case in CASES.iter().filter(|(name, _)| name.contains(&picked)) {
        playing.spawn(play_one(url.to_owned(), case));
    }
    playing.join_all().await.into_iter().collect::<BTreeMap<_, _>>()
}

async fn play_one(url: String, (name, run): Case) -> (&'static str, Vec<Line>) {
    let stage = Arc::new(Stage::set(&url, name).await);
    let on = stage.clone();
    let case = tokio::spawn(async move { tokio::time::timeout(LONGEST, run(&on)).await });
    match case.await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => stage.note("the case", format!("takes longer than {LONGEST:?}")),
        Err(error) => stage.note("the case", format!("fails: {error}")),
    }
    (name, stage.lines())
}
