//! What of a plan is meant when only some addresses are asked for: these, what they need, and what
//! goes with them. Knows nothing of clouds.

use std::collections::HashSet;

use serde_json::Value;

use crate::change::{Action, Change};
use crate::graph::Graph;
use crate::resource::{Address, Live};
use crate::stack::nearest;

/// An address that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("--target {address}: it is neither in the file nor something that the stack owns{help}")]
pub(crate) struct Unknown {
    address: String,
    help: String,
}

/// The addresses that are asked for, each one of `known`.
pub(crate) fn resolved(targets: &[String], known: &[Address]) -> Result<HashSet<Address>, Unknown> {
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let one = |target: &String| {
        let found = names.iter().position(|name| name == target);
        found.map(|at| known[at].clone()).ok_or_else(|| {
            let near = nearest(target, names.iter().map(String::as_str));
            let of_kind = || same_kind(target, &names);
            let help = near.map(|near| format!("; did you mean {near}?")).or_else(of_kind);
            Unknown { address: target.clone(), help: help.unwrap_or_default() }
        })
    };
    targets.iter().map(one).collect()
}

/// Addresses of the same kind, for whoever misremembers the key.
fn same_kind(target: &str, names: &[String]) -> Option<String> {
    let (kind, _) = target.split_once('.')?;
    let alike = names.iter().filter(|name| name.split_once('.').is_some_and(|(other, _)| other == kind));
    let alike: Vec<&str> = alike.take(5).map(String::as_str).collect();
    (!alike.is_empty()).then(|| format!("; there are {}", alike.join(", ")))
}

/// The changes that are meant, and how many are not.
pub(crate) fn only_meant(graph: Graph, targets: &HashSet<Address>) -> (Vec<Change>, usize) {
    let is_meant = meant(&graph, targets);
    let all = graph.changes.into_iter().zip(is_meant);
    let (meant, left_out): (Vec<_>, Vec<_>) = all.partition(|(_, is_meant)| *is_meant);
    (meant.into_iter().map(|(change, _)| change).collect(), left_out.len())
}

/// Keeps of what goes only what goes with the targets, if there are any; how many do not go.
pub(crate) fn only_ending(live: &mut Vec<Live>, targets: &HashSet<Address>) -> usize {
    if targets.is_empty() {
        return 0;
    }
    let ends = ending(live, targets);
    let all = std::mem::take(live).into_iter().zip(ends);
    let (going, staying): (Vec<_>, Vec<_>) = all.partition(|(_, ends)| *ends);
    *live = going.into_iter().map(|(live, _)| live).collect();
    staying.len()
}

/// Which changes are meant: the targets', those of what they need, and of what is replaced all that
/// lies in it.
fn meant(graph: &Graph, targets: &HashSet<Address>) -> Vec<bool> {
    let changes = &graph.changes;
    let mut meant: Vec<bool> = changes.iter().map(|change| targets.contains(&change.address)).collect();
    let mut left: Vec<usize> = (0..changes.len()).filter(|&at| meant[at]).collect();
    while let Some(at) = left.pop() {
        let change = &changes[at];
        let id = change.live.as_ref().map_or("", |live| live.id.as_str());
        let needed = graph.waits_for[at].iter().copied().filter(|&first| {
            let wanted =
                change.desired.as_ref().is_some_and(|want| want.needs.contains(&changes[first].address));
            // What goes first because of its kind alone may stay; what speaks of the target may not.
            wanted || changes[first].live.as_ref().is_some_and(|live| speaks_of(live, id))
        });
        let inside = (0..changes.len()).filter(|&other| {
            let lies_in = changes[other].desired.as_ref().and_then(|want| want.inside.as_ref());
            change.action == Action::Replace && lies_in == Some(&change.address)
        });
        let more: Vec<usize> = needed.chain(inside).filter(|&other| !meant[other]).collect();
        for &other in &more {
            meant[other] = true;
        }
        left.extend(more);
    }
    meant
}

/// What of the live resources ends with the targets: these, what lies in them, and what speaks of them.
fn ending(live: &[Live], targets: &HashSet<Address>) -> Vec<bool> {
    let mut ends: Vec<bool> = live.iter().map(|live| targets.contains(&live.address)).collect();
    let mut left: Vec<usize> = (0..live.len()).filter(|&at| ends[at]).collect();
    while let Some(at) = left.pop() {
        let gone = &live[at];
        let goes = |other: &Live| other.inside.as_ref() == Some(&gone.address) || speaks_of(other, &gone.id);
        let more: Vec<usize> = (0..live.len()).filter(|&other| !ends[other] && goes(&live[other])).collect();
        for &other in &more {
            ends[other] = true;
        }
        left.extend(more);
    }
    ends
}

