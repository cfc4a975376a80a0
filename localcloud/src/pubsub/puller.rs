//! Somebody who waits for messages of one subscription: a pull, or an open stream.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::{Limit, StreamId};
use super::delivery::{LARGEST_ANSWER, Listener, Taken};
use super::state::Pubsub;
use crate::error::ApiError;

/// Waits for messages. Dropping it closes its stream; what it leased stays leased.
pub(super) struct Puller {
    pubsub: Arc<Pubsub>,
    subscription: String,
    stream: Option<StreamId>,
    listener: Listener,
    /// Most that may be outstanding on a stream; most that one pull asks for.
    limit: Limit,
    /// The stream's own deadline, over the subscription's.
    pub(super) deadline: Option<Duration>,
}

impl Puller {
    /// One pull of at most `messages`.
    pub(super) fn once(pubsub: &Arc<Pubsub>, subscription: &str, messages: usize) -> Result<Self, ApiError> {
        let listener = pubsub.listen(subscription)?;
        let limit = Limit { messages: messages.min(LARGEST_ANSWER.messages), ..LARGEST_ANSWER };
        let (pubsub, subscription) = (pubsub.clone(), subscription.to_owned());
        Ok(Self { pubsub, subscription, stream: None, listener, limit, deadline: None })
    }

    /// A stream with at most `limit` outstanding.
    pub(super) fn stream(
        pubsub: &Arc<Pubsub>,
        subscription: &str,
        limit: Limit,
        deadline: Option<Duration>,
    ) -> Result<Self, ApiError> {
        let (stream, listener) = pubsub.open_stream(subscription)?;
        let (pubsub, subscription) = (pubsub.clone(), subscription.to_owned());
        Ok(Self { pubsub, subscription, stream: Some(stream), listener, limit, deadline })
    }

    /// What is ready now.
    pub(super) fn take(&self) -> Result<Taken, ApiError> {
        self.pubsub.take(&self.subscription, self.limit, self.deadline, self.stream)
    }

    /// Waits until something is ready. Nothing is lost if it is dropped while it waits.
    pub(super) async fn wait(&mut self) -> Result<Taken, ApiError> {
        loop {
            self.listener.changed.mark_unchanged();
            self.listener.timers.mark_unchanged();
            let taken = self.take()?;
            if !taken.deliveries.is_empty() {
                return Ok(taken);
            }
            let clock = &self.pubsub.clock;
            let timer = async {
                match taken.next_timer {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // A closed channel is a deleted subscription: the next look says so.
            tokio::select! {
                _ = self.listener.changed.changed() => {}
                _ = self.listener.timers.changed() => {}
                () = timer => {}
            }
        }
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        if let Some(stream) = self.stream {
            self.pubsub.close_stream(&self.subscription, stream);
        }
    }
}

/// How long a pull waits for the first message.
const LONGEST_PULL: Duration = Duration::from_secs(10);

impl Pubsub {
    /// Pulls at most `messages`; waits for the first if told to, but not for ever: an empty answer
    /// is no error.
    pub(super) async fn pull(
        self: &Arc<Self>,
        subscription: &str,
        messages: i32,
        wait: bool,
    ) -> Result<Taken, ApiError> {
        let Some(messages) = usize::try_from(messages).ok().filter(|messages| *messages > 0) else {
            return Err(ApiError::invalid_argument(format!(
                "The value for max_messages is too small. You passed {messages} in the request, but the minimum value is 1."
            )));
        };
        let mut puller = Puller::once(self, subscription, messages)?;
        if !wait {
            return puller.take();
        }
        let clock = self.clock.clone();
        tokio::select! {
            taken = puller.wait() => taken,
            () = clock.sleep(LONGEST_PULL) => Ok(Taken { deliveries: Vec::new(), counted: false, next_timer: None }),
        }
    }
}
