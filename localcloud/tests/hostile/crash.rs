//! `kill -9` at random instants, compared with a model: what was acknowledged is there, what was
//! not is wholly there or wholly absent. The seed is printed; `SEED` and `CRASH_ROUNDS` run
//! others.

mod things;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Failure, Killable, Rest, cluster, kubernetes_client, until};
use things::{Kind, Reach, Thing, Version};

/// Things of a kind that one writer changes.
const THINGS: u32 = 4;
const TOPIC: &str = "/v1/projects/fx-dev/topics/base";
const QUEUE: &str = "/v1/projects/fx-dev/subscriptions/queue";

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// One of a kind's writers: it does one operation after the other, each on a thing of its own.
struct Writer {
    kind: Kind,
    rng: StdRng,
    last_version: u64,
    /// What was acknowledged.
    model: BTreeMap<Thing, Version>,
    /// What was asked and not answered: before and after it.
    pending: Option<(Thing, Option<Version>)>,
    acknowledged: u64,
}

impl Writer {
    fn new(kind: Kind, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed ^ (kind as u64) << 32);
        Self { kind, rng, last_version: 0, model: BTreeMap::new(), pending: None, acknowledged: 0 }
    }

    /// Works until the local cloud is gone.
    async fn work(mut self, reach: Reach) -> Self {
        loop {
            let thing = Thing(self.rng.random_range(0..THINGS));
            let exists = self.model.contains_key(&thing);
            let goes = exists && self.kind.is_deleted() && self.rng.random_range(0..4) == 0;
            self.last_version += 1;
            let after = (!goes).then_some(self.last_version);
            self.pending = Some((thing, after));
            let done = match after {
                Some(version) => reach.write(self.kind, thing, version, exists).await,
                None => reach.delete(self.kind, thing).await,
            };
            match done {
                Ok(()) => self.settle(thing, after),
                Err(Failure::Broken) => return self,
                Err(refused) => panic!("{:?} {thing:?}: {refused:?}", self.kind),
            }
        }
    }

    fn settle(&mut self, thing: Thing, after: Option<Version>) {
        self.acknowledged += 1;
        self.pending = None;
        match after {
            Some(version) => drop(self.model.insert(thing, version)),
            None => drop(self.model.remove(&thing)),
        }
    }

    /// Compares all things with the model, and takes over what became of the unanswered operation.
    async fn check(&mut self, reach: &Reach) {
        let pending = self.pending.take();
        for thing in (0..THINGS).map(Thing) {
            let (found, expected) = (reach.read(self.kind, thing).await, self.model.get(&thing).copied());
            match pending {
                Some((asked, after)) if asked == thing && found == after => self.settle(thing, after),
                _ => assert_eq!(found, expected, "{:?} {thing:?}, asked was {pending:?}", self.kind),
            }
        }
    }
}

/// Publishes numbered messages and acknowledges some of them.
struct Queue {
    rng: StdRng,
    last: u64,
    /// Acknowledged by the server, and not by us.
    there: BTreeSet<u64>,
    /// In one request that was not answered: all of them are there, or none.
    perhaps_there: Vec<u64>,
    /// In an acknowledgement that was not answered.
    perhaps_gone: BTreeSet<u64>,
}

impl Queue {
    fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let (there, perhaps_gone) = (BTreeSet::new(), BTreeSet::new());
        Self { rng, last: 0, there, perhaps_there: Vec::new(), perhaps_gone }
    }

    async fn work(mut self, rest: Rest) -> Self {
        loop {
            let step = if self.rng.random_range(0..3) < 2 {
                self.publish(&rest).await
            } else {
                self.take(&rest).await
            };
            match step {
                Ok(()) => {}
                Err(Failure::Broken) => return self,
                Err(refused) => panic!("{refused:?}"),
            }
        }
    }

    async fn publish(&mut self, rest: &Rest) -> Result<(), Failure> {
        let count = self.rng.random_range(1..20);
        let numbers: Vec<u64> = (1..=count).map(|more| self.last + more).collect();
        self.last += count;
        self.perhaps_there.clone_from(&numbers);
        let message = |number: &u64| json!({"attributes": {"n": number.to_string()}});
        let messages: Vec<_> = numbers.iter().map(message).collect();
        rest.json("POST", &format!("{TOPIC}:publish"), json!({"messages": messages})).await?;
        self.perhaps_there.clear();
        self.there.extend(numbers);
        Ok(())
    }

    async fn take(&mut self, rest: &Rest) -> Result<(), Failure> {
        let taken = pull(rest, self.rng.random_range(1..10)).await?;
        self.perhaps_gone = taken.values().copied().collect();
        acknowledge(rest, taken.keys()).await?;
        for number in std::mem::take(&mut self.perhaps_gone) {
            self.there.remove(&number);
        }
        Ok(())
    }

    /// Leases ended with the process: everything that is not acknowledged comes at once.
    async fn check(&mut self, rest: &Rest) {
        let mut found = BTreeSet::new();
        loop {
            let taken = pull(rest, 1000).await.expect("messages");
            if taken.is_empty() {
                break;
            }
            found.extend(taken.into_values());
        }
        let lost: Vec<_> = self.there.difference(&found).filter(|n| !self.perhaps_gone.contains(n)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let half = self.perhaps_there.iter().filter(|number| found.contains(number)).count();
        assert!(half == 0 || half == self.perhaps_there.len(), "half of a request: {:?}", self.perhaps_there);
        let known = |number: &&u64| !self.there.contains(number) && !self.perhaps_there.contains(number);
        let strange: Vec<_> = found.iter().filter(known).collect();
        assert!(strange.is_empty(), "acknowledged and there again: {strange:?}");
        self.there = found;
        self.perhaps_there.clear();
        self.perhaps_gone.clear();
    }
}

