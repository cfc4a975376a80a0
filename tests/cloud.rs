//! The local cloud of a scenario, as a test steers it: faults, calls, time, nodes. Blocking, as
//! scenarios are.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clients::{Bucket, Conditional, Metadata, Stored, Target};
use contract::Message;
use localcloud::Propagation;
use localcloud::calls::{Entry, Fault, Passed};
use localcloud::daemon::{Daemon, Status};
use localcloud::gke::Order;
use tokio::runtime::Runtime;

use crate::Scenario;

/// A scenario's local cloud.
#[derive(Debug)]
pub struct Cloud {
    runtime: Runtime,
    daemon: Daemon,
}

impl Cloud {
    /// The one that runs for a scenario.
    ///
    /// # Panics
    /// If none does. So for all that follows: a test without its cloud cannot go on.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let found = runtime.block_on(Daemon::find(&scenario.path(".provision/local")));
        let daemon = found.expect("its folder can be read").expect("the local cloud runs");
        Self { runtime, daemon }
    }

    /// Where its services are.
    #[must_use]
    pub fn url(&self) -> String {
        self.daemon.endpoints().url
    }

    /// Sets a fault.
    #[must_use]
    pub fn fault(&self, fault: &Fault) -> u64 {
        self.runtime.block_on(self.daemon.fault(fault)).expect("a fault that can strike")
    }

    /// Removes a fault, or all; what waits there goes on.
    pub fn clear(&self, fault: Option<u64>) {
        self.runtime.block_on(self.daemon.clear(fault)).expect("the local cloud answers");
    }

    /// How often a fault has struck.
    #[must_use]
    pub fn strikes(&self, fault: u64) -> u64 {
        let faults = self.runtime.block_on(self.daemon.faults()).expect("the local cloud answers");
        faults.iter().find(|set| set.id == fault).map_or(0, |set| set.struck)
    }

    /// The next call's number.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.runtime.block_on(self.daemon.mark()).expect("the local cloud answers")
    }

    /// The calls since a mark.
    #[must_use]
    pub fn calls(&self, mark: u64) -> Vec<Entry> {
        self.runtime.block_on(self.daemon.calls_since(mark)).expect("the local cloud answers")
    }

    /// The points that calls passed since a mark.
    #[must_use]
    pub fn coverage(&self, mark: u64) -> Vec<Passed> {
        self.runtime.block_on(self.daemon.coverage(mark)).expect("the log reaches back")
    }

    /// The first call since a mark that a fault struck, by now.
    #[must_use]
    pub fn struck(&self, fault: u64, mark: u64) -> Option<Entry> {
        self.calls(mark).into_iter().find(|call| call.faults.contains(&fault))
    }

    /// The same, if it strikes within so long.
    #[must_use]
    pub fn struck_within(&self, fault: u64, mark: u64, patience: Duration) -> Option<Entry> {
        let deadline = Instant::now() + patience;
        loop {
            let struck = self.struck(fault, mark);
            if struck.is_some() || Instant::now() > deadline {
                return struck;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Publishes messages to a topic.
    pub fn publish(&self, topic: &str, messages: impl IntoIterator<Item = Message>) {
        self.runtime.block_on(crate::publish(&self.url(), topic, messages));
    }

    /// Moves its time on.
    pub fn advance(&self, by: Duration) {
        self.runtime.block_on(self.daemon.advance(by)).expect("the local cloud answers");
    }

    /// Stops its time.
    pub fn freeze(&self) {
        self.runtime.block_on(self.daemon.freeze()).expect("the local cloud answers");
    }

    /// From now on, new accounts are not seen by others for so long.
    pub fn hide_new_accounts(&self, accounts: Duration) {
        let propagation = Propagation { accounts, grants: Duration::ZERO };
        self.runtime.block_on(self.daemon.set_propagation(propagation)).expect("the local cloud answers");
    }

    /// Takes a node away without a word.
    pub fn cut_power(&self, node: &str) {
        let order = Order::CutPower { node: node.to_owned() };
        self.runtime.block_on(self.daemon.order(&order)).expect("the node is there");
    }

    /// Preempts a node, with a grace or as Google would; false if there is none (any more).
    #[must_use]
    pub fn preempt(&self, node: Option<&str>, grace: Option<Duration>) -> bool {
        self.runtime.block_on(self.daemon.preempt(node, grace)).is_ok_and(|nodes| !nodes.is_empty())
    }

    /// What it runs.
    #[must_use]
    pub fn status(&self) -> Status {
        self.runtime.block_on(self.daemon.status()).expect("the local cloud answers")
    }

    /// Stores objects of a few bytes, each in two versions, many at a time.
    pub fn store_twice(&self, bucket: &str, names: impl IntoIterator<Item = String>) {
        let url = self.url();
        self.runtime.block_on(async {
            let storage = Target::anonymous(&url).storage().await.expect("a client");
            let bucket = Bucket::new(storage, bucket);
            let mut writing = tokio::task::JoinSet::new();
            for name in names {
                let bucket = bucket.clone();
                if writing.len() >= 32 {
                    writing.join_next().await.expect("one of them").expect("stored");
                }
                writing.spawn(async move {
                    let mut generation = 0;
                    for version in ["one", "two"] {
                        let stored = bucket.replace(&name, Bytes::from(version), Metadata::new(), generation);
                        let Ok(Conditional::Stored(stored)) = stored.await else {
                            panic!("{name} is not stored")
                        };
                        generation = stored.generation;
                    }
                });
            }
            writing.join_all().await;
        });
    }

    /// Every live object of a bucket below a prefix, as the official client lists it.
    #[must_use]
    pub fn list(&self, bucket: &str, prefix: &str) -> Vec<Stored> {
        let listed = async {
            let storage = Target::anonymous(&self.url()).storage().await.expect("a client");
            Bucket::new(storage, bucket).list(prefix).await
        };
        self.runtime.block_on(listed).expect("a listing")
    }
}
