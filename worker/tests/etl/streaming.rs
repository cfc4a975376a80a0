//! Inputs that are larger than the memory.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "tests tell their figures")]

use std::fmt::Write as _;
use std::process::Command;

use crate::case::{Case, host, process};
use worker::etl::Etl;

const MEMORY: u64 = 32 << 20;
const ROWS: u64 = 700_000;
/// Set for the process that does the work, so that its memory can be measured.
const CHILD: &str = "PROVISION_TEST_STREAMING";

#[tokio::test]
async fn an_input_several_times_larger_than_memory_is_sorted() {
    if std::env::var_os(CHILD).is_some() {
        return sort().await;
    }
    let program = std::env::current_exe().expect("a program");
    let test = "streaming::an_input_several_times_larger_than_memory_is_sorted";
    let child = Command::new(program).args(["--exact", test, "--nocapture"]).env(CHILD, "1").output();
    let child = child.expect("an end");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let figure = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
        line.trim().parse::<u64>().expect("a number")
    };
    let (input, peak) = (figure("input MiB:"), figure("peak MiB:"));
    eprintln!(
        "{input} MiB sorted with `memory` of {} MiB; peak of the whole process {peak} MiB",
        MEMORY >> 20
    );
    assert!(input > 10 * (MEMORY >> 20) && peak < input);
}

async fn sort() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut input = String::from("id,key,text\n");
    let mut file = std::fs::File::create(folder.path().join("in.csv")).expect("a file");
    let text = "x".repeat(480);
    for id in 0..ROWS {
        writeln!(input, "{id},{},{text}", id.wrapping_mul(7919) % ROWS).expect("memory");
        if input.len() > 1 << 20 || id + 1 == ROWS {
            std::io::Write::write_all(&mut file, input.as_bytes()).expect("room");
            input.clear();
        }
    }
    let size = file.metadata().expect("a file").len();
    drop(file);
    let case = Case::of("none.csv", &[("id", "int"), ("key", "int"), ("text", "string")], "")
        .sql("SELECT id, key, text FROM input ORDER BY key")
        .with(|config| {
            "file:in.csv".clone_into(&mut config.extract);
            config.memory = MEMORY;
        });
    let etl = Etl::prepare(&case.config, &host(folder.path())).await.expect("an engine");
    let product = process(&etl, "x").await.expect("a product");
    assert_eq!(product.rows_out, Some(ROWS));
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("\ninput MiB: {}\npeak MiB: {}", size >> 20, peak >> 10);
}
