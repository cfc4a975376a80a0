//! Sockets that say exactly what a test wants.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::SOON;

/// A connection to the local cloud, or to a port of a cluster behind TLS.
pub(crate) struct Wire<S = TcpStream>(pub(crate) S);

/// An answer of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self(stream)
    }

    /// Sends and reads to the end of the connection.
    pub(crate) async fn exchange(port: u16, bytes: &[u8]) -> Vec<u8> {
        let mut wire = Self::open(port).await;
        wire.say(bytes).await;
        wire.rest().await
    }

    /// Sends a request as it stands, and reads one answer.
    pub(crate) async fn ask(port: u16, request: &str) -> Answer {
        let mut wire = Self::open(port).await;
        wire.say(request.as_bytes()).await;
        wire.answer().await.expect("an answer")
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Wire<S> {
    /// Whoever hung up meanwhile has answered, or will not.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// What comes until the connection ends; a broken one has ended too.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut block = [0; 4096];
        loop {
            let read = tokio::time::timeout(SOON, self.0.read(&mut block)).await;
            match read.expect("the connection neither goes on nor ends") {
                Ok(0) | Err(_) => return all,
                Ok(read) => all.extend_from_slice(&block[..read]),
            }
        }
    }

    /// One answer by its length; none if the connection ends first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(SOON, self.read_answer()).await.expect("an answer soon")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("a head of text").to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
        self.0.read_exact(&mut body).await.ok()?;
        Some(Answer { status, head, body })
    }

    /// Whether the other side ends the connection within a time.
    pub(crate) async fn ends_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.rest()).await.is_ok()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
