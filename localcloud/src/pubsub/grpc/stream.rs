//! One streaming pull: what comes in (acknowledgements, deadlines, keepalives) and what goes out
//! (messages, confirmations, heartbeats), in one task, that of the connection.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tonic::{Status, Streaming};

use super::convert;
use crate::calls::{Actions, Within};
use crate::error::{ApiError, ErrorInfo};
use crate::pubsub::backlog::Limit;
use crate::pubsub::delivery::{Invalid, Taken, stream_deadline};
use crate::pubsub::proto::streaming_pull_response::{
    AcknowledgeConfirmation, ModifyAckDeadlineConfirmation, SubscriptionProperties,
};
use crate::pubsub::proto::{StreamingPullRequest, StreamingPullResponse};
use crate::pubsub::puller::Puller;
use crate::pubsub::state::Pubsub;

/// What happens within a stream, as the table of methods names it.
const DELIVER: &str = "pubsub.subscriptions.deliver";
const ACKNOWLEDGE: &str = "pubsub.subscriptions.acknowledge";
const NACK: &str = "pubsub.subscriptions.nack";
const MODIFY: &str = "pubsub.subscriptions.modifyAckDeadline";

/// What a streaming pull answers.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<StreamingPullResponse, Status>> + Send>>;

/// An idle stream says that often that it is alive, to clients that understand it.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How often a stream on which nothing happens is looked at: may its client still pull?
const LOOK: Duration = Duration::from_secs(10);

struct Open {
    pubsub: Arc<Pubsub>,
    subscription: String,
    requests: Streaming<StreamingPullRequest>,
    puller: Puller,
    heartbeats: bool,
    properties: SubscriptionProperties,
    /// What it does passes the points of calls.
    within: Option<Within>,
    /// What was handed out last.
    delivered: Actions,
}

/// What happened on a stream.
enum Event {
    Asked(Result<Option<StreamingPullRequest>, Status>),
    Ready(Result<Taken, ApiError>),
    Idle,
    /// It is time to look whether the client still may.
    Look,
}

/// Opens a stream from its first request.
pub(super) async fn open(
    pubsub: &Arc<Pubsub>,
    mut requests: Streaming<StreamingPullRequest>,
    within: Option<Within>,
) -> Result<Answers, Status> {
    let Some(first) = requests.message().await? else { return Ok(Box::pin(futures::stream::empty())) };
    let settings = pubsub.get_subscription(&first.subscription)?;
    let deadline = first_deadline(first.stream_ack_deadline_seconds)?;
    let limit =
        Limit { messages: limit(first.max_outstanding_messages), bytes: limit(first.max_outstanding_bytes) };
    let puller = Puller::stream(pubsub, &first.subscription, limit, deadline)?;
    let mut open = Open {
        pubsub: pubsub.clone(),
        subscription: first.subscription.clone(),
        requests,
        puller,
        heartbeats: first.protocol_version >= 1,
        properties: SubscriptionProperties {
            exactly_once_delivery_enabled: settings.enable_exactly_once_delivery,
            message_ordering_enabled: settings.enable_message_ordering,
        },
        within,
        delivered: Actions::default(),
    };
    open.apply(first).await?;
    Ok(Box::pin(futures::stream::try_unfold(open, |mut open| async move {
        Ok(open.answer().await?.map(|answer| (answer, open)))
    })))
}

impl Open {
    /// The next answer, or none when the client is done.
    async fn answer(&mut self) -> Result<Option<StreamingPullResponse>, Status> {
        std::mem::take(&mut self.delivered).after().await?;
        loop {
            let event = self.event().await;
            // The grant may be gone since the stream was opened.
            self.pubsub.may_consume(&self.subscription)?;
            match event {
                Event::Look => {}
                Event::Asked(request) => match request? {
                    None => return Ok(None),
                    Some(request) => {
                        check_later(&request)?;
                        if let Some(confirmation) = self.apply(request).await? {
                            return Ok(Some(confirmation));
                        }
                    }
                },
                Event::Ready(taken) => {
                    let taken = taken?;
                    self.delivered = self.begin(DELIVER, taken.deliveries.len()).await?;
                    let messages = taken.deliveries.iter().map(|d| convert::delivery(d, taken.counted));
                    return Ok(Some(self.with(messages.collect())));
                }
                Event::Idle => return Ok(Some(self.with(Vec::new()))),
            }
        }
    }

