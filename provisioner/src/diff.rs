//! What would make the cloud match the stack. Knows nothing of clouds, kinds or order.

use std::collections::HashMap;

use crate::cause::{self, SPEC};
use crate::change::{Action, Change, Fixed};
use crate::compare::{FieldChange, differences};
use crate::conflict::{Conflict, conflict};
use crate::fingerprint::Fingerprint;
use crate::observe::Observed;
use crate::options::Options;
use crate::resource::{Address, Desired, Live, Owner, Pair};

/// The field of kinds that are applied as a manifest.
const MANIFEST: &str = "manifest";

/// Why others' grants go.
pub(crate) const PRUNED: &str = "granted outside of the file";

/// The changes between what is wanted and what is there, or why there cannot be any.
pub(crate) fn between(
    observed: Observed,
    fixed: impl Fn(&str) -> Fixed,
    asked: &Options,
) -> Result<Vec<Change>, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    let mut changes = Vec::new();
    let mut wanted = Vec::new();
    for Pair { want, live } in observed.pairs {
        match conflict(&want, live.as_ref(), asked) {
            Some(conflict) => conflicts.push(conflict),
            None => changes.extend(change(&want, live, fixed(want.address.kind))),
        }
        wanted.push(want);
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let reason = if wanted.is_empty() { "the stack ends" } else { "not in the file any more" };
    let gone = observed.unwanted.into_iter();
    changes.extend(gone.map(|live| match live.is_adopted() && !asked.delete_adopted {
        true => end(live, Action::Release, "adopted: it stays, without the stack's marks"),
        false => end(live, Action::Delete, reason),
    }));
    if asked.prune_grants {
        let ours = |live| Live { owner: Owner::Ours, ..live };
        let undeclared = observed.undeclared_grants.into_iter().map(ours);
        changes.extend(undeclared.map(|live| end(live, Action::Delete, PRUNED)));
    }
    with_contents(&wanted, &mut changes);
    Ok(changes)
}

fn change(want: &Desired, live: Option<Live>, fixed: Fixed) -> Option<Change> {
    if want.existing {
        return None;
    }
    let mut fields = live.as_ref().map(|live| differences(&want.fields, &live.fields)).unwrap_or_default();
    if fields.is_empty() {
        fields.extend(live.as_ref().and_then(|live| says_less(want, live)));
    }
    let adopted = live.as_ref().is_some_and(|live| live.owner == Owner::Nobody);
    if adopted {
        let after = "this stack's".into();
        fields.push(FieldChange { path: "labels".into(), before: "nobody's".into(), after });
    }
    let is_at = |field: &FieldChange, name: &str| field.path.split('.').next() == Some(name);
    let fixed = fixed.iter().find(|(name, _)| fields.iter().any(|field| is_at(field, name)));
    let implied = want.implied_by.as_ref().map(|by| format!("implied by {by}"));
    let (action, reason) = match (&live, fixed) {
        (None, _) => (Action::Create, implied.unwrap_or_else(|| "in the file".into())),
        (Some(_), _) if fields.is_empty() => return None,
        (Some(_), Some((_, why))) => (Action::Replace, (*why).to_owned()),
        (Some(_), None) if adopted => (Action::Update, "adopted".into()),
        (Some(live), None) => {
            let then = live.revision.marks.get(SPEC).map(String::as_str);
            (Action::Update, cause::why(want.spec.as_deref(), then, &fields))
        }
    };
    let seen = live.as_ref().map(|live| Fingerprint::of(Some(&want.fields), live));
    Some(Change {
        address: want.address.clone(),
        action,
        reason,
        fields,
        desired: Some(want.clone()),
        live,
        seen,
    })
}

/// What the stack owns and its file only uses is the stack's no more.
pub(crate) fn let_go(live: Live) -> Change {
    end(live, Action::Release, "only used: it stays, without the stack's marks")
}

fn end(live: Live, action: Action, reason: &str) -> Change {
    Change {
        address: live.address.clone(),
        action,
        reason: reason.into(),
        fields: Vec::new(),
        desired: None,
        seen: Some(Fingerprint::of(None, &live)),
        live: Some(live),
    }
}

/// What lies in a resource that goes away goes with it: it needs no deletion of its own, and if it
/// is still wanted it is created anew.
fn with_contents(desired: &[Desired], changes: &mut Vec<Change>) {
    let going = |changes: &[Change]| -> HashMap<Address, Action> {
        let goes = changes.iter().filter(|change| change.is_destructive());
        goes.map(|change| (change.address.clone(), change.action)).collect()
    };
    let gone = going(changes);
    if gone.is_empty() {
        return;
    }
    let mut anew: HashMap<&Address, &Address> = HashMap::new();
    for want in desired.iter().filter(|want| !want.existing) {
        let Some(container) = &want.inside else { continue };
        let is_replaced = !anew.contains_key(container) && gone.get(container) == Some(&Action::Replace);
        if is_replaced {
            anew.insert(&want.address, container);
        }
    }
    changes.retain(|change| !anew.contains_key(&change.address));
    for want in desired {
        let Some(container) = anew.get(&want.address) else { continue };
        changes.push(Change {
            address: want.address.clone(),
            action: Action::Create,
            reason: format!("goes with {container}"),
            fields: Vec::new(),
            desired: Some(want.clone()),
            live: None,
            seen: None,
        });
    }
    let gone = going(changes);
    changes.retain(|change| {
        match (&change.action, change.live.as_ref().and_then(|live| live.inside.as_ref())) {
            (Action::Delete, Some(container)) => !gone.contains_key(container),
            _ => true,
        }
    });
}