/// Message numbers by their ack ids.
async fn pull(rest: &Rest, most: u32) -> Result<BTreeMap<String, u64>, Failure> {
    let asked = json!({"maxMessages": most, "returnImmediately": true});
    let answer = rest.json("POST", &format!("{QUEUE}:pull"), asked).await?;
    let messages = answer["receivedMessages"].as_array().cloned().unwrap_or_default();
    let read = |received: serde_json::Value| {
        let number = received["message"]["attributes"]["n"].as_str().and_then(|n| n.parse().ok());
        (received["ackId"].as_str().expect("an id").to_owned(), number.expect("a number"))
    };
    Ok(messages.into_iter().map(read).collect())
}

async fn acknowledge(rest: &Rest, ids: impl Iterator<Item = &String>) -> Result<(), Failure> {
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    rest.json("POST", &format!("{QUEUE}:acknowledge"), json!({"ackIds": ids})).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_at_random_instants_and_nothing_is_half_there() {
    let (seed, rounds) = (from_environment("SEED", 4), from_environment("CRASH_ROUNDS", 4));
    eprintln!("SEED={seed} CRASH_ROUNDS={rounds}");
    let mut local = Killable::start().await;
    let rest = local.rest();
    rest.json("PUT", TOPIC, json!({})).await.expect("a topic");
    let queue = json!({"topic": "projects/fx-dev/topics/base", "ackDeadlineSeconds": 600});
    rest.json("PUT", QUEUE, queue).await.expect("a subscription");
    rest.json("POST", "/storage/v1/b?project=fx-dev", json!({"name": "base"})).await.expect("a bucket");
    let kubernetes = cluster(&rest, &local.state()).await;

    let mut reach = Reach { rest, kubernetes };
    let mut writers: Vec<Writer> = Kind::ALL.map(|kind| Writer::new(kind, seed)).into();
    let mut queue = Queue::new(seed);
    let mut instants = StdRng::seed_from_u64(seed);
    let mut round = 0;
    // On a busy machine a kill may come before anything was acknowledged: then there are more of them.
    while round < rounds || (round < MOST * rounds && writers.iter().any(|writer| writer.acknowledged == 0)) {
        let operation = begin_an_operation(&reach.rest, round).await;
        let queued = tokio::spawn(queue.work(reach.rest.clone()));
        let mut working: JoinSet<Writer> = writers.into_iter().map(|w| w.work(reach.clone())).collect();
        tokio::time::sleep(Duration::from_millis(instants.random_range(50..700))).await;
        local.kill();
        queue = queued.await.expect("a queue");
        writers = Vec::new();
        while let Some(writer) = working.join_next().await {
            writers.push(writer.expect("a writer"));
        }

        local.restart().await;
        let kubernetes = kubernetes_client(&local.state()).await;
        reach = Reach { rest: local.rest(), kubernetes };
        for writer in &mut writers {
            writer.check(&reach).await;
        }
        queue.check(&reach.rest).await;
        goes_on(&reach.rest, &operation, round).await;
        round += 1;
    }
    let counts: Vec<_> = writers.iter().map(|w| format!("{:?} {}", w.kind, w.acknowledged)).collect();
    eprintln!("acknowledged: {}, messages {}", counts.join(", "), queue.last);
    assert!(writers.iter().all(|writer| writer.acknowledged > 0), "{counts:?}");
}

/// Times as many rounds as were asked for, at most.
const MOST: u64 = 4;
const CLUSTER: &str = "/v1/projects/fx-dev/locations/europe-west1-b";

/// One that is still under way when the local cloud is killed.
async fn begin_an_operation(rest: &Rest, round: u64) -> String {
    let pool = json!({"nodePool": {"name": format!("p{round}"), "initialNodeCount": 0}});
    let path = format!("{CLUSTER}/clusters/main/nodePools");
    let begun = until("an operation", async || rest.json("POST", &path, pool.clone()).await.ok()).await;
    begun["name"].as_str().expect("a name").to_owned()
}

async fn goes_on(rest: &Rest, operation: &str, round: u64) {
    until("the operation's end", async || {
        let operation = rest.get(&format!("{CLUSTER}/operations/{operation}")).await.expect("an operation");
        (operation["status"] == "DONE").then_some(())
    })
    .await;
    rest.get(&format!("{CLUSTER}/clusters/main/nodePools/p{round}")).await.expect("the pool");
}
