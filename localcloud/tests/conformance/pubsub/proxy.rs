//! A TCP connection that a test can cut in the middle.

use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Forwards connections to a target until it is cut or dropped.
pub(super) struct Proxy {
    url: String,
    ending: CancellationToken,
}

impl Proxy {
    pub(super) async fn start(url: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let target = url.trim_start_matches("http://").to_owned();
        let ending = CancellationToken::new();
        tokio::spawn(ending.clone().run_until_cancelled_owned(serve(listener, target, ending.clone())));
        Self { url: format!("http://127.0.0.1:{port}"), ending }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Closes every connection, as when a machine goes away.
    pub(super) fn cut(&self) {
        self.ending.cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn serve(listener: TcpListener, target: String, ending: CancellationToken) {
    let connections = TaskTracker::new();
    while let Ok((client, _)) = listener.accept().await {
        let (target, ending) = (target.clone(), ending.clone());
        connections.spawn(async move { ending.run_until_cancelled(forward(client, &target)).await });
    }
}

async fn forward(mut client: TcpStream, target: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
