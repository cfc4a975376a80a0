//! Pulling, leasing and acking, with nothing done in between: the worker's layer and the bare
//! official client, in turn, over queues of their own with as many messages outstanding.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::RunId;
use serde_json::{Map, Value, json};
use worker::board::Board;
use worker::etl::Host;
use worker::farewell::Farewell;
use worker::handlers::Handlers;
use worker::item::Workbench;
use worker::protocol::Ledger;
use worker::pull::Puller;
use worker::runs::Runs;
use worker::secrets::Secrets;
use worker::settings::Settings;

use crate::cloud::{BUCKET, Cloud, topic};

/// Each is measured so often.
const ROUNDS: usize = 3;
/// Messages outstanding, and how many there are in all.
const CASES: [(u32, usize); 3] = [(10, 3_000), (100, 10_000), (1000, 200_000)];
/// Longest that one measurement takes.
const LONGEST: Duration = Duration::from_secs(6);

/// What came, from the first message on.
struct Drained {
    messages: usize,
    seconds: f64,
    /// Seconds of this process's CPU.
    cpu: f64,
}

/// Begins with the first message.
struct Watch {
    wanted: usize,
    messages: usize,
    began: Option<(Instant, f64)>,
}

impl Watch {
    fn new(wanted: usize) -> Self {
        Self { wanted, messages: 0, began: None }
    }

    /// One more; true when it is enough.
    fn counts(&mut self) -> bool {
        let (began, _) = self.began.get_or_insert_with(|| (Instant::now(), cpu()));
        self.messages += 1;
        self.messages == self.wanted || began.elapsed() > LONGEST
    }

    fn read(self) -> Drained {
        let (began, spent) = self.began.expect("a message");
        Drained { messages: self.messages, seconds: began.elapsed().as_secs_f64(), cpu: cpu() - spent }
    }
}

pub(crate) async fn measure(cloud: &Cloud) -> Value {
    // Messages of a run that is over take the whole way through the worker and are acked unread.
    let run = cloud.run("over-20260131-000000-00000000", Map::new()).await;
    cloud.close(&run).await;
    let mut cases = Vec::new();
    for (outstanding, messages) in CASES {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (who, into) in [("worker", &mut ours), ("client", &mut bare)] {
                let name = format!("{who}-{outstanding}-{round}");
                let subscription = cloud.queue(&name).await;
                cloud.publish(&name, &run, messages).await;
                let drained = match who {
                    "worker" => by_the_worker(cloud, &run, &name, &subscription, outstanding, messages).await,
                    _ => by_the_client(cloud, &subscription, outstanding, messages).await,
                };
                into.push(drained);
            }
        }
        let (ours, bare) = (told(&ours), told(&bare));
        let ratio = |of: &str| round(number(&ours[of]) / number(&bare[of]), 2);
        cases.push(json!({
            "outstanding": outstanding,
            "ratio": ratio("messages_per_second"),
            "ratio_of_cpu": ratio("cpu_microseconds_per_message"),
            "worker": ours,
            "official_client": bare,
        }));
        eprintln!("{}", cases[cases.len() - 1]);
    }
    cases.into()
}

async fn by_the_worker(
    cloud: &Cloud,
    run: &RunId,
    name: &str,
    subscription: &str,
    outstanding: u32,
    messages: usize,
) -> Drained {
    let settings = settings(run, name, subscription, outstanding);
    let (bucket, host) = (cloud.bucket().await, Host::of_worker(None, Secrets::default()));
    let board = Board::new(settings.us.clone());
    let (url, subscription) = (cloud.url(), subscription.to_owned());
    let connect = move || Ok(clients::Target::anonymous(&url).subscription(&subscription)?);
    let (puller, mut deliveries) = Puller::start(&settings, board.metrics(), connect).expect("a thread");
    let bench = Workbench {
        ledger: Ledger::new(bucket.clone(), settings.us.clone()),
        runs: Arc::new(Runs::new(bucket.clone(), Handlers::new(host, None))),
        farewell: Farewell::default(),
        board,
        bucket,
    };
    let mut watch = Watch::new(messages);
    while let Some(delivery) = deliveries.recv().await {
        bench.handle(delivery).await;
        if watch.counts() {
            break;
        }
    }
    let drained = watch.read();
    puller.ended(Duration::from_secs(10)).await;
    drained
}

async fn by_the_client(cloud: &Cloud, subscription: &str, outstanding: u32, messages: usize) -> Drained {
    let subscriber = cloud.target().subscriber().await.expect("a client");
    let mut stream = subscriber.subscribe(subscription).set_max_outstanding_messages(outstanding).build();
    let shutdown = stream.shutdown_token();
    let mut watch = Watch::new(messages);
    while let Some(next) = stream.next().await {
        let (message, handler) = next.expect("a message");
        black_box(message);
        handler.ack();
        if watch.counts() {
            break;
        }
    }
    let drained = watch.read();
    drop(stream);
    shutdown.shutdown().await;
    drained
}

fn settings(run: &RunId, name: &str, subscription: &str, outstanding: u32) -> Settings {
    use contract::environment as env;
    let settings = Settings::read(|variable| {
        Some(match variable {
            env::BUCKET => BUCKET.to_owned(),
            env::SUBSCRIPTION => subscription.to_owned(),
            env::TOPIC => topic(name),
            env::CONCURRENCY => outstanding.to_string(),
            env::RUN => run.0.clone(),
            env::INDEX => "0".to_owned(),
            env::POD | env::NODE => "bench".to_owned(),
            _ => return None,
        })
    });
    settings.expect("settings")
}

/// The median of some measurements.
fn told(all: &[Drained]) -> Value {
    let rates = all.iter().map(|one| one.messages as f64 / one.seconds);
    let costs = all.iter().map(|one| one.cpu / one.messages as f64 * 1e6);
    let rates: Vec<f64> = rates.map(|rate| round(rate, 0)).collect();
    json!({
        "messages_per_second": median(rates.clone()),
        "each": rates,
        "cpu_microseconds_per_message": round(median(costs.collect()), 1),
    })
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Seconds of CPU that this process has taken, in hundredths.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, after)| after).split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
