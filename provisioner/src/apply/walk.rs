//! Which change of a graph may begin, told by those that have ended. Knows nothing of clouds.

use std::collections::BTreeSet;

use crate::graph::Graph;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Running,
    Done,
    Failed,
}

/// A walk through a graph.
pub(super) struct Walk<'a> {
    graph: &'a Graph,
    states: Vec<State>,
    /// For each change, how many of those that it waits for are not done.
    missing: Vec<usize>,
    wanted_by: Vec<Vec<usize>>,
    /// What may begin, in the order of the graph.
    ready: BTreeSet<usize>,
}

impl<'a> Walk<'a> {
    /// Of which nothing has begun.
    pub(super) fn of(graph: &'a Graph) -> Self {
        let mut wanted_by = vec![Vec::new(); graph.changes.len()];
        for (at, waits) in graph.waits_for.iter().enumerate() {
            for &first in waits {
                wanted_by[first].push(at);
            }
        }
        let missing: Vec<usize> = graph.waits_for.iter().map(Vec::len).collect();
        let ready = (0..missing.len()).filter(|&at| missing[at] == 0).collect();
        let states = vec![State::Waiting; graph.changes.len()];
        Self { graph, states, missing, wanted_by, ready }
    }

    /// Begins the first change that need not wait any more.
    pub(super) fn next(&mut self) -> Option<usize> {
        let at = self.ready.pop_first()?;
        self.states[at] = State::Running;
        Some(at)
    }

    /// Notes how a change ended.
    pub(super) fn ended(&mut self, at: usize, well: bool) {
        self.states[at] = if well { State::Done } else { State::Failed };
        for &next in self.wanted_by[at].iter().filter(|_| well) {
            self.missing[next] = self.missing[next].saturating_sub(1);
            if self.missing[next] == 0 {
                self.ready.insert(next);
            }
        }
    }

    /// What has begun and not ended.
    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        self.all(State::Running)
    }

    /// What has not begun.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> {
        self.all(State::Waiting)
    }

    /// What a change waits for that is not done: what failed goes before what waits itself.
    pub(super) fn missing(&self, at: usize) -> Option<usize> {
        let order = |first: &usize| match self.states[*first] {
            State::Failed => 0,
            State::Running => 1,
            State::Waiting => 2,
            State::Done => 3,
        };
        let missing = self.graph.waits_for[at].iter().copied().filter(|first| order(first) < 3);
        missing.min_by_key(order)
    }

    fn all(&self, state: State) -> impl Iterator<Item = usize> {
        (0..self.states.len()).filter(move |&at| self.states[at] == state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Action, Change};
    use crate::resource::{Desired, Live};
    use serde_json::Value;

    #[test]
    fn a_failure_stops_what_waits_for_it_and_nothing_else() {
        let change = |key: &str| {
            let (want, live) =
                (Desired::for_test("topic", key, Value::Null), Live::for_test("topic", key, Value::Null));
            Change::for_test(Action::Create, want, live)
        };
        let changes = ["a", "b", "after-a", "after-that", "after-b"].map(change).into();
        let graph = Graph { changes, waits_for: vec![vec![], vec![], vec![0], vec![2], vec![1]] };
        let mut walk = Walk::of(&graph);
        assert_eq!((walk.next(), walk.next(), walk.next()), (Some(0), Some(1), None));
        walk.ended(0, false);
        walk.ended(1, true);
        assert_eq!((walk.next(), walk.next()), (Some(4), None));
        assert_eq!(walk.running().collect::<Vec<_>>(), [4]);
        assert_eq!(walk.waiting().collect::<Vec<_>>(), [2, 3]);
        assert_eq!((walk.missing(2), walk.missing(3), walk.missing(4)), (Some(0), Some(2), None));
    }
}
