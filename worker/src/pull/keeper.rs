//! The loop of the thread that pulls: messages in, orders for them out, leases renewed in between.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use clients::{PullError, Received, Subscription};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::leases::Leases;
use super::outbox::{Ask, Outbox, Sent};
use super::{Delivery, Lease, Order, Pulse};
use crate::metrics::{Metrics, Part};
use crate::settings::Settings;

const LONGEST: Duration = Duration::from_secs(contract::LONGEST_LEASE_SECONDS);
/// Longest time between two looks at the leases.
const TICK: Duration = Duration::from_millis(500);
/// How long a stream that was closed may take to say what was on its way.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Longest silence of a service that says every 30 s that it is alive.
const SILENCE: Duration = Duration::from_secs(100);
/// Pauses before the stream is opened again after an error.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

pub(super) struct Keeper {
    subscription: Subscription,
    concurrency: u32,
    lease: Duration,
    leases: Leases,
    outbox: Outbox,
    pulse: Pulse,
    metrics: Metrics,
    /// Messages that nobody has taken yet.
    waiting: VecDeque<(String, Bytes, CancellationToken)>,
    deliver: Option<mpsc::Sender<Delivery>>,
    orders: (mpsc::UnboundedSender<Order>, mpsc::UnboundedReceiver<Order>),
    streams: JoinSet<()>,
    arrivals: (mpsc::Sender<Arrival>, mpsc::Receiver<Arrival>),
    /// Closes the stream that is open.
    stream: CancellationToken,
    /// When the messages that were let go until later count no more against the stream's limit.
    away: Vec<Instant>,
    failures: usize,
}

/// What comes from a stream.
enum Arrival {
    Messages(Vec<Received>, Instant),
    Failed(PullError),
}

/// What happened.
enum Event {
    Ordered(Order),
    Arrived(Arrival),
    Sent(Sent),
    Taken,
    Gathered,
    Tick,
    Stop,
}

impl Keeper {
    pub(super) fn new(
        settings: &Settings,
        subscription: Subscription,
        deliver: mpsc::Sender<Delivery>,
        metrics: Metrics,
    ) -> Self {
        Self {
            outbox: Outbox::new(subscription.clone(), settings.lease),
            subscription,
            concurrency: settings.concurrency,
            lease: settings.lease,
            leases: Leases::new(settings.lease, LONGEST),
            pulse: Pulse::default(),
            metrics,
            waiting: VecDeque::new(),
            deliver: Some(deliver),
            orders: mpsc::unbounded_channel(),
            streams: JoinSet::new(),
            arrivals: mpsc::channel(1),
            stream: CancellationToken::new(),
            away: Vec::new(),
            failures: 0,
        }
    }

