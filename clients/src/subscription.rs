//! A subscription, spoken with the published message types: the streaming pull, acknowledgements and
//! deadlines. Knows nothing of leases that are kept or lost.

use std::fmt::Write as _;
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::subscriber_client::SubscriberClient;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    AcknowledgeRequest, ModifyAckDeadlineRequest, ReceivedMessage, StreamingPullRequest,
};
use googleapis_tonic_google_rpc::google::rpc;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::target::{Target, TargetError, install_tls};

const GOOGLE: &str = "https://pubsub.googleapis.com";
/// Longest time until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// An idle stream is closed by the service after 90 s.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// One subscription. Cheap to clone; all clones share a connection.
#[derive(Clone, Debug)]
pub struct Subscription {
    client: SubscriberClient<Channel>,
    credentials: Credentials,
    name: String,
}

/// A call about a subscription failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", sentence(.0))]
pub struct PullError(Box<Status>);

/// A delivery, as the service sent it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Names this delivery in [`Subscription::acknowledge`] and [`Subscription::set_deadline`].
    pub ack_id: String,
    /// What the message says.
    pub data: bytes::Bytes,
}

/// An open streaming pull. Dropped, it is cut off.
#[derive(Debug)]
pub struct Pull {
    asks: Option<mpsc::Sender<StreamingPullRequest>>,
    answers: Streaming<googleapis_tonic_google_pubsub_v1::google::pubsub::v1::StreamingPullResponse>,
}

impl Target {
    /// The subscription of that full name. Connects with the first call.
    pub fn subscription(&self, name: &str) -> Result<Subscription, TargetError> {
        install_tls();
        let address = self.endpoint.as_deref().unwrap_or(GOOGLE);
        let mut endpoint = Endpoint::from_shared(address.to_owned())?.connect_timeout(CONNECT);
        if address.starts_with("https:") {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
        }
        let client = SubscriberClient::new(endpoint.connect_lazy());
        Ok(Subscription { client, credentials: self.credentials.clone(), name: name.to_owned() })
    }
}

impl Subscription {
    /// Opens a streaming pull: at most `outstanding` messages that are neither acknowledged nor given
    /// back, each leased for `lease` (10 to 600 s).
    pub async fn pull(&self, outstanding: u32, lease: Duration) -> Result<Pull, PullError> {
        let first = StreamingPullRequest {
            subscription: self.name.clone(),
            stream_ack_deadline_seconds: seconds(lease),
            max_outstanding_messages: outstanding.into(),
            // The service is to say now and then that it is alive.
            protocol_version: 1,
            ..StreamingPullRequest::default()
        };
        let (asks, asked) = mpsc::channel(1);
        // The channel is empty and has its receiver.
        let _ = asks.try_send(first);
        let request = self.request(ReceiverStream::new(asked)).await?;
        let answers = self.client.clone().streaming_pull(request).await?.into_inner();
        Ok(Pull { asks: Some(asks), answers })
    }

    /// Takes messages off the queue. At most 1,000 at a time fit a request.
    pub async fn acknowledge(&self, ack_ids: Vec<String>) -> Result<(), PullError> {
        let ask = AcknowledgeRequest { subscription: self.name.clone(), ack_ids };
        self.client.clone().acknowledge(self.request(ask).await?).await?;
        Ok(())
    }

    /// Moves the ends of leases to so long from now; zero gives the messages back. At most 1,000 at a
    /// time fit a request.
    pub async fn set_deadline(&self, ack_ids: Vec<String>, lease: Duration) -> Result<(), PullError> {
        let ask = ModifyAckDeadlineRequest {
            subscription: self.name.clone(),
            ack_ids,
            ack_deadline_seconds: seconds(lease),
        };
        self.client.clone().modify_ack_deadline(self.request(ask).await?).await?;
        Ok(())
    }

    /// The request with who asks, and with what it is about, by which the service routes it.
    async fn request<T>(&self, message: T) -> Result<Request<T>, Status> {
        let headers = self.credentials.headers(http::Extensions::new()).await.map_err(|error| {
            let code = if error.is_transient() { Code::Unavailable } else { Code::Unauthenticated };
            Status::new(code, crate::explain(&error))
        })?;
        let mut request = Request::new(message);
        if let CacheableResource::New { data, .. } = headers {
            *request.metadata_mut() = MetadataMap::from_headers(data);
        }
        let about = format!("subscription={}", self.name.replace('/', "%2F"));
        if let Ok(about) = AsciiMetadataValue::try_from(about) {
            request.metadata_mut().insert("x-goog-request-params", about);
        }
        Ok(request)
    }
}

impl Pull {
    /// The next messages, or none of them as a sign of life; nothing when the stream has ended. Can be
    /// dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Vec<Received>>, PullError> {
        loop {
            tokio::select! {
                answer = self.answers.message() => {
                    let messages = answer?.map(|answer| answer.received_messages);
                    return Ok(messages.map(|all| all.into_iter().map(Received::from).collect()));
                }
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    if let Some(asks) = &self.asks {
                        // One that waits there still says as much.
                        let _ = asks.try_send(StreamingPullRequest::default());
                    }
                }
            }
        }
    }

    /// Asks for no more. What is on its way still comes, then the stream ends.
    pub fn close(&mut self) {
        self.asks = None;
    }
}

impl PullError {
    /// Nothing was heard in time.
    #[must_use]
    pub fn no_answer() -> Self {
        Status::deadline_exceeded("the service did not answer in time").into()
    }

    /// The service ended a stream that should go on.
    #[must_use]
    pub fn ended() -> Self {
        Status::unavailable("the service ended the stream").into()
    }

    /// Whether the same call may succeed at another time without anybody doing anything about it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.0.code(),
            Code::Unavailable
                | Code::Internal
                | Code::Unknown
                | Code::Aborted
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
        )
    }
}

impl From<Status> for PullError {
    fn from(status: Status) -> Self {
        Self(Box::new(status))
    }
}

impl From<ReceivedMessage> for Received {
    fn from(received: ReceivedMessage) -> Self {
        let data = received.message.map(|message| message.data).unwrap_or_default();
        Self { ack_id: received.ack_id, data }
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(600)
}

/// What the service said, with the permission that a refusal names only in its details.
fn sentence(status: &Status) -> String {
    let mut text = match std::error::Error::source(status) {
        Some(cause) => format!("{}: {}", status.message(), crate::explain(cause)),
        None => status.message().to_owned(),
    };
    if text.is_empty() {
        status.code().description().clone_into(&mut text);
    }
    let details = rpc::Status::decode(status.details()).unwrap_or_default().details;
    let info = details.iter().find(|detail| detail.type_url == ERROR_INFO);
    let Some(info) = info.and_then(|info| rpc::ErrorInfo::decode(&info.value[..]).ok()) else { return text };
    if let Some(permission) = info.metadata.get("permission").filter(|permission| !text.contains(*permission))
    {
        let resource = info.metadata.get("resource").map(String::as_str).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, " (permission {permission} is missing on {resource})");
    }
    text
}
