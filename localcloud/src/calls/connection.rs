//! One connection to the local cloud: who is at its other end, and a way to cut it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::call::Program;
use super::peer;

/// Cheap to clone; stands in the extensions of every request that came on it.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// This end and the other; none of a connection that is not of this machine's TCP.
    ends: Option<(SocketAddr, SocketAddr)>,
    program: OnceCell<Option<Arc<Program>>>,
    cut: CancellationToken,
}

/// Looking costs as much as there are connections: a flood of them is not looked at one by one.
static LOOKING: Semaphore = Semaphore::const_new(8);
/// How long a call waits for its turn to be looked at; after that its program stays unknown.
const PATIENCE: Duration = Duration::from_secs(1);

impl Connection {
    pub(crate) fn of(stream: &TcpStream) -> Self {
        let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
        Self(Arc::new(Inner { ends, program: OnceCell::new(), cut: CancellationToken::new() }))
    }

    /// Breaks it off: whoever serves it drops it without a word.
    pub(crate) fn cut(&self) {
        self.0.cut.cancel();
    }

    /// Until it is to be broken off.
    pub(crate) async fn is_cut(&self) {
        self.0.cut.cancelled().await;
    }

    /// The program at the other end. Looked up once, at the first call.
    pub(crate) async fn program(&self) -> Option<Arc<Program>> {
        let found = self.0.program.get_or_init(|| async {
            let (here, there) = self.0.ends?;
            let _one_of_few = tokio::time::timeout(PATIENCE, LOOKING.acquire()).await.ok()?.ok()?;
            let looked = tokio::task::spawn_blocking(move || peer::program_at(there, here)).await;
            looked.ok().flatten().map(Arc::new)
        });
        found.await.clone()
    }

    /// Whether a process has the other end open now.
    pub(super) fn is_held_by(&self, pid: u32) -> bool {
        self.0.ends.is_some_and(|(here, there)| peer::is_at(pid, there, here))
    }
}
