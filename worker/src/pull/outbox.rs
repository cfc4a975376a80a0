//! What is on its way to the service: acks, returns and renewals, in as few requests as the ones
//! before them leave time for.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use clients::{PullError, Subscription};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Requests of a sort under way at a time; what comes meanwhile goes together. Renewals have theirs to
/// themselves: an ack that hangs must not hold them up.
const PARALLEL: usize = 2;
/// How long the first of those that are to go together waits for others: requests, not ids, are what
/// the service and this thread are busy with.
const GATHERING: Duration = Duration::from_millis(1);
/// Ack ids in one request, which may have 512 KiB.
const LARGEST: usize = 1000;
/// Times that an ack or a return is tried; a renewal is tried once, and asked for again.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(250);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Renew,
    Ack,
    /// To be delivered again after so many seconds.
    Return(u64),
}

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ask: Ask,
    pub(super) ack_ids: Vec<String>,
    /// When it was sent.
    pub(super) at: Instant,
    pub(super) result: Result<(), PullError>,
}

#[derive(Debug)]
pub(super) struct Outbox {
    subscription: Subscription,
    lease: Duration,
    waiting: BTreeMap<Ask, Vec<String>>,
    /// When what waits is to go.
    gathered: Option<Instant>,
    renewals: JoinSet<Sent>,
    others: JoinSet<Sent>,
}

impl Outbox {
    pub(super) fn new(subscription: Subscription, lease: Duration) -> Self {
        Self {
            subscription,
            lease,
            waiting: BTreeMap::new(),
            gathered: None,
            renewals: JoinSet::new(),
            others: JoinSet::new(),
        }
    }

    pub(super) fn put(&mut self, ask: Ask, ack_ids: impl IntoIterator<Item = String>) {
        let waiting = self.waiting.entry(ask).or_default();
        waiting.extend(ack_ids);
        self.gathered.get_or_insert_with(|| Instant::now() + GATHERING);
    }

    /// Comes when what waits has waited for others long enough.
    pub(super) fn gathered(&self) -> impl Future<Output = ()> + use<> {
        let gathered = self.gathered;
        async move {
            match gathered {
                Some(gathered) => sleep_until(gathered).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Sends what has waited long enough, as far as there is room.
    pub(super) fn send(&mut self) {
        if self.gathered.is_some_and(|gathered| gathered > Instant::now()) {
            return;
        }
        self.gathered = None;
        let waiting: Vec<Ask> = self.waiting.keys().copied().collect();
        for ask in waiting {
            self.send_some(ask);
        }
    }

    fn send_some(&mut self, ask: Ask) {
        let under_way = if ask == Ask::Renew { &mut self.renewals } else { &mut self.others };
        while under_way.len() < PARALLEL {
            let Entry::Occupied(mut entry) = self.waiting.entry(ask) else { return };
            let rest = entry.get().len().saturating_sub(LARGEST);
            let ack_ids = entry.get_mut().split_off(rest);
            if rest == 0 {
                entry.remove();
            }
            if !ack_ids.is_empty() {
                let (subscription, lease) = (self.subscription.clone(), self.lease);
                under_way.spawn(async move { deliver(subscription, lease, ask, ack_ids).await });
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.renewals.is_empty() && self.others.is_empty()
    }

    /// The next request that ends; none if none is under way.
    pub(super) async fn sent(&mut self) -> Option<Sent> {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.renewals.join_next() => ended,
                Some(ended) = self.others.join_next() => ended,
                else => return None,
            };
            match ended {
                Ok(sent) => return Some(sent),
                Err(error) => tracing::error!("a request to Pub/Sub broke down: {error}"),
            }
        }
    }
}

async fn deliver(subscription: Subscription, lease: Duration, ask: Ask, ack_ids: Vec<String>) -> Sent {
    let mut tries = 0;
    loop {
        let at = Instant::now();
        let ids = ack_ids.clone();
        let request = async {
            match ask {
                Ask::Ack => subscription.acknowledge(ids).await,
                Ask::Renew => subscription.set_deadline(ids, lease).await,
                Ask::Return(seconds) => subscription.set_deadline(ids, Duration::from_secs(seconds)).await,
            }
        };
        // A renewal that hangs must leave time for another.
        let result = timeout(lease / 4, request).await.unwrap_or_else(|_| Err(PullError::no_answer()));
        tries += 1;
        let is_final = match &result {
            Ok(()) => true,
            Err(error) => ask == Ask::Renew || tries == TRIES || !error.is_transient(),
        };
        if is_final {
            return Sent { ask, ack_ids, at, result };
        }
        sleep(PAUSE * tries).await;
    }
}
