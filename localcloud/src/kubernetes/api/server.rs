//! The TLS port of a cluster: accepts connections, asks who is there, and lets nobody else in.

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::status::Refusal;
use super::{Api, Certificates};
use crate::calls::Connection;
use crate::connections::{self, Connections, Place};
use crate::guard;

const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);
/// An eighth of the files that the process may open are connections to this port.
const SHARE: u64 = 8;

/// What tells the cluster's administrator from everybody else.
pub(crate) struct Door {
    tls: Arc<ServerConfig>,
    administrator: CertificateDer<'static>,
    port: u16,
}

/// Listens on the loopback, on the port of last time if it is free.
pub(crate) async fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = port
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Serves until the API is closing, and then until its connections have ended.
pub(crate) async fn serve(api: Arc<Api>, listener: TcpListener, door: Door) {
    let door = Arc::new(door);
    let connections = TaskTracker::new();
    let places = Connections::with_share_of_files(SHARE);
    while let Some(accepted) = api.closing.run_until_cancelled(listener.accept()).await {
        match accepted {
            // Who comes while everybody is busy is dropped: there is no saying it before a handshake.
            Ok((stream, _)) => {
                if let Some(place) = places.take() {
                    connections.spawn(connection(api.clone(), door.clone(), stream, place));
                }
            }
            Err(error) => {
                // Out of file descriptors, mostly: others will end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(api: Arc<Api>, door: Arc<Door>, stream: TcpStream, place: Place) {
    if let Err(error) = handshake_and_serve(&api, &door, stream, place).await {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn handshake_and_serve(
    api: &Arc<Api>,
    door: &Arc<Door>,
    stream: TcpStream,
    place: Place,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let connection = Connection::of(&stream);
    let handshake =
        tokio::time::timeout(LONGEST_HANDSHAKE, TlsAcceptor::from(door.tls.clone()).accept(stream));
    let Some(stream) = place.unless_left(handshake).await else { return Ok(()) };
    let stream = stream??;
    let is_known = door.knows(stream.get_ref().1.peer_certificates());
    let closing = api.closing.clone();
    let answer = |request| {
        let (api, door) = (api.clone(), door.clone());
        async move { door.answer(&api, is_known, request).await }
    };
    connections::serve(stream, connection, place, &closing, answer).await
}

impl Door {
    /// For the port that `listener` has.
    pub(crate) fn new(certificates: &Certificates, listener: &TcpListener) -> anyhow::Result<Self> {
        let administrator = CertificateDer::from_pem_slice(certificates.client.as_bytes())
            .context("client.crt does not hold a certificate")?;
        Ok(Self { tls: certificates.server.clone(), administrator, port: listener.local_addr()?.port() })
    }

    /// The authority signs for the servers too: only the administrator's own certificate lets in.
    fn knows(&self, chain: Option<&[CertificateDer<'_>]>) -> bool {
        chain.and_then(<[_]>::first).is_some_and(|shown| *shown == self.administrator)
    }

    async fn answer(&self, api: &Arc<Api>, is_known: bool, request: Request<Body>) -> Response {
        if let Err(error) = guard::check(self.port, &request) {
            return Refusal::forbidden(error.message).into_response();
        }
        if !is_known {
            return Refusal::unauthorized().into_response();
        }
        api.answer(request).await
    }
}