/// A manifest whose server adds to it, so that a comparison does not show what the file says no more; the
/// mark tells that something else was applied last. Applying the manifest takes it out.
fn says_less(want: &Desired, live: &Live) -> Option<FieldChange> {
    let then = live.revision.marks.get(SPEC)?;
    let is_less = want.fields.get(MANIFEST).is_some() && cause::made_otherwise(want.spec.as_deref()?, then);
    let before = "with what is not wanted any more".into();
    is_less.then(|| FieldChange { path: MANIFEST.to_owned(), before, after: "without".into() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FIXED: Fixed = &[("filter", "a filter is fixed")];

    fn desired(key: &str, fields: Value) -> Desired {
        Desired::for_test("thing", key, fields)
    }

    fn live(key: &str, fields: Value) -> Live {
        Live::for_test("thing", key, fields)
    }

    fn pair(want: Desired, live: Option<Live>) -> Pair {
        Pair { want, live }
    }

    fn observed(pairs: Vec<Pair>) -> Observed {
        Observed { pairs, ..Observed::default() }
    }

    fn actions(observed: Observed) -> Vec<String> {
        let changes = between(observed, |_| FIXED, &Options::default()).expect("no conflict");
        changes
            .iter()
            .map(|change| format!("{} {} ({})", change.action.sign(), change.address, change.reason))
            .collect()
    }

    #[test]
    fn each_resource_has_one_action() {
        let of = |key: &str, there: Option<Value>| {
            pair(desired(key, json!({"filter": key, "size": 1})), there.map(|fields| live(key, fields)))
        };
        let pairs = vec![
            of("new", None),
            of("same", Some(json!({"filter": "same", "size": 1, "set_by_the_server": true}))),
            of("other", Some(json!({"filter": "other", "size": 2}))),
            of("fixed", Some(json!({"filter": "", "size": 2}))),
        ];
        let observed = Observed { unwanted: vec![live("old", json!({}))], ..observed(pairs) };
        let expected = [
            "+ thing.new (in the file)",
            "~ thing.other (differs from the file)",
            "± thing.fixed (a filter is fixed)",
            "- thing.old (not in the file any more)",
        ];
        assert_eq!(actions(observed), expected);
    }

    #[test]
    fn a_manifest_that_says_less_than_was_applied_last_is_applied_again() {
        let manifest = json!({"manifest": {"nodeSelector": {"pool": "a"}}});
        let more = json!({"manifest": {"nodeSelector": {"pool": "a", "spot": "true"}}});
        let marked = |by: &Value| {
            let mut there = live("a", more.clone());
            there.revision.marks.insert(SPEC.to_owned(), cause::spec(&json!(1), by));
            there
        };
        let want =
            Desired { spec: Some(cause::spec(&json!(1), &manifest)), ..desired("a", manifest.clone()) };
        let told = |by: &Value| actions(observed(vec![pair(want.clone(), Some(marked(by)))]));
        assert_eq!(told(&more), ["~ thing.a (changed in the file)"]);
        // Somebody else's, or the server's.
        assert!(told(&manifest).is_empty());
    }

    #[test]
    fn what_lies_in_something_goes_and_comes_with_it() {
        let inner = Desired { inside: Some(Address::new("thing", "box")), ..desired("inner", json!({})) };
        let in_box = |key| Live { inside: Some(Address::new("thing", "box")), ..live(key, json!({})) };
        let pairs = vec![
            pair(desired("box", json!({"filter": "new"})), Some(live("box", json!({"filter": "old"})))),
            pair(inner, Some(in_box("inner"))),
        ];
        let observed = Observed { unwanted: vec![in_box("left")], ..observed(pairs) };
        assert_eq!(
            actions(observed),
            ["± thing.box (a filter is fixed)", "+ thing.inner (goes with thing.box)"]
        );
    }

    #[test]
    fn existing_resources_are_checked_and_left_alone() {
        let want = Desired { existing: true, ..desired("a", json!({"size": 1})) };
        let theirs = Live { owner: Owner::Nobody, ..live("a", json!({"size": 2})) };
        assert!(actions(observed(vec![pair(want.clone(), Some(theirs))])).is_empty());
        assert!(between(observed(vec![pair(want, None)]), |_| FIXED, &Options::default()).is_err());
    }
}
