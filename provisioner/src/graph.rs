//! Orders changes. Knows nothing of clouds.

use std::collections::{BTreeSet, HashMap};

use crate::change::{Action, Change};
use crate::resource::{Address, Desired};

/// Changes with what each must wait for: indices into the same list, always smaller than its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// The changes, every one after those it waits for.
    pub changes: Vec<Change>,
    /// For each change, those that it waits for.
    pub waits_for: Vec<Vec<usize>>,
}

impl Graph {
    /// Orders changes. `deleted_after` names the kinds that must be gone before one of a kind goes.
    pub(crate) fn of(changes: Vec<Change>, deleted_after: impl Fn(&str) -> &'static [&'static str]) -> Self {
        // What is called otherwise now is made under its address, and goes under the same.
        let made = changes.iter().enumerate().filter(|(_, change)| change.desired.is_some());
        let at: HashMap<&Address, usize> = made.map(|(i, change)| (&change.address, i)).collect();
        let mut going: HashMap<(Action, &str), Vec<usize>> = HashMap::new();
        for (i, change) in changes.iter().enumerate() {
            going.entry((change.action, change.address.kind)).or_default().push(i);
        }
        let waits = |change: &Change| -> Vec<usize> {
            let needs = change.desired.iter().flat_map(|want| &want.needs);
            let needs = needs.filter_map(|need| at.get(need).copied());
            let before = if change.is_destructive() { deleted_after(change.address.kind) } else { &[] };
            // What is replaced stands on what goes, and after that on something else.
            let leaves: &[Action] = match change.action {
                Action::Delete => &[Action::Delete, Action::Replace],
                _ => &[Action::Delete],
            };
            let gone =
                before.iter().flat_map(|kind| leaves.iter().filter_map(|how| going.get(&(*how, *kind))));
            // A killed rename is found again from the outside in, so it goes from the inside out.
            let is_rename = change.action == Action::Rename;
            let renamed = changes.iter().enumerate().filter(|(_, other)| {
                let lies_in = other.live.as_ref().and_then(|live| live.inside.as_ref());
                is_rename
                    && other.action == Action::Rename
                    && (lies_in == Some(&change.address)
                        || deleted_after(change.address.kind).contains(&other.address.kind))
            });
            let before = gone.flatten().copied().chain(renamed.map(|(i, _)| i));
            let mut all: Vec<usize> = needs.chain(before).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let waits_for: Vec<Vec<usize>> = changes.iter().map(waits).collect();
        Self::sorted(changes, &waits_for)
    }

    /// The same changes, everything after what it waits for, and otherwise as they were.
    fn sorted(changes: Vec<Change>, waits_for: &[Vec<usize>]) -> Self {
        let order = order(waits_for);
        let mut place: Vec<Option<usize>> = vec![None; changes.len()];
        order.iter().enumerate().for_each(|(at, &i)| place[i] = Some(at));
        let mut changes: Vec<Option<Change>> = changes.into_iter().map(Some).collect();
        let in_order = |i: &usize| -> (Option<Change>, Vec<usize>) {
            let own = place[*i];
            let waits = waits_for[*i].iter().filter_map(|&w| place[w]).filter(|w| Some(*w) < own).collect();
            (changes[*i].take(), waits)
        };
        let (changes, waits_for): (Vec<_>, Vec<_>) = order.iter().map(in_order).unzip();
        Self { changes: changes.into_iter().flatten().collect(), waits_for }
    }
}

