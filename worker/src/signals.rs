//! SIGTERM and SIGINT: the first asks the worker to stop, the second to stop now.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The two signals, listened to.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    asked: bool,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            asked: false,
        })
    }

    /// Waits for either signal. Once asked, always asked.
    pub(crate) async fn asked(&mut self) {
        if !self.asked {
            self.next().await;
            self.asked = true;
        }
    }

    /// Waits for another signal after the first.
    pub(crate) async fn asked_again(&mut self) {
        self.next().await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
