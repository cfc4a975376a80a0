//! How a stack stands, as text.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::cost::standing;
use super::counted;
use super::plain::one_line;
use super::runs::line;
use super::stacks::span;
use crate::runs::{OpenRun, Pods, Queue};
use crate::status::{Is, PoolStatus, ResourceStatus, StackStatus};

/// Column that the state begins in.
const STATES: usize = 44;

/// How a stack stands.
pub(crate) fn status_text(status: &StackStatus, words: &str, now: Timestamp) -> String {
    let mut text = format!("stack {}, project {}\n", status.stack, status.project);
    push_resources(&mut text, status, words);
    text.push('\n');
    if status.runs.is_empty() {
        text.push_str("no open run\n");
    } else {
        push_queue(&mut text, &status.queue, now);
    }
    for run in &status.runs {
        push_run(&mut text, run, now);
    }
    text.push_str(&standing(&status.cost));
    text
}

/// Those of which there is something to tell; how many others there are.
fn push_resources(text: &mut String, status: &StackStatus, words: &str) {
    // APIs are the project's: they stay when a stack goes.
    let mut own = status.resources.iter().filter(|resource| resource.address.kind != "api");
    if own.all(|resource| resource.is == Is::Missing) {
        let _ = writeln!(text, "nothing of it is there: `provision apply{words}` makes it");
        return;
    }
    let all = status.resources.len() as u64;
    match status.differences.len() {
        0 => {
            let _ = writeln!(text, "{}, as the file says", counted(all, "resource"));
        }
        count => {
            let _ = writeln!(
                text,
                "{}, {count} differ from the file (`provision plan{words}` shows how)",
                counted(all, "resource")
            );
        }
    }
    let mut others = 0;
    for resource in &status.resources {
        let told = told(resource, status);
        if told.is_empty() {
            others += 1;
            continue;
        }
        let address = resource.address.to_string();
        let _ = writeln!(text, "  {address:<STATES$} {}", told.join(", "));
        for condition in resource.health.iter().flat_map(|health| &health.conditions) {
            let _ = writeln!(text, "    {}", one_line(condition));
        }
    }
    if others > 0 {
        let _ = writeln!(text, "  and {others} that have no state of their own");
    }
}

/// What there is to tell of a resource.
fn told(resource: &ResourceStatus, status: &StackStatus) -> Vec<String> {
    let mut told = Vec::new();
    told.extend(resource.health.as_ref().map(|health| match health.is_well {
        true => health.state.clone(),
        false => format!("{} (not well)", health.state),
    }));
    told.extend(match resource.is {
        Is::AsDeclared => None,
        Is::Different => Some("differs from the file".to_owned()),
        Is::Missing => Some("missing".to_owned()),
        Is::Undeclared => Some("not in the file any more".to_owned()),
        Is::Unknown => Some("unknown: these credentials may not look".to_owned()),
    });
    let pool = status.pools.get(&resource.address.key).filter(|_| resource.address.kind == "node_pool");
    told.extend(pool.map(nodes));
    told
}

fn nodes(pool: &PoolStatus) -> String {
    let PoolStatus { ready, nodes, min, max } = pool;
    let bounds = if min == max { format!("fixed at {max}") } else { format!("from {min} to {max}") };
    format!("{ready} of {} ready ({bounds})", counted(*nodes as u64, "node"))
}

fn push_queue(text: &mut String, queue: &Queue, now: Timestamp) {
    let Queue { open, in_flight, retrying, oldest } = queue;
    let age = oldest.map(|since| format!(", the oldest for {}", span(since, now))).unwrap_or_default();
    let _ = writeln!(text, "queue: {open} open{age}; {in_flight} in flight, {retrying} to be tried again");
}

fn push_run(text: &mut String, run: &OpenRun, now: Timestamp) {
    let _ = writeln!(text, "run {}", line(&run.status));
    let receipt = match run.last_receipt {
        Some(at) => format!("last receipt {} ago", span(at, now)),
        None => format!("no receipt in {}", span(run.status.created, now)),
    };
    let Pods { pending, running, succeeded, failed } = run.pods;
    let _ = writeln!(
        text,
        "  {receipt}; {}; pods: {pending} pending, {running} running, {succeeded} succeeded, {failed} failed",
        counted(run.workers as u64, "worker"),
    );
    for reason in &run.reasons {
        let _ = writeln!(text, "  {reason}");
    }
}