/// What waits for nothing in the order in which it stands; then, from the beginning again, what waited
/// only for that; and so on. Told by counting, for there may be thousands.
fn order(waits_for: &[Vec<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = waits_for.iter().map(Vec::len).collect();
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); waits_for.len()];
    for (i, waits) in waits_for.iter().enumerate() {
        for &first in waits {
            wanted_by[first].push(i);
        }
    }
    // By the pass through all that it is found in.
    let mut ready: BTreeSet<(usize, usize)> =
        (0..missing.len()).filter(|&i| missing[i] == 0).map(|i| (0, i)).collect();
    let mut left: BTreeSet<usize> = (0..missing.len()).collect();
    let mut order = Vec::with_capacity(missing.len());
    let mut pass = 0;
    while !left.is_empty() {
        // A circle can only come of a mistake in a kind. Broken at its first member, it is still
        // applied: the service will say what is missing.
        let Some(next) = ready.pop_first().or_else(|| left.first().map(|&i| (pass, i))) else { break };
        if !left.remove(&next.1) {
            continue;
        }
        pass = next.0;
        order.push(next.1);
        for &i in &wanted_by[next.1] {
            missing[i] = missing[i].saturating_sub(1);
            if missing[i] == 0 && left.contains(&i) {
                ready.insert((if i > next.1 { pass } else { pass + 1 }, i));
            }
        }
    }
    order
}

/// For each resource, how many others are made one after another before it can be: 0 for what waits
/// for nothing.
pub(crate) fn waves(resources: &[Desired]) -> Vec<usize> {
    let at: HashMap<&Address, usize> = resources.iter().enumerate().map(|(i, r)| (&r.address, i)).collect();
    let needs = |i: usize| resources[i].needs.iter().filter_map(|need| at.get(need).copied());
    let mut waiting: Vec<usize> = (0..resources.len()).map(|i| needs(i).count()).collect();
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); resources.len()];
    for i in 0..resources.len() {
        needs(i).for_each(|need| wanted_by[need].push(i));
    }
    let mut waves = vec![0; resources.len()];
    let mut ready: Vec<usize> = (0..resources.len()).filter(|&i| waiting[i] == 0).collect();
    while let Some(done) = ready.pop() {
        for &next in &wanted_by[done] {
            waves[next] = waves[next].max(waves[done] + 1);
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(next);
            }
        }
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Live;
    use serde_json::json;

    fn change(kind: &'static str, action: Action, needs: &[&'static str]) -> Change {
        let needs = needs.iter().map(|kind| Address::new(kind, "a")).collect();
        let desired = Desired { needs, ..Desired::for_test(kind, "a", json!({})) };
        Change { live: None, ..Change::for_test(action, desired, Live::for_test(kind, "a", json!({}))) }
    }

    fn order(changes: Vec<Change>) -> Vec<String> {
        let after =
            |kind: &str| -> &'static [&'static str] { if kind == "topic" { &["subscription"] } else { &[] } };
        let graph = Graph::of(changes, after);
        for (i, waits) in graph.waits_for.iter().enumerate() {
            assert!(waits.iter().all(|&w| w < i));
        }
        graph.changes.iter().map(|c| format!("{} {}", c.action.sign(), c.address.kind)).collect()
    }

    #[test]
    fn a_subscription_is_created_after_its_topic_and_deleted_before_it() {
        let create =
            [change("subscription", Action::Create, &["topic"]), change("topic", Action::Create, &[])];
        assert_eq!(order(create.into()), ["+ topic", "+ subscription"]);
        let delete = [change("topic", Action::Delete, &[]), change("subscription", Action::Delete, &[])];
        assert_eq!(order(delete.into()), ["- subscription", "- topic"]);
    }

    #[test]
    fn what_is_called_otherwise_comes_first_and_goes_when_nothing_stands_on_it() {
        let renamed = [
            change("topic", Action::Create, &[]),
            change("topic", Action::Delete, &[]),
            change("subscription", Action::Replace, &["topic"]),
        ];
        assert_eq!(order(renamed.into()), ["+ topic", "± subscription", "- topic"]);
    }

    #[test]
    fn a_circle_is_broken_and_not_followed_for_ever() {
        let circle = [change("a", Action::Create, &["b"]), change("b", Action::Create, &["a"])];
        assert_eq!(order(circle.into()), ["+ a", "+ b"]);
    }
}
