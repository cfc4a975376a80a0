//! Raw gRPC: any method with any request, so that a case can say what no well-behaved client does.

use std::time::Duration;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{StreamingPullRequest, StreamingPullResponse};
use http::uri::PathAndQuery;
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

/// No call takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// Larger than anything that a case sends or gets.
const LARGEST: usize = 64 << 20;

/// One connection.
#[derive(Clone)]
pub(super) struct Wire(Channel);

/// An open streaming pull. Dropping it resets the stream.
pub(super) struct Stream {
    requests: Option<mpsc::UnboundedSender<StreamingPullRequest>>,
    answers: mpsc::UnboundedReceiver<Result<StreamingPullResponse, Status>>,
    reader: JoinHandle<()>,
}

impl Wire {
    pub(super) async fn connect(url: &str) -> Self {
        Self::connect_through(url, url).await
    }

    /// Speaks to `url` by way of another address.
    pub(super) async fn connect_through(address: &str, url: &str) -> Self {
        let endpoint = Endpoint::from_shared(address.to_owned()).expect("a URL").connect_timeout(PATIENCE);
        let endpoint = endpoint.origin(url.parse().expect("a URL"));
        Self(endpoint.connect().await.expect("a connection"))
    }

    /// Calls `Publisher/Publish` and the like.
    pub(super) async fn call<Q, A>(&self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.call_within(PATIENCE, method, request).await
    }

    /// The same, for what may never be answered.
    pub(super) async fn call_within<Q, A>(
        &self,
        patience: Duration,
        method: &str,
        request: Q,
    ) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.ready().await?;
        let answer = grpc.unary(Request::new(request), path(method), ProstCodec::default());
        let answer = tokio::time::timeout(patience, answer).await;
        Ok(answer.map_err(|_| Status::deadline_exceeded("no answer"))??.into_inner())
    }

    /// Opens a streaming pull. What it answers is read from now on: the emulator sends nothing, not
    /// even headers, before it has a message.
    pub(super) fn stream(&self, first: impl IntoIterator<Item = StreamingPullRequest>) -> Stream {
        let (requests, queue) = mpsc::unbounded_channel();
        let (sender, answers) = mpsc::unbounded_channel();
        let reader = tokio::spawn(read(self.clone(), queue, sender));
        let stream = Stream { requests: Some(requests), answers, reader };
        first.into_iter().for_each(|request| stream.send(request));
        stream
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc =
            Grpc::new(self.0.clone()).max_decoding_message_size(LARGEST).max_encoding_message_size(LARGEST);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(grpc)
    }
}

impl Stream {
    /// Sends a request; nothing is heard of it if the stream has ended.
    pub(super) fn send(&self, request: StreamingPullRequest) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
    }

    /// Says that no request will follow.
    pub(super) fn half_close(&mut self) {
        self.requests = None;
    }

    /// The next answer, or none at the end of the stream.
    pub(super) async fn answer(&mut self) -> Option<Result<StreamingPullResponse, Status>> {
        self.answers.recv().await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    wire: Wire,
    queue: mpsc::UnboundedReceiver<StreamingPullRequest>,
    answers: mpsc::UnboundedSender<Result<StreamingPullResponse, Status>>,
) {
    if let Err(status) = read_all(wire, queue, &answers).await {
        let _ = answers.send(Err(status));
    }
}

async fn read_all(
    wire: Wire,
    queue: mpsc::UnboundedReceiver<StreamingPullRequest>,
    answers: &mpsc::UnboundedSender<Result<StreamingPullResponse, Status>>,
) -> Result<(), Status> {
    let queue = futures::stream::unfold(queue, async |mut queue| Some((queue.recv().await?, queue)));
    let mut grpc = wire.ready().await?;
    let path = path("Subscriber/StreamingPull");
    let mut stream = grpc.streaming(Request::new(queue), path, ProstCodec::default()).await?.into_inner();
    while let Some(answer) = stream.message().await? {
        let _ = answers.send(Ok(answer));
    }
    Ok(())
}

fn path(method: &str) -> PathAndQuery {
    let service = if method.starts_with("IAMPolicy") { "iam" } else { "pubsub" };
    format!("/google.{service}.v1.{method}").parse().expect("a path")
}
