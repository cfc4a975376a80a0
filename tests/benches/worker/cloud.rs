//! The local cloud of a bench, in a process of its own, with queues, runs and latencies.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clients::{Bucket, Conditional, Target};
use contract::{Closed, Handler, LibraryConfig, Message, Outcome, RunId, RunRecord, WorkerConfig, layout};
use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use localcloud::Settings;
use localcloud::calls::{Entry, Fault, Latency, Point, What};
use localcloud::daemon::{self, Daemon};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::sleep;

/// Set for the process that serves; its folder.
pub(crate) const ROLE: &str = "BENCH_CLOUD";
/// The bucket of runs and outputs.
pub(crate) const BUCKET: &str = "bench-data";
/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_mins(5);

/// Serves until it is killed.
pub(crate) fn serve(folder: &Path) {
    let program = std::env::current_exe().expect("a program");
    let settings = Settings {
        folder: folder.join("local"),
        working_folder: folder.to_owned(),
        worker_program: program.clone(),
        port: 0,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(daemon::serve(settings, &program)).expect("a local cloud");
}

/// It ends with this.
pub(crate) struct Cloud {
    process: Child,
    daemon: Daemon,
    target: Target,
    pub(crate) folder: tempfile::TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = std::env::current_exe().expect("a program");
        let mut command = Command::new(program);
        command.env(ROLE, folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().expect("a local cloud");
        let daemon = until("the local cloud serves", async || {
            Daemon::find(&folder.path().join("local")).await.expect("its folder can be read")
        });
        let daemon = daemon.await;
        let target = Target::anonymous(&daemon.endpoints().url);
        let (_, control) = target.storage().await.expect("a client");
        let bucket = google_cloud_storage::model::Bucket::new().set_project("projects/local-cloud");
        let create = control.create_bucket().set_parent("projects/_").set_bucket_id(BUCKET);
        create.set_bucket(bucket).send().await.expect("a bucket");
        Self { process, daemon, target, folder }
    }

    pub(crate) fn url(&self) -> String {
        self.daemon.endpoints().url
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) async fn bucket(&self) -> Bucket {
        Bucket::new(self.target.storage().await.expect("clients"), BUCKET)
    }

    /// A topic with a subscription, by which it is called.
    pub(crate) async fn queue(&self, name: &str) -> String {
        let (topic, subscription) = (topic(name), format!("projects/local-cloud/subscriptions/{name}"));
        // First of all a client of ours: it brings the provider of TLS, which the others want too.
        self.target.publisher().await.expect("a client");
        let admin = TopicAdmin::builder().with_endpoint(self.url());
        let admin = admin.with_credentials(self.target.credentials.clone()).build().await.expect("a client");
        admin.create_topic().set_name(&topic).send().await.expect("a topic");
        let admin = SubscriptionAdmin::builder().with_endpoint(self.url());
        let admin = admin.with_credentials(self.target.credentials.clone()).build().await.expect("a client");
        let create = admin.create_subscription().set_name(&subscription).set_topic(&topic);
        create.set_ack_deadline_seconds(60).send().await.expect("a subscription");
        subscription
    }

    /// Records a run of the bench's own handler.
    pub(crate) async fn run(&self, name: &str, config: Map<String, Value>) -> RunId {
        let run = RunId(name.to_owned());
        let library = LibraryConfig { program: "bench".to_owned(), config };
        let record = RunRecord {
            format: 1,
            run: run.clone(),
            job: "bench".to_owned(),
            stack: "bench".to_owned(),
            created: jiff::Timestamp::now(),
            by: "bench".to_owned(),
            count: 0,
            items_sha256: String::new(),
            config: WorkerConfig {
                handler: Handler::Library(library),
                attempts: 3,
                item_timeout_seconds: 600,
                retry: contract::RetrySpacing::default(),
            },
            config_sha256: String::new(),
            image: None,
            topic: topic(name),
            subscription: String::new(),
            workers: 1,
            max_run_time_seconds: 3600,
            max_cost: None,
            fleet: None,
            retry_of: None,
        };
        self.write(&layout::items(&run), &()).await;
        self.write(&layout::run(&run), &record).await;
        run
    }

    /// Closes a run: its messages are acked unread from here on.
    pub(crate) async fn close(&self, run: &RunId) {
        let closed = Closed {
            outcome: Outcome::Done,
            at: jiff::Timestamp::now(),
            done: 0,
            failed: 0,
            seconds: 0.0,
            preemptions: 0,
            reason: None,
        };
        self.write(&layout::closed(run), &closed).await;
    }

    async fn write(&self, object: &str, value: &impl Serialize) {
        let written = self.bucket().await.create_json(object, value, clients::Metadata::new()).await;
        assert!(matches!(written, Ok(Conditional::Stored(_))), "{written:?}");
    }

    /// Publishes a message for each item.
    pub(crate) async fn publish(&self, name: &str, run: &RunId, items: usize) {
        let message =
            |at| Message { run: run.clone(), item: contract::Item(format!("i{at:06}")), payload: None };
        scenarios::publish(&self.url(), &topic(name), (0..items).map(message)).await;
    }

    /// From here on every storage call and every ack takes so much longer.
    pub(crate) async fn slow_down(&self, latency: Duration) {
        if latency.is_zero() {
            return;
        }
        for method in ["storage.objects.*", "pubsub.subscriptions.acknowledge"] {
            let fault = Fault::always(Point::before(method), What::Delay(Latency::Fixed(latency)));
            self.daemon.fault(&fault).await.expect("a fault that can strike");
        }
    }

    pub(crate) async fn speed_up(&self) {
        self.daemon.clear(None).await.expect("the local cloud answers");
    }

    pub(crate) async fn mark(&self) -> u64 {
        self.daemon.mark().await.expect("the local cloud answers")
    }

    pub(crate) async fn calls(&self, mark: u64) -> Vec<Entry> {
        self.daemon.calls_since(mark).await.expect("the local cloud answers")
    }

    /// Waits until every message of a subscription is acked.
    pub(crate) async fn drained(&self, subscription: &str) {
        let drained = until("every message is acked", async || {
            let status = self.daemon.status().await.expect("the local cloud answers");
            let ours = status.subscriptions.iter().find(|one| one.name == subscription)?;
            (ours.undelivered == 0).then_some(())
        });
        drained.await;
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The topic of a queue.
pub(crate) fn topic(name: &str) -> String {
    format!("projects/local-cloud/topics/{name}")
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {} s in vain: {what}", PATIENCE.as_secs());
        sleep(Duration::from_millis(50)).await;
    }
}
