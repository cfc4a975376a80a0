//! Pulls messages and keeps their leases, on a thread and runtime of its own: however busy the
//! work is, leases are renewed. Knows nothing of what the messages say.
//!
//! The client gives no sign of a lease that was lost, so nothing here or elsewhere relies on still
//! holding one: the commit protocol does not need it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use clients::{Target, explain};
use google_cloud_pubsub::client::Subscriber;
use google_cloud_pubsub::subscriber::handler::Handler;
use google_cloud_pubsub::subscriber::{MessageStream, ShutdownToken};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, Part};
use crate::protocol::Settled;
use crate::settings::Settings;

/// The client stops renewing a lease of this age, silently. It is the longest that Pub/Sub keeps a
/// message: items end by their own timeout, never by this.
const LONGEST_LEASE: Duration = Duration::from_hours(31 * 24);
/// How often the thread says that it is alive.
const PULSE: Duration = Duration::from_secs(1);
/// Pauses before the stream is opened again after an error that the client does not retry.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

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
pub struct Lease(Handler);

impl Lease {
    /// Takes the message off the queue. Takes the proof, so nothing is acked before it is settled.
    pub fn ack(self, _: Settled) {
        self.0.ack();
    }

    /// Returns the message to the queue; the subscription's retry policy says when it comes again.
    pub fn give_back(self) {
        self.0.nack();
    }
}

/// The thread that pulls.
#[derive(Debug)]
pub struct Puller {
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl Puller {
    /// Begins to pull. At most `concurrency` messages are out at a time: more would be hoarded here
    /// while other workers have nothing to do.
    pub fn start(settings: &Settings, metrics: &Metrics) -> Result<(Self, mpsc::Receiver<Delivery>)> {
        let stop = CancellationToken::new();
        let (ended, has_ended) = oneshot::channel();
        let (deliver, deliveries) = mpsc::channel(settings.concurrency as usize);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime that keeps leases")?;
        let pull = Pull { settings: settings.clone(), stop: stop.clone(), deliver };
        let pulse = keep_pulse(settings.lease, metrics.clone());
        let thread = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = pull.until_stopped() => {}
                    () = pulse => {}
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

    /// Takes no more messages. Leases in hand are kept until they are acked or given back.
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

/// Says that this thread is alive. While it is, no lease is older than its last sign of life.
async fn keep_pulse(lease: Duration, metrics: Metrics) {
    loop {
        metrics.tick(Part::Leases);
        metrics.set_lease_until((metrics.in_flight() > 0).then(|| Instant::now() + lease));
        tokio::time::sleep(PULSE).await;
    }
}

struct Pull {
    settings: Settings,
    stop: CancellationToken,
    deliver: mpsc::Sender<Delivery>,
}

impl Pull {
    async fn until_stopped(self) {
        let mut streams = Vec::new();
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            match self.stream(&mut streams, &mut failures).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!("cannot pull from {}: {}", self.settings.subscription, explain(&*error));
                }
            }
            let pause = PAUSES[failures.min(PAUSES.len() - 1)];
            failures += 1;
            let _ = tokio::time::timeout(pause, self.stop.cancelled()).await;
        }
        drop(self.deliver);
        for stream in streams {
            stream.shutdown().await;
        }
    }

    /// Delivers until told to stop, or until the stream fails for good.
    async fn stream(&self, streams: &mut Vec<ShutdownToken>, failures: &mut usize) -> Result<()> {
        let client = Target::from_variable("PUBSUB_EMULATOR_HOST")?.subscriber().await?;
        let mut stream = self.open(&client);
        streams.push(stream.shutdown_token());
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                next = stream.next() => next,
            };
            let Some(next) = next else { return Ok(()) };
            let (message, handler) = next?;
            *failures = 0;
            let delivery = Delivery { data: message.data, lease: Lease(handler) };
            tokio::select! {
                biased;
                // The delivery is dropped, and with it returned.
                () = self.stop.cancelled() => return Ok(()),
                sent = self.deliver.send(delivery) => if sent.is_err() { return Ok(()) },
            }
        }
    }

    fn open(&self, client: &Subscriber) -> MessageStream {
        client
            .subscribe(&self.settings.subscription)
            .set_max_lease_extension(self.settings.lease)
            .set_max_lease(LONGEST_LEASE)
            .set_max_outstanding_messages(i64::from(self.settings.concurrency))
            .build()
    }
}
