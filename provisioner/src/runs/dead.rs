//! Dead letters: what Pub/Sub gave up delivering becomes a failure record of its run. It is written
//! before the letter is acknowledged, so a kill in between only has it come again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clients::{Metadata, Target};
use contract::{Failure, FailureKind, Item, Message, RunId, layout};
use google_cloud_pubsub::subscriber::MessageStream;
use jiff::Timestamp;

use super::store::Store;

/// Letters that are held at a time.
const OUTSTANDING: i64 = 100;
/// Longest that a letter is worked on: three small calls.
const LEASE: Duration = Duration::from_mins(1);
/// How old the knowledge of a run may be.
const FRESH: Duration = Duration::from_secs(5);
/// Silence after which nothing more is expected.
const QUIET: Duration = Duration::from_secs(2);
/// The attribute in which Pub/Sub tells how often it tried.
const DELIVERIES: &str = "CloudPubSubDeadLetterSourceDeliveryCount";

/// Hears what became of letters that are no failure of an open run.
pub(crate) type Tell<'a> = dyn Fn(String) + Send + Sync + 'a;

/// The dead letters of one subscription.
pub(crate) struct DeadLetters {
    pub pubsub: Target,
    /// The subscription that holds them, by full name.
    pub subscription: String,
    /// Where the runs may be that they belong to.
    pub stores: Vec<Store>,
}

/// What is known of a run.
enum Known {
    /// Its items are to be worked on; these they are.
    Open(Box<Store>, HashSet<Item>),
    /// It has ended or was cancelled: its messages mean nothing any more.
    Over,
    Missing,
}

impl DeadLetters {
    /// Takes the letters that are there; how many became failures.
    pub(crate) async fn drain(&self, tell: &Tell<'_>) -> Result<usize> {
        let mut stream = self.open().await?;
        let mut desk = Desk::of(self, tell);
        loop {
            let Ok(next) = tokio::time::timeout(QUIET, stream.next()).await else { break };
            let Some((letter, handler)) = next.transpose()? else { break };
            if desk.settle(&letter.data, deliveries(&letter)).await? {
                handler.ack();
            }
        }
        // Acknowledgements are sent behind one's back.
        stream.shutdown_token().shutdown().await;
        Ok(desk.failed)
    }

    /// Takes letters as they come, for as long as it is polled; ends only with an error.
    pub(crate) async fn attend(&self, tell: &Tell<'_>) -> anyhow::Error {
        let attend = async {
            let mut stream = self.open().await?;
            let mut desk = Desk::of(self, tell);
            while let Some((letter, handler)) = stream.next().await.transpose()? {
                if desk.settle(&letter.data, deliveries(&letter)).await? {
                    handler.ack();
                }
            }
            anyhow::bail!("the stream of {} has ended", self.subscription)
        };
        let ended: Result<std::convert::Infallible> = attend.await;
        match ended {
            Err(error) => error.context("cannot take dead letters"),
        }
    }

    async fn open(&self) -> Result<MessageStream> {
        let client = self.pubsub.subscriber().await?;
        let subscribe = client.subscribe(&self.subscription).set_max_outstanding_messages(OUTSTANDING);
        Ok(subscribe.set_max_lease(LEASE).build())
    }
}

fn deliveries(letter: &google_cloud_pubsub::model::Message) -> Option<String> {
    letter.attributes.get(DELIVERIES).cloned()
}

/// Where letters are opened.
struct Desk<'a> {
    stores: &'a [Store],
    tell: &'a Tell<'a>,
    known: HashMap<RunId, (Known, std::time::Instant)>,
    /// Runs of which it was told that there are none.
    told: HashSet<RunId>,
    failed: usize,
}

impl<'a> Desk<'a> {
    fn of(letters: &'a DeadLetters, tell: &'a Tell<'a>) -> Self {
        Self { stores: &letters.stores, tell, known: HashMap::new(), told: HashSet::new(), failed: 0 }
    }

    /// Whether a letter may be acknowledged: there is a record of it, or nothing to record.
    async fn settle(&mut self, data: &[u8], deliveries: Option<String>) -> Result<bool> {
        let Ok(Message { run, item, .. }) = serde_json::from_slice(data) else {
            (self.tell)("a dead letter that nobody can read was dropped".to_owned());
            return Ok(true);
        };
        self.look_up(&run).await?;
        match self.known.get(&run) {
            Some((Known::Open(store, items), _)) if items.contains(&item) => {
                self.failed += usize::from(record(store, &run, &item, deliveries).await?);
            }
            Some((Known::Open(..), _)) => {
                (self.tell)(format!("a dead letter of run {run} names no item of it, and was dropped"));
            }
            Some((Known::Over, _)) => {}
            Some((Known::Missing, _)) | None => {
                if self.told.insert(run.clone()) {
                    let run = run.0.escape_debug();
                    (self.tell)(format!(
                        "dead letters of a run that is not recorded here were dropped: {run}"
                    ));
                }
            }
        }
        Ok(true)
    }

    async fn look_up(&mut self, run: &RunId) -> Result<()> {
        let fresh = |(known, at): &(Known, std::time::Instant)| {
            !matches!(known, Known::Open(..)) || at.elapsed() < FRESH
        };
        if self.known.get(run).is_some_and(fresh) {
            return Ok(());
        }
        let mut found = Known::Missing;
        for store in self.stores.iter().filter(|_| run.is_valid()) {
            let Some(summary) = store.run(run).await? else { continue };
            found = Known::Over;
            if summary.is_open() {
                let items = store.items(run).await?.into_iter().map(|line| line.item);
                found = Known::Open(Box::new(store.clone()), items.collect());
            }
            break;
        }
        self.known.insert(run.clone(), (found, std::time::Instant::now()));
        Ok(())
    }
}

/// Writes the failure, unless the item is settled. Whether it was written now.
async fn record(store: &Store, run: &RunId, item: &Item, deliveries: Option<String>) -> Result<bool> {
    if store.bucket.stat(&layout::receipt(run, item)).await?.is_some() {
        return Ok(false);
    }
    let often = deliveries.map(|count| format!("{count} times ")).unwrap_or_default();
    let failure = Failure {
        run: run.clone(),
        item: item.clone(),
        kind: FailureKind::DeadLettered,
        attempts: latest_attempt(store, run, item).await?,
        message: format!(
            "Pub/Sub delivered it {often}without an acknowledgement and gave it up (`dead_letter` of the \
             subscription): its workers went away each time, or could do nothing with it"
        ),
        output_tail: String::new(),
        pod: String::new(),
        node: String::new(),
        at: Timestamp::now(),
    };
    let name = layout::failure(run, item);
    let written = store.bucket.create_json(&name, &failure, Metadata::new()).await;
    let written = written.context("cannot record a dead letter as a failure")?;
    Ok(matches!(written, clients::Conditional::Stored(_)))
}

async fn latest_attempt(store: &Store, run: &RunId, item: &Item) -> Result<u32> {
    let mut latest = 0;
    let numbers = |name: &str| name.rsplit('/').next()?.split('.').next()?.parse::<u32>().ok();
    let see = |listed: clients::Listed| latest = latest.max(numbers(&listed.name).unwrap_or(0));
    store.bucket.each(&layout::attempts_of(run, item), see).await?;
    Ok(latest)
}