/// Whether a resource names another in its own name or in any of its fields.
fn speaks_of(live: &Live, id: &str) -> bool {
    !id.is_empty()
        && live.id != id
        && (names(&live.id, id) || any_text(&live.fields, &|text| names(text, id)))
}

fn any_text(value: &Value, is: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, is)),
        Value::Object(entries) => entries.values().any(|item| any_text(item, is)),
        _ => false,
    }
}

/// Whether a text has a name in it, and not as a part of a longer one.
fn names(text: &str, name: &str) -> bool {
    let goes_on =
        |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    text.match_indices(name).any(|(at, _)| {
        !goes_on(text[..at].chars().next_back()) && !goes_on(text[at + name.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Desired;

    fn address(text: &str) -> Address {
        let (kind, key) = text.split_once('.').expect("an address");
        let kinds = ["topic", "subscription", "bucket", "bucket_file", "job"];
        Address::new(kinds.into_iter().find(|known| *known == kind).expect("a kind"), key)
    }

    fn live(text: &str, fields: Value) -> Live {
        let Address { kind, key } = address(text);
        let id = format!("projects/p/{}", text.replace('.', "s/"));
        Live { id, ..Live::for_test(kind, &key, fields) }
    }

    fn change(action: Action, text: &str, needs: &[&str], fields: Value) -> Change {
        let Address { kind, key } = address(text);
        let want = Desired {
            needs: needs.iter().map(|need| address(need)).collect(),
            inside: needs.first().map(|need| address(need)).filter(|_| text.starts_with("bucket_file")),
            ..Desired::for_test(kind, &key, json!({}))
        };
        Change::for_test(action, want, live(text, fields))
    }

    fn chosen(changes: Vec<Change>, targets: &[&str]) -> Vec<String> {
        let after =
            |kind: &str| -> &'static [&'static str] { if kind == "topic" { &["subscription"] } else { &[] } };
        let graph = Graph::of(changes, after);
        let targets = targets.iter().map(|target| address(target)).collect();
        let meant = meant(&graph, &targets);
        let chosen = graph.changes.iter().zip(meant).filter(|(_, meant)| *meant);
        chosen.map(|(change, _)| change.address.to_string()).collect()
    }

    #[test]
    fn a_target_brings_what_it_needs_and_nothing_that_needs_it() {
        use Action::Create;
        let changes = || {
            vec![
                change(Create, "topic.a", &[], json!({})),
                change(Create, "topic.b", &[], json!({})),
                change(Create, "subscription.s", &["topic.a"], json!({})),
                change(Create, "job.j", &["subscription.s"], json!({})),
            ]
        };
        assert_eq!(chosen(changes(), &["subscription.s"]), ["topic.a", "subscription.s"]);
        assert_eq!(chosen(changes(), &["topic.b"]), ["topic.b"]);
        assert_eq!(chosen(changes(), &["job.j", "topic.b"]).len(), 4);
    }

    #[test]
    fn what_lies_in_a_replaced_target_is_made_again_with_it() {
        let changes = vec![
            change(Action::Replace, "bucket.data", &[], json!({})),
            change(Action::Create, "bucket_file.data/a", &["bucket.data"], json!({})),
            change(Action::Create, "bucket_file.other/a", &["bucket.other"], json!({})),
        ];
        assert_eq!(chosen(changes, &["bucket.data"]), ["bucket.data", "bucket_file.data/a"]);
    }

    #[test]
    fn a_deletion_brings_what_speaks_of_it_and_not_what_is_only_of_the_same_kind() {
        let of = |topic: &str| json!({ "topic": format!("projects/p/topics/{topic}") });
        let changes = vec![
            change(Action::Delete, "topic.a", &[], json!({})),
            change(Action::Delete, "subscription.s", &[], of("a")),
            change(Action::Delete, "subscription.t", &[], of("ab")),
            change(Action::Delete, "subscription.u", &[], of("b")),
        ];
        assert_eq!(chosen(changes, &["topic.a"]), ["subscription.s", "topic.a"]);
        let all =
            [live("topic.a", json!({})), live("subscription.s", of("a")), live("subscription.u", of("b"))];
        assert_eq!(ending(&all, &[address("topic.a")].into()), [true, true, false]);
    }

    #[test]
    fn an_address_that_is_not_there_names_what_is_near() {
        let known = [address("topic.items"), address("topic.dead"), address("bucket.data")];
        let told = |target: &str| resolved(&[target.to_owned()], &known).expect_err("unknown").to_string();
        insta::assert_snapshot!(told("topic.itmes"), @"--target topic.itmes: it is neither in the file nor something that the stack owns; did you mean topic.items?");
        insta::assert_snapshot!(told("topic.completely-other"), @"--target topic.completely-other: it is neither in the file nor something that the stack owns; there are topic.items, topic.dead");
        insta::assert_snapshot!(told("x"), @"--target x: it is neither in the file nor something that the stack owns");
    }
}
