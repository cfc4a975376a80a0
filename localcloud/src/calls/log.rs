//! What became of the latest calls: a bounded log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::call::{Call, Peer};
use super::fault::Point;
use super::glob;

/// Calls that are remembered; of more the oldest go.
const REMEMBERED: usize = 1 << 16;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Calls are numbered as they come, from 1.
    pub number: u64,
    /// When it came.
    pub time: Timestamp,
    /// `owner`, or whom the token names.
    pub principal: String,
    /// The program that called, where that can be told.
    pub program: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// Its pod.
    pub pod: Option<String>,
    /// `pubsub.topics.publish` …
    pub method: String,
    /// `projects/p/topics/t` …
    pub resource: String,
    /// What the service answered, as soon as the call took effect: an HTTP status, or a code of gRPC.
    pub status: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// The faults that struck it.
    pub faults: Vec<u64>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It came, and is being handled.
    Began,
    /// It waits at a point until it is released.
    Held,
    /// It took effect, and is being answered.
    Effected,
    /// The whole answer went out.
    Answered,
    /// Its connection ended before the answer did.
    Dropped,
    /// It was answered with the error of a fault.
    Faulted,
    /// Its process was killed.
    Killed,
}

pub(super) struct Log {
    held: Mutex<Held>,
    changed: Notify,
}

struct Held {
    records: VecDeque<Record>,
    /// The number of the next call.
    next: u64,
}

pub(super) struct Record {
    pub(super) number: u64,
    pub(super) time: Timestamp,
    pub(super) caller: Peer,
    pub(super) method: &'static str,
    pub(super) resource: Arc<str>,
    pub(super) status: Option<Status>,
    pub(super) fate: Fate,
    pub(super) faults: Vec<u64>,
}

/// What a service answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    Http(u16),
    Grpc(tonic::Code),
}

impl Log {
    pub(super) fn new() -> Self {
        Self { held: Mutex::new(Held { records: VecDeque::new(), next: 1 }), changed: Notify::new() }
    }

    /// Notes that a call came; its number.
    pub(super) fn begin(&self, call: &Call, time: Timestamp) -> u64 {
        let mut held = self.held();
        let number = held.next;
        held.next += 1;
        if held.records.len() == REMEMBERED {
            held.records.pop_front();
        }
        held.records.push_back(Record {
            number,
            time,
            caller: call.caller.clone(),
            method: call.method.name,
            resource: call.resource.clone(),
            status: None,
            fate: Fate::Began,
            faults: Vec::new(),
        });
        drop(held);
        self.changed.notify_waiters();
        number
    }

    /// Notes what became of a call, if it is still remembered.
    pub(super) fn note(&self, number: u64, change: impl FnOnce(&mut Record)) {
        let mut held = self.held();
        let first = held.next - held.records.len() as u64;
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(record) = at.and_then(|at| held.records.get_mut(at)) {
            change(record);
        }
        drop(held);
        self.changed.notify_waiters();
    }

    /// The number that the next call will have.
    pub(super) fn next(&self) -> u64 {
        self.held().next
    }

    /// Reads the calls from a number on; those that are forgotten are not among them.
    pub(super) fn read<T>(&self, since: u64, mut read: impl FnMut(&Record) -> Option<T>) -> Vec<T> {
        let held = self.held();
        let from = held.records.partition_point(|record| record.number < since);
        held.records.range(from..).filter_map(&mut read).collect()
    }

    /// The number of the oldest call that is remembered.
    pub(super) fn oldest(&self) -> u64 {
        let held = self.held();
        held.next - held.records.len() as u64
    }

    /// Waits until a call from a number on is as asked.
    pub(super) async fn wait<T>(&self, since: u64, mut find: impl FnMut(&Record) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(found) = self.read(since, &mut find).into_iter().next() {
                return found;
            }
            changed.await;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Records are changed by single assignments: a panic elsewhere leaves them whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    fn text(self) -> String {
        match self {
            Self::Http(status) => status.to_string(),
            Self::Grpc(code) => super::failure::name_of(code).to_owned(),
        }
    }
}

impl Entry {
    /// Whether its method, resource and caller are those of a point.
    #[must_use]
    pub fn is_at(&self, point: &Point) -> bool {
        let pid = self.pid.map(|pid| pid.to_string());
        let callers = [Some(&self.principal), self.program.as_ref(), pid.as_ref(), self.pod.as_ref()];
        glob::matches(&point.method, &self.method)
            && glob::matches(&point.resource, &self.resource)
            && callers.into_iter().flatten().any(|caller| glob::matches(&point.caller, caller))
    }
}

impl From<&Record> for Entry {
    fn from(record: &Record) -> Self {
        let program = record.caller.program.as_deref();
        Self {
            number: record.number,
            time: record.time,
            principal: record.caller.principal.as_ref().into(),
            program: program.map(|program| program.name.clone()),
            pid: program.map(|program| program.pid),
            pod: program.and_then(|program| program.pod.clone()),
            method: record.method.into(),
            resource: record.resource.as_ref().into(),
            status: record.status.map(Status::text),
            fate: record.fate,
            faults: record.faults.clone(),
        }
    }
}