    async fn event(&mut self) -> Event {
        let heartbeats = self.heartbeats;
        let idle = async {
            if heartbeats {
                self.pubsub.clock.sleep(HEARTBEAT).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let look = self.pubsub.clock.sleep(LOOK);
        tokio::select! {
            () = look => Event::Look,
            request = self.requests.message() => Event::Asked(request),
            taken = self.puller.wait() => Event::Ready(taken),
            () = idle => Event::Idle,
        }
    }

    /// Does what a request says. Exactly-once subscriptions confirm it.
    async fn apply(
        &mut self,
        request: StreamingPullRequest,
    ) -> Result<Option<StreamingPullResponse>, Status> {
        let nacks = request.modify_deadline_seconds.iter().filter(|seconds| **seconds == 0).count();
        let modified_count = request.modify_deadline_ack_ids.len().saturating_sub(nacks);
        let actions = [
            self.begin(ACKNOWLEDGE, request.ack_ids.len()).await?,
            self.begin(NACK, nacks).await?,
            self.begin(MODIFY, modified_count).await?,
        ];
        if request.stream_ack_deadline_seconds != 0 {
            self.puller.deadline = stream_deadline(request.stream_ack_deadline_seconds)?;
        }
        let (mut acked, mut modified) = (None, None);
        if !request.ack_ids.is_empty() {
            let Invalid(invalid) = self.pubsub.acknowledge(&self.subscription, &request.ack_ids)?;
            let ack_ids = without(request.ack_ids, &invalid);
            acked = Some(AcknowledgeConfirmation {
                ack_ids,
                invalid_ack_ids: invalid,
                ..AcknowledgeConfirmation::default()
            });
        }
        if !request.modify_deadline_ack_ids.is_empty() {
            let invalid = self.modify(&request.modify_deadline_ack_ids, &request.modify_deadline_seconds)?;
            let ack_ids = without(request.modify_deadline_ack_ids, &invalid);
            modified = Some(ModifyAckDeadlineConfirmation {
                ack_ids,
                invalid_ack_ids: invalid,
                ..ModifyAckDeadlineConfirmation::default()
            });
        }
        for action in actions {
            action.after().await?;
        }
        let confirms =
            self.properties.exactly_once_delivery_enabled && (acked.is_some() || modified.is_some());
        Ok(confirms.then(|| StreamingPullResponse {
            acknowledge_confirmation: acked,
            modify_ack_deadline_confirmation: modified,
            ..self.with(Vec::new())
        }))
    }

    /// Lets actions pass the point before their effect.
    async fn begin(&self, method: &str, count: usize) -> Result<Actions, Status> {
        match &self.within {
            Some(within) if count > 0 => within.before(method, count).await,
            _ => Ok(Actions::default()),
        }
    }

    fn modify(&self, ack_ids: &[String], seconds: &[i32]) -> Result<Vec<String>, ApiError> {
        if ack_ids.len() != seconds.len() {
            return Err(ApiError::invalid_argument(
                "modify_deadline_seconds and modify_deadline_ack_ids must have the same length.",
            ));
        }
        let mut by_seconds: HashMap<i32, Vec<String>> = HashMap::new();
        for (ack_id, seconds) in ack_ids.iter().zip(seconds) {
            by_seconds.entry(*seconds).or_default().push(ack_id.clone());
        }
        let mut all = Vec::new();
        for (seconds, ack_ids) in by_seconds {
            let Invalid(invalid) = self.pubsub.modify_deadline(&self.subscription, &ack_ids, seconds)?;
            all.extend(invalid);
        }
        Ok(all)
    }

    fn with(&self, received_messages: Vec<crate::pubsub::proto::ReceivedMessage>) -> StreamingPullResponse {
        StreamingPullResponse {
            received_messages,
            subscription_properties: Some(self.properties),
            ..StreamingPullResponse::default()
        }
    }
}

/// The first request must say for how long the stream leases.
fn first_deadline(seconds: i32) -> Result<Option<Duration>, ApiError> {
    if seconds == 0 {
        return Err(ApiError::invalid_argument("first message must set stream_ack_deadline_seconds"));
    }
    stream_deadline(seconds)
}

/// What only the first request of a stream may set.
fn check_later(request: &StreamingPullRequest) -> Result<(), ApiError> {
    let what = if !request.subscription.is_empty() {
        "subscription"
    } else if request.max_outstanding_messages != 0 {
        "max_outstanding_messages"
    } else if request.max_outstanding_bytes != 0 {
        "max_outstanding_bytes"
    } else {
        return Ok(());
    };
    Err(ApiError::invalid_argument(format!("{what} may only be set in first message")))
}

/// What is not positive is no limit.
fn limit(outstanding: i64) -> usize {
    match usize::try_from(outstanding) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(limit) => limit,
    }
}

fn without(mut ack_ids: Vec<String>, invalid: &[String]) -> Vec<String> {
    ack_ids.retain(|ack_id| !invalid.contains(ack_id));
    ack_ids
}

/// Under exactly-once delivery a lost lease is an error that names each ack id.
pub(super) fn refuse(Invalid(ack_ids): Invalid) -> Result<(), Status> {
    if ack_ids.is_empty() {
        return Ok(());
    }
    let message = "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement ids have expired or the acknowledgement ids were malformed.";
    let metadata = ack_ids.into_iter().map(|id| (id, "PERMANENT_FAILURE_INVALID_ACK_ID".to_owned()));
    let info = ErrorInfo {
        reason: "EXACTLY_ONCE_ACKID_FAILURE",
        domain: "pubsub.googleapis.com".into(),
        metadata: metadata.collect(),
    };
    Err(ApiError::invalid_argument(message).with(info).into())
}
