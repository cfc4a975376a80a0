//! A small server for tests: the routers of the services on a free port, over state in a folder.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::serve::ListenerExt as _;
use clients::Target;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Routes;

use crate::calls::{self, Calls};
use crate::clock::Clock;
use crate::iam::Iam;
use crate::journal::Journal;
use crate::pubsub::Pubsub;
use crate::storage::{Storage, Tending, with_batch};

/// A running server. Dropping it ends it as a kill would.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    pub(crate) pubsub: Arc<Pubsub>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) clock: Clock,
    address: SocketAddr,
    serving: Serving,
    _tending: Tending,
}

struct Serving(JoinHandle<()>);

impl Server {
    /// Starts on an empty folder.
    pub(crate) async fn start() -> Self {
        Self::over(tempfile::tempdir().expect("a temporary folder")).await
    }

    /// Ends without a word and starts again on what is in the folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, pubsub, mut serving, .. } = self;
        serving.0.abort();
        let _ = (&mut serving.0).await;
        drop(pubsub);
        Self::over(folder).await
    }

    async fn over(folder: TempDir) -> Self {
        let (journal, mut tables) = Journal::open(&folder.path().join("journal")).expect("a journal");
        let clock = Clock::open(&journal, &mut tables).expect("a clock");
        let iam = Iam::open(&journal, &mut tables, &clock).expect("IAM");
        let pubsub = Pubsub::open(&journal, &mut tables, &clock, &iam).expect("Pub/Sub");
        let storage = Storage::open(&journal, &mut tables, &clock, &iam, folder.path()).expect("Storage");
        let routes = Routes::from(pubsub.rest().merge(storage.rest()));
        let joined = storage.grpc(pubsub.grpc(routes)).into_axum_router();
        // What has no row in the table of methods fails in the tests of its service.
        let joined = joined.layer(from_fn_with_state(Calls::new(&clock, calls::by_bearing()), calls::carry));
        let joined = with_batch(joined);
        let tending = storage.tend_daily();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        storage.serve_at(format!("http://{address}"));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let task = tokio::spawn(async move { axum::serve(listener, joined).await.expect("serve") });
        Self { folder, pubsub, storage, clock, address, serving: Serving(task), _tending: tending }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the official clients go, without credentials.
    pub(crate) fn target(&self) -> Target {
        Target::anonymous(&self.endpoint())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}
