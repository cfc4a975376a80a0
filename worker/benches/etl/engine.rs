//! The worker's engine over the series, in a process of its own.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use clients::{Bucket, Target};
use contract::{ColumnType, EtlConfig, Item, RunId};
use serde_json::json;
use worker::etl::{Etl, Host};
use worker::handler::{Body, Handler as _, Product, Work};
use worker::output::OutputTail;
use worker::secrets::Secrets;

const SQL: &str = include_str!("../../../examples/fx/features.sql");

/// Makes `worker.csv` of the input, and says what it cost.
pub(crate) fn run(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(worker::STACK)
        .enable_all()
        .build();
    let began = Instant::now();
    let product = runtime.expect("a runtime").block_on(make(folder));
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    let mut made = File::create(folder.join("worker.csv")).expect("a file");
    match product.outputs.into_iter().next().expect("an output").body {
        Body::Memory(bytes) => std::io::Write::write_all(&mut made, &bytes).expect("room"),
        Body::File(mut file) => drop(std::io::copy(&mut file, &mut made).expect("room")),
    }
    println!("{}", json!({ "seconds": seconds, "peak_kib": peak, "version": env!("CARGO_PKG_VERSION") }));
}

async fn make(folder: &Path) -> Product {
    let mut config = EtlConfig::new(&format!("file:{}", crate::INPUT), "gs://data/{item}.csv");
    config.schema = [("date", ColumnType::Timestamp), ("rate", ColumnType::Double)]
        .map(|(name, kind)| (name.to_owned(), kind.into()))
        .into();
    config.sql = Some(SQL.to_owned());
    if let Ok(mebibytes) = std::env::var("MEMORY_MIB") {
        config.memory = mebibytes.parse::<u64>().expect("MEMORY_MIB is a number") << 20;
    }
    let host = Host::of_worker(Some(folder.to_owned()), Secrets::default());
    let etl = Etl::prepare(&config, &host).await.expect("an engine");
    // Inputs of `file:` never touch the storage service: nothing listens there.
    let storage = Target::anonymous("http://127.0.0.1:9").storage().await.expect("clients");
    let storage = Bucket::new(storage, "none");
    let (run, item) = (RunId("etl-20260131-000000-01234567".to_owned()), Item("rates".to_owned()));
    let output = OutputTail::default();
    let work = Work {
        run: &run,
        item: &item,
        payload: None,
        attempt: 1,
        storage: &storage,
        stage: &|_| {},
        output: &output,
    };
    etl.process(work).await.unwrap_or_else(|error| panic!("{error}"))
}
