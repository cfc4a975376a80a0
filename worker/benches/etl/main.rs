//! What the fx example's transform costs over a long input, and how right it is, beside pandas and
//! Polars. JSON on stdout; `just bench-etl`. `ROWS=` says how long, `PYTHON=` names the interpreter.
//!
//! Each engine is a process of its own, from one CSV file to another, so that its memory is its own.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench tells, or cannot go on"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

mod engine;
mod exact;
mod series;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};

/// Set for the process that runs the engine; the folder that it works in.
const ROLE: &str = "BENCH_ETL";
const ROWS: usize = 10_000_000;
const INPUT: &str = "rates.csv";
const PEERS: [&str; 2] = ["pandas", "polars"];

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(ROLE) {
        engine::run(Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    let rows = std::env::var("ROWS").map_or(ROWS, |rows| rows.parse().expect("ROWS is a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let rates = series::rates(rows);
    let bytes = series::write(&rates, &folder.path().join(INPUT));
    let program = std::env::current_exe().expect("a program");
    let mut worker = Command::new(program);
    worker.env(ROLE, folder.path());
    let mut engines = vec![tell("worker", worker, &rates, folder.path())];
    let python = std::env::var_os("PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    for peer in PEERS {
        if has(&python, peer) {
            let mut command = Command::new(&python);
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/etl/peers.py");
            command.arg(script).arg(peer).current_dir(folder.path());
            engines.push(tell(peer, command, &rates, folder.path()));
        } else {
            eprintln!(
                "SKIPPED: {peer} ({} does not have it; name one that has with PYTHON=)",
                python.display()
            );
        }
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let machine = json!({ "cores": cores, "load": load.split(' ').next() });
    let figures = json!({ "machine": machine, "rows": rows, "input_bytes": bytes, "engines": engines });
    println!("{figures:#}");
    ExitCode::SUCCESS
}

fn has(python: &Path, library: &str) -> bool {
    let mut look = Command::new(python);
    look.args(["-c", &format!("import {library}")]);
    let found = look.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Runs an engine, which says how long it took and what it held, and judges its output.
fn tell(name: &str, mut command: Command, rates: &[f64], folder: &Path) -> Value {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("it starts");
    if !output.status.success() {
        let wrong = json!({ "engine": name, "ended": output.status.to_string() });
        eprintln!("{wrong}");
        return wrong;
    }
    let said: Value = serde_json::from_slice(&output.stdout).expect("figures");
    let seconds = said["seconds"].as_f64().expect("seconds");
    let made = folder.join(format!("{name}.csv"));
    let figures = json!({
        "engine": name,
        "version": said["version"],
        "seconds": (seconds * 10.0).round() / 10.0,
        "rows_per_second": (rates.len() as f64 / seconds).round(),
        "peak_mib": said["peak_kib"].as_u64().expect("a peak") >> 10,
        "errors": exact::judge(&made, rates),
    });
    std::fs::remove_file(made).expect("its output");
    eprintln!("{figures}");
    figures
}