    /// Until it is told to stop, and then until nothing is held and everything is said.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tick = interval(TICK.min(self.lease / 10));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.open(Duration::ZERO);
        let mut stopping = false;
        while !(stopping && self.leases.is_empty() && self.outbox.is_empty() && self.streams.is_empty()) {
            match self.event(&stop, stopping, &mut tick).await {
                Event::Ordered(order) => self.obey(order),
                Event::Arrived(Arrival::Messages(messages, at)) => self.take_in(messages, at),
                Event::Arrived(Arrival::Failed(error)) => self.open_again(&error, stopping),
                Event::Sent(sent) => self.hear(sent),
                Event::Taken | Event::Gathered => {}
                Event::Tick => self.look(),
                Event::Stop => stopping = true,
            }
            if stopping {
                self.hand_back();
            }
            // What was ordered meanwhile goes in the same request.
            while let Ok(order) = self.orders.1.try_recv() {
                self.obey(order);
            }
            self.outbox.send();
        }
    }

    async fn event(
        &mut self,
        stop: &CancellationToken,
        stopping: bool,
        tick: &mut tokio::time::Interval,
    ) -> Event {
        let taker = self.deliver.clone().filter(|_| !self.waiting.is_empty());
        let taker = async {
            match taker {
                Some(deliver) => deliver.reserve_owned().await,
                None => std::future::pending().await,
            }
        };
        let gathered = self.outbox.gathered();
        tokio::select! {
            biased;
            () = stop.cancelled(), if !stopping => Event::Stop,
            _ = tick.tick() => Event::Tick,
            // The keeper holds a sender itself, so there is always another order.
            Some(order) = self.orders.1.recv() => Event::Ordered(order),
            Some(sent) = self.outbox.sent() => Event::Sent(sent),
            Some(arrival) = self.arrivals.1.recv() => Event::Arrived(arrival),
            () = gathered => Event::Gathered,
            Some(_) = self.streams.join_next() => Event::Taken,
            permit = taker => {
                match permit {
                    Ok(permit) => drop(self.next().map(|delivery| permit.send(delivery))),
                    // Nobody takes any more.
                    Err(_) => self.deliver = None,
                }
                Event::Taken
            }
        }
    }

    /// The next message that nobody has taken, with its lease.
    fn next(&mut self) -> Option<Delivery> {
        let (ack_id, data, lost) = self.waiting.pop_front()?;
        let (orders, pulse, length) = (self.orders.0.clone(), self.pulse.clone(), self.lease);
        Some(Delivery { data, lease: Lease { ack_id, orders, lost, pulse, length } })
    }

    fn obey(&mut self, order: Order) {
        match order {
            // Even if its lease is lost: nothing is left to do for it.
            Order::Ack(ack_id) => {
                self.leases.remove(&ack_id);
                self.outbox.put(Ask::Ack, [ack_id]);
            }
            Order::Return(ack_id, rest) => self.return_in(ack_id, rest),
        }
    }

    /// Lets a message go. One whose lease was lost is somebody else's by now.
    fn return_in(&mut self, ack_id: String, rest: Duration) {
        if !self.leases.remove(&ack_id) {
            return;
        }
        let seconds = rest.as_secs().min(600);
        self.outbox.put(Ask::Return(seconds), [ack_id]);
        if seconds > 0 {
            self.away.push(Instant::now() + Duration::from_secs(seconds));
            self.make_room();
        }
    }

    /// Messages that are let go until later count against the limit of the stream that brought them,
    /// and would leave nothing for others to be worked on. A new stream has its limit to itself.
    fn make_room(&mut self) {
        let now = Instant::now();
        self.away.retain(|until| *until > now);
        if self.away.len() * 2 >= self.concurrency as usize && !self.stream.is_cancelled() {
            self.open(Duration::ZERO);
        }
    }

    fn take_in(&mut self, messages: Vec<Received>, at: Instant) {
        self.failures = 0;
        for Received { ack_id, data } in messages {
            let lost = self.leases.add(ack_id.clone(), at);
            self.waiting.push_back((ack_id, data, lost));
        }
        self.hand_over();
    }

    /// Hands over what there is room for.
    fn hand_over(&mut self) {
        while let Some(permit) = self.deliver.clone().and_then(|deliver| deliver.try_reserve_owned().ok()) {
            let Some(delivery) = self.next() else { return };
            permit.send(delivery);
        }
    }

    fn hear(&mut self, sent: Sent) {
        let Sent { ask, ack_ids, at, result } = sent;
        if let Err(error) = &result {
            tracing::warn!("Pub/Sub did not take {ask:?} of {} messages: {error}", ack_ids.len());
        }
        if ask == Ask::Renew {
            self.leases.answered(&ack_ids, at, result.is_ok());
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let lost = self.leases.expire(now);
        if lost > 0 {
            tracing::warn!("{lost} leases were lost: they could not be renewed in time");
        }
        self.waiting.retain(|(_, _, lost)| !lost.is_cancelled());
        self.pulse.beat();
        self.metrics.tick(Part::Leases);
        self.metrics.set_lease_until(self.leases.first_end().map(Instant::into_std));
        let due = self.leases.due(now);
        if !due.is_empty() {
            self.outbox.put(Ask::Renew, due);
        }
    }

    /// Returns what nobody has taken.
    fn hand_back(&mut self) {
        self.stream.cancel();
        self.deliver = None;
        let waiting = std::mem::take(&mut self.waiting);
        for (ack_id, ..) in waiting {
            self.return_in(ack_id, Duration::ZERO);
        }
    }

    fn open_again(&mut self, error: &PullError, stopping: bool) {
        if stopping {
            return;
        }
        // Streams end all the time, and a new one goes on.
        if self.failures > 0 || !error.is_transient() {
            tracing::error!("cannot pull: {error}");
        }
        let pause = PAUSES[self.failures.min(PAUSES.len() - 1)];
        self.failures += 1;
        self.open(pause);
    }

    /// Closes the stream that is open and opens another after a pause.
    fn open(&mut self, pause: Duration) {
        self.stream.cancel();
        self.stream = CancellationToken::new();
        self.away.clear();
        let (subscription, closed, arrivals) =
            (self.subscription.clone(), self.stream.clone(), self.arrivals.0.clone());
        let (outstanding, lease) = (self.concurrency, self.lease);
        self.streams.spawn(async move {
            let _ = timeout(pause, closed.cancelled()).await;
            let read = read(&subscription, outstanding, lease, &closed, &arrivals).await;
            if let Err(error) = read
                && !closed.is_cancelled()
            {
                // Nobody listens only when the keeper has gone.
                let _ = arrivals.send(Arrival::Failed(error)).await;
            }
        });
    }
}

/// Passes on what a stream brings, until it ends or is closed; then what was still on its way.
async fn read(
    subscription: &Subscription,
    outstanding: u32,
    lease: Duration,
    closed: &CancellationToken,
    arrivals: &mpsc::Sender<Arrival>,
) -> Result<(), PullError> {
    let mut pull = tokio::select! {
        biased;
        () = closed.cancelled() => return Ok(()),
        // The service may say nothing until there is a message, or a sign of life.
        pull = timeout(SILENCE, subscription.pull(outstanding, lease)) => {
            pull.unwrap_or_else(|_| Err(PullError::no_answer()))?
        }
    };
    let mut end = None;
    loop {
        let limit = end.unwrap_or_else(|| Instant::now() + SILENCE);
        let next = tokio::select! {
            biased;
            () = closed.cancelled(), if end.is_none() => {
                pull.close();
                end = Some(Instant::now() + LAST_WORDS);
                continue;
            }
            next = timeout_at(limit, pull.next()) => next,
        };
        match next.unwrap_or_else(|_| Err(PullError::no_answer()))? {
            // A sign of life.
            Some(messages) if messages.is_empty() => {}
            Some(messages) => {
                if arrivals.send(Arrival::Messages(messages, Instant::now())).await.is_err() {
                    return Ok(());
                }
            }
            None if end.is_some() => return Ok(()),
            None => return Err(PullError::ended()),
        }
    }
}
