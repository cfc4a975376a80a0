//! What a run's workers and their nodes came to, told from what each worker last said of itself. Pure.

use std::collections::{BTreeMap, HashMap};

use contract::{WorkerProgress, WorkerState};

/// The workers of a run; times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Crew {
    /// When each pod was last heard of.
    pub heard: HashMap<String, i64>,
    /// From when to when each worker was there.
    pub workers: Vec<(i64, i64)>,
    /// From when to when workers were seen on each node.
    pub nodes: BTreeMap<String, (i64, i64)>,
    /// When nodes went away under a worker that had to be replaced, one for each.
    pub preempted: Vec<i64>,
    /// Time in which an index had no pod: from the last of one worker to the first of the next.
    pub backoff_ms: i64,
}

impl Crew {
    /// Of the workers of a run that ended, or is looked at, at `until`.
    pub(super) fn of(workers: &[WorkerProgress], is_open: bool, until: i64) -> Self {
        let mut indexes: BTreeMap<u32, Vec<&WorkerProgress>> = BTreeMap::new();
        for worker in workers {
            indexes.entry(worker.index).or_default().push(worker);
        }
        let mut crew = Self::default();
        let mut preempted: BTreeMap<&str, i64> = BTreeMap::new();
        for pods in indexes.values_mut() {
            pods.sort_by_key(|worker| worker.started);
            for (at, worker) in pods.iter().enumerate() {
                let (began, said) = (worker.started.as_millisecond(), worker.at.as_millisecond());
                let next = pods.get(at + 1).map(|next| next.started.as_millisecond());
                // What it does since it last spoke, it does until now.
                let at_work = is_open && next.is_none() && worker.state == WorkerState::Running;
                let last = if at_work { until } else { said }.max(began);
                crew.add(worker, began, last);
                if let Some(next) = next.filter(|_| worker.state != WorkerState::Finished) {
                    crew.backoff_ms += (next - last).max(0);
                    let latest = preempted.entry(&worker.node).or_insert(last);
                    *latest = (*latest).max(last);
                }
            }
        }
        crew.preempted = preempted.into_values().collect();
        crew.preempted.sort_unstable();
        crew
    }

    fn add(&mut self, worker: &WorkerProgress, began: i64, last: i64) {
        self.heard.insert(worker.pod.clone(), last);
        self.workers.push((began, last));
        let node = self.nodes.entry(worker.node.clone()).or_insert((began, last));
        *node = (node.0.min(began), node.1.max(last));
    }

    /// Time for which nodes were held by workers, each from its first to its last sign.
    pub(super) fn node_ms(&self) -> i64 {
        self.nodes.values().map(|(first, last)| last - first).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn worker(index: u32, node: &str, from: i64, to: i64, state: WorkerState) -> WorkerProgress {
        let time = |second| Timestamp::from_second(second).expect("a time");
        WorkerProgress {
            pod: format!("{index}-{from}"),
            node: node.into(),
            index,
            state,
            at: time(to),
            started: time(from),
            done: 0,
            failed: 0,
            retried: 0,
            in_flight: Vec::new(),
        }
    }

    #[test]
    fn nodes_count_from_the_first_to_the_last_sign_of_a_worker() {
        use WorkerState::{Finished, Running, Terminated};
        let workers = [
            worker(0, "a", 10, 40, Terminated),
            worker(1, "a", 20, 50, Finished),
            worker(0, "b", 45, 60, Running),
            worker(2, "c", 10, 15, Running),
        ];
        let crew = Crew::of(&workers, false, 100_000);
        assert_eq!(crew.node_ms(), 40_000 + 15_000 + 5_000);
        assert_eq!((crew.backoff_ms, crew.preempted.clone()), (5_000, vec![40_000]));
        assert_eq!(crew.heard["2-10"], 15_000);
        // While the run is open, who has not left is at work.
        let crew = Crew::of(&workers, true, 100_000);
        assert_eq!(crew.node_ms(), 40_000 + 55_000 + 90_000);
    }

    #[test]
    fn a_worker_that_had_finished_was_not_preempted() {
        let workers =
            [worker(0, "a", 10, 40, WorkerState::Finished), worker(0, "b", 60, 70, WorkerState::Finished)];
        let crew = Crew::of(&workers, false, 0);
        assert_eq!((crew.backoff_ms, crew.preempted), (0, Vec::new()));
    }
}
