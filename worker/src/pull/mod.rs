//! Pulls messages and keeps their leases, on a thread and runtime of its own: however busy the
//! work is, leases are renewed. Knows nothing of what the messages say.
//!
//! A lease that is known to be lost says so ([`Lease::lost`]), which saves work. Nothing relies on it:
//! the commit protocol does not need a lease.

mod keeper;
mod leases;
mod outbox;
mod pulse;

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clients::Subscription;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::protocol::Settled;
use crate::settings::Settings;
use keeper::Keeper;
use pulse::Pulse;

/// How often a lease's holder asks whether the thread that keeps it is alive.
const ASK: Duration = Duration::from_secs(1);

/// A message on its way to the work.
#[derive(Debug)]
pub struct Delivery {
    /// What it says.
    pub data: Bytes,
    /// The right to it, while it lasts.
    pub lease: Lease,
}

/// The right to a message. Dropped, it goes back to the queue at once.
#[derive(Debug)]
pub struct Lease {
    ack_id: String,
    orders: mpsc::UnboundedSender<Order>,
    /// The keeper's word that it is lost.
    lost: CancellationToken,
    pulse: Pulse,
    length: Duration,
}

/// What becomes of a leased message.
#[derive(Debug)]
enum Order {
    Ack(String),
    /// It is delivered again after so long; zero is at once.
    Return(String, Duration),
}

impl Lease {
    /// Takes the message off the queue. Takes the proof, so nothing is acked before it is settled.
    pub fn ack(mut self, _: Settled) {
        let ack_id = std::mem::take(&mut self.ack_id);
        self.order(Order::Ack(ack_id));
    }

    /// Returns the message to the queue; the subscription's retry policy says when it comes again.
    pub fn give_back(self) {
        drop(self);
    }

    /// Lets go of the message, to be delivered again after so long (600 s at most).
    pub fn return_in(mut self, rest: Duration) {
        let ack_id = std::mem::take(&mut self.ack_id);
        self.order(Order::Return(ack_id, rest));
    }

    /// Whether the lease is lost, as far as can be told here: it was not renewed in time, or the
    /// thread that renews leases did not run for as long as one lasts (the process was stopped, or the
    /// machine).
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled() || self.pulse.age() > self.length
    }

    /// Ends when the lease is lost.
    pub async fn lost(&self) {
        while !self.is_lost() {
            let _ = tokio::time::timeout(ASK, self.lost.cancelled()).await;
        }
    }

    /// One lease has one order, so the channel holds no more than there are leases. Nobody listens
    /// only when the process ends.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ack_id.is_empty() {
            let ack_id = std::mem::take(&mut self.ack_id);
            self.order(Order::Return(ack_id, Duration::ZERO));
        }
    }
}

/// The thread that pulls.
#[derive(Debug)]
pub struct Puller {
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Puller {
    /// Begins to pull. The service holds back what goes over `concurrency` messages: more would be
    /// hoarded here while other workers have nothing to do.
    pub fn start(
        settings: &Settings,
        metrics: &Metrics,
        connect: impl FnOnce() -> Result<Subscription> + Send + 'static,
    ) -> Result<(Self, mpsc::Receiver<Delivery>)> {
        let stop = CancellationToken::new();
        let (ended, has_ended) = oneshot::channel();
        // As many as the service hands out: nothing waits that could be worked on.
        let (deliver, deliveries) = mpsc::channel(settings.concurrency.max(1) as usize);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime that keeps leases")?;
        let (settings, stopped, metrics) = (settings.clone(), stop.clone(), metrics.clone());
        let thread = move || {
            runtime.block_on(async {
                match connect() {
                    Ok(subscription) => {
                        Keeper::new(&settings, subscription, deliver, metrics).run(stopped).await;
                    }
                    Err(error) => tracing::error!("cannot pull from {}: {error:#}", settings.subscription),
                }
            });
            drop(ended);
        };
        std::thread::Builder::new()
            .name("leases".to_owned())
            .spawn(thread)
            .context("cannot start the thread that keeps leases")?;
        Ok((Self { stop, ended: has_ended }, deliveries))
    }

    /// Takes no more messages, and returns those that nobody has taken yet. Leases in hand are kept
    /// until they are acked or given back.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until every ack and every return has reached the service, at most for so long.
    pub async fn ended(self, limit: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(limit, self.ended).await.is_err() {
            tracing::warn!("not every ack has reached Pub/Sub; what has not will be delivered again");
        }
    }
}
