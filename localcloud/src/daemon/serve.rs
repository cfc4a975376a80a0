//! The daemon itself: serves until it is asked to leave, or nobody needs it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::lock::Lock;
use super::state::{DaemonState, build_of};
use crate::cloud::{Cloud, Settings};
use crate::{connections, folder};

/// Without a request, a pod or an operation for so long, a daemon leaves.
const IDLE: Duration = Duration::from_mins(10);
/// Others hold the lock for a moment when they ask who has it.
const MOMENT: Duration = Duration::from_secs(5);

/// Serves the local cloud of `settings.folder` until SIGTERM, SIGINT, an admin call, or ten idle
/// minutes. `program` is the file that runs, by which a newer build is told from this one.
pub async fn serve(settings: Settings, program: &Path) -> anyhow::Result<()> {
    serve_until_idle_for(IDLE, settings, program).await
}

pub(super) async fn serve_until_idle_for(
    idle: Duration,
    settings: Settings,
    program: &Path,
) -> anyhow::Result<()> {
    let folder = settings.folder.clone();
    folder::prepare(&folder).with_context(|| format!("can't use {}", folder.display()))?;
    let _held = Lock::daemon(&folder).take(MOMENT).await.context("a local cloud runs in this folder")?;
    // Whatever is written there is about a daemon that was killed.
    DaemonState::remove(&folder)?;

    connections::raise_limit_of_files();
    let build = build_of(program)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cloud = Cloud::start(settings).await?;
    let state = DaemonState {
        pid: std::process::id(),
        port: cloud.port(),
        token: cloud.admin_token().into(),
        build,
        started: Timestamp::now(),
    };
    state.write(&folder)?;
    tracing::info!(url = cloud.url(), "the local cloud serves");
    let why = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = cloud.stop_asked() => "it was asked to",
        () = idle_for(&cloud, idle) => "nobody needs it",
    };
    tracing::info!(why, "the local cloud leaves");
    DaemonState::remove(&folder)?;
    cloud.shutdown().await;
    Ok(())
}

async fn idle_for(cloud: &Cloud, limit: Duration) {
    while let Some(left) = limit.checked_sub(cloud.idle()).filter(|left| !left.is_zero()) {
        // What runs without a request is noticed by looking.
        tokio::time::sleep(left.min(limit / 20)).await;
    }
}
