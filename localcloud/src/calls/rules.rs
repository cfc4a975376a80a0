//! The faults that are set: which of them strike a call at a point.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::call::Peer;
use super::fault::{Fault, Moment, Point};
use super::glob;

/// A fault that is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetFault {
    /// By which it is released and removed.
    pub id: u64,
    /// What it does.
    #[serde(flatten)]
    pub fault: Fault,
    /// Calls that reached its point.
    pub reached: u64,
    /// Calls that it struck.
    pub struck: u64,
}

pub(super) struct Rules {
    all: RwLock<Vec<Arc<Rule>>>,
    /// Whether there is any: what every call asks.
    any: AtomicBool,
    last: AtomicU64,
}

pub(super) struct Rule {
    pub(super) id: u64,
    pub(super) fault: Fault,
    reached: AtomicU64,
    struck: AtomicU64,
    /// Whoever waits at it goes on, for good.
    pub(super) released: CancellationToken,
}

/// A rule that strikes a call: the `count`th that reached it.
pub(super) struct Strike {
    pub(super) rule: Arc<Rule>,
    pub(super) count: u64,
}

impl Rules {
    pub(super) fn new() -> Self {
        Self { all: RwLock::default(), any: AtomicBool::new(false), last: AtomicU64::new(0) }
    }

    pub(super) fn add(&self, fault: Fault) -> u64 {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (reached, struck) = (AtomicU64::new(0), AtomicU64::new(0));
        let rule = Rule { id, fault, reached, struck, released: CancellationToken::new() };
        self.change(|all| all.push(Arc::new(rule)));
        id
    }

    /// Takes one away, or all; whoever waits there goes on. How many there were.
    pub(super) fn remove(&self, id: Option<u64>) -> usize {
        self.change(|all| {
            let (gone, kept) = all.drain(..).partition(|rule: &Arc<Rule>| id.is_none_or(|id| id == rule.id));
            *all = kept;
            let gone: Vec<Arc<Rule>> = gone;
            for rule in &gone {
                rule.released.cancel();
            }
            gone.len()
        })
    }

    /// Lets those go on that wait at a fault. Whether there is such a fault.
    pub(super) fn release(&self, id: u64) -> bool {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let rule = all.iter().find(|rule| rule.id == id);
        rule.inspect(|rule| rule.released.cancel()).is_some()
    }

    pub(super) fn list(&self) -> Vec<SetFault> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let shown = |rule: &Arc<Rule>| SetFault {
            id: rule.id,
            fault: rule.fault.clone(),
            reached: rule.reached.load(Ordering::Relaxed),
            struck: rule.struck.load(Ordering::Relaxed),
        };
        all.iter().map(shown).collect()
    }

    /// The rules that strike a call at a moment, in the order in which they were set.
    pub(super) fn strike(&self, method: &str, resource: &str, caller: &Peer, moment: Moment) -> Vec<Strike> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let here = all.iter().filter(|rule| rule.fault.point.is_at(method, resource, caller, moment));
        here.filter_map(|rule| {
            let count = rule.reached.fetch_add(1, Ordering::Relaxed) + 1;
            rule.fault.when.strikes(count).then(|| {
                rule.struck.fetch_add(1, Ordering::Relaxed);
                Strike { rule: rule.clone(), count }
            })
        })
        .collect()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Arc<Rule>>) -> T) -> T {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut all);
        self.any.store(!all.is_empty(), Ordering::Release);
        changed
    }
}

impl Point {
    pub(super) fn is_at(&self, method: &str, resource: &str, caller: &Peer, moment: Moment) -> bool {
        self.moment == moment && self.is_of(method, resource, caller)
    }

    /// Whether a call passes here, now or later.
    pub(super) fn is_of(&self, method: &str, resource: &str, caller: &Peer) -> bool {
        glob::matches(&self.method, method)
            && glob::matches(&self.resource, resource)
            && (self.caller.is_empty() || caller.names().any(|name| glob::matches(&self.caller, &name)))
    }
}
