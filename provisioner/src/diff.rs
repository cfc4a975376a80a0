//! What would make the cloud match the stack. Knows nothing of clouds, kinds or order.

use std::collections::HashMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cause::{self, SPEC};
use crate::fingerprint::Fingerprint;
use crate::observe::Observed;
use crate::resource::{Address, Desired, Live, Owner, Pair};
use crate::wildcard::fits;

/// The field of kinds that are applied as a manifest.
const MANIFEST: &str = "manifest";

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// It is not there.
    Create,
    /// It is there and differs.
    Update,
    /// It differs where it cannot be changed: deleted, and created anew.
    Replace,
    /// It is there and not wanted.
    Delete,
    /// It was there before the stack took it over, and is not wanted: only the marks go.
    Release,
    /// It is the stack's under its former name: only the marks change.
    Rename,
}

impl Action {
    /// As plans write it.
    #[must_use]
    pub(crate) fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Replace => '±',
            Self::Delete => '-',
            Self::Release => '○',
            Self::Rename => '»',
        }
    }

    /// What has happened to a resource then.
    #[must_use]
    pub(crate) fn past(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update => "updated",
            Self::Replace => "replaced",
            Self::Delete => "deleted",
            Self::Release => "let go",
            Self::Rename => "renamed",
        }
    }
}

/// A difference in one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldChange {
    /// `retry.max`.
    pub path: String,
    /// What the cloud has; null for nothing.
    pub before: Value,
    /// What the stack wants.
    pub after: Value,
}

/// One resource's change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The resource.
    pub address: Address,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// The fields that differ; of a creation, none.
    pub fields: Vec<FieldChange>,
    /// What the stack wants; of a deletion, nothing.
    pub desired: Option<Desired>,
    /// What the cloud has; of a creation, nothing.
    pub live: Option<Live>,
    /// The state that it was decided on; of a creation, nothing.
    pub seen: Option<Fingerprint>,
}

impl Change {
    /// Whether it deletes or replaces.
    #[must_use]
    pub(crate) fn is_destructive(&self) -> bool {
        matches!(self.action, Action::Delete | Action::Replace)
    }
}

/// Why a stack cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    /// Something of that name is there, and is not ours.
    #[error(
        "{address}: {id} exists and {whose}; give yours another `name`, say `existing = true` to use it as it is{or}"
    )]
    NotOurs {
        /// The resource.
        address: Address,
        /// What the cloud calls it.
        id: String,
        /// Whose it is.
        whose: String,
        /// What else can be done.
        or: String,
    },
    /// What was to be adopted is not there.
    #[error("{address}: there is no {id} to adopt")]
    NothingToAdopt {
        /// The resource.
        address: Address,
        /// What the cloud would call it.
        id: String,
    },
    /// What the file says exists does not.
    #[error("{address}: `existing = true`, but there is no {id}")]
    Missing {
        /// The resource.
        address: Address,
        /// What the cloud would call it.
        id: String,
    },
}

/// What was asked for beside what the file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Addresses of what is there and to be taken over, or patterns of such addresses.
    pub adopt: Vec<String>,
    /// Whether what was taken over may be deleted like all the rest.
    pub delete_adopted: bool,
    /// Whether grants on the stack's resources go that the file says nothing of.
    pub prune_grants: bool,
    /// The addresses that are meant; all of them if there are none.
    pub targets: Vec<String>,
    /// Whether what a newer version of this program wrote is written as this one does.
    pub downgrade: bool,
}

impl Asked {
    fn adopts(&self, address: &Address) -> bool {
        let address = address.to_string();
        self.adopt.iter().any(|asked| fits(asked, &address))
    }

    /// Whether it was said that this one is there.
    fn names(&self, address: &Address) -> bool {
        self.adopt.iter().any(|asked| *asked == address.to_string())
    }
}

/// Why others' grants go.
pub(crate) const PRUNED: &str = "granted outside of the file";

/// A kind's fixed fields, each with what fixes it.
pub(crate) type Fixed = &'static [(&'static str, &'static str)];

/// The changes between what is wanted and what is there, or why there cannot be any.
pub(crate) fn between(
    observed: Observed,
    fixed: impl Fn(&str) -> Fixed,
    asked: &Asked,
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

fn conflict(want: &Desired, live: Option<&Live>, asked: &Asked) -> Option<Conflict> {
    let (address, id) = (want.address.clone(), want.id.clone());
    let (whose, or) = match (want.existing, live.map(|live| &live.owner)) {
        (true, None) => return Some(Conflict::Missing { address, id }),
        (false, None) if asked.names(&want.address) => return Some(Conflict::NothingToAdopt { address, id }),
        (true, Some(_)) | (false, None | Some(Owner::Ours)) => return None,
        (false, Some(Owner::Nobody)) if asked.adopts(&want.address) => return None,
        (false, Some(Owner::Stack(other))) => (
            format!("belongs to the stack `{other}`"),
            format!(", or, if that is this stack's former name, see `provision rename {other} NEW`"),
        ),
        (false, Some(Owner::Nobody)) => {
            ("is not managed by this stack".to_owned(), format!(", or take it over with `--adopt {address}`"))
        }
    };
    Some(Conflict::NotOurs { address, id, whose, or })
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

/// Where `have` differs from what `want` says. What `want` does not say is not compared; what it
/// says is null, there must not be.
pub(crate) fn differences(want: &Value, have: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare(String::new(), want, have, &mut found);
    found
}

fn compare(path: String, want: &Value, have: &Value, found: &mut Vec<FieldChange>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            let removed = have.keys().filter(|key| is_wholly_ours(&path) && !want.contains_key(*key));
            for key in removed {
                let (before, after) = (have[key].clone(), Value::Null);
                found.push(FieldChange { path: format!("{path}.{key}"), before, after });
            }
            for (key, value) in want {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(inner, value, have.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (at, (want, have)) in want.iter().zip(have).enumerate() {
                compare(format!("{path}[{at}]"), want, have, found);
            }
        }
        (want, Value::Null) if is_empty(want) => {}
        (want, have) if want == have => {}
        (want, have) => found.push(FieldChange { path, before: have.clone(), after: want.clone() }),
    }
}

/// Whether nobody but the stack puts anything there: labels, and what a job's workers are told. What the
/// file does not say any more is a difference there.
pub(crate) fn is_wholly_ours(path: &str) -> bool {
    matches!(path.split(['.', '[']).next(), Some("labels" | "config"))
}

/// A manifest whose server adds to it, so that a comparison does not show what the file says no more; the
/// mark tells that something else was applied last. Applying the manifest takes it out.
fn says_less(want: &Desired, live: &Live) -> Option<FieldChange> {
    let then = live.revision.marks.get(SPEC)?;
    let is_less = want.fields.get(MANIFEST).is_some() && cause::made_otherwise(want.spec.as_deref()?, then);
    let before = "with what is not wanted any more".into();
    is_less.then(|| FieldChange { path: MANIFEST.to_owned(), before, after: "without".into() })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(is_empty),
        Value::Null => true,
        _ => false,
    }
}

#[cfg(test)]
impl Change {
    /// What makes one of the other: what is created is not there, and what is deleted not wanted.
    pub(crate) fn for_test(action: Action, desired: Desired, live: Live) -> Self {
        Self {
            address: desired.address.clone(),
            action,
            reason: String::new(),
            fields: Vec::new(),
            desired: (action != Action::Delete).then_some(desired),
            live: (action != Action::Create).then_some(live),
            seen: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        let changes = between(observed, |_| FIXED, &Asked::default()).expect("no conflict");
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
    fn what_the_file_does_not_say_is_never_a_difference() {
        let want = json!({"a": 1, "c": {"d": 2}, "e": []});
        assert_eq!(differences(&want, &json!({"a": 1, "b": 7, "c": {"d": 2, "x": 3}, "y": 4})), []);
    }

    #[test]
    fn what_was_removed_from_the_file_is_a_difference() {
        let want = json!({"retention": null, "filter": "", "labels": {"a": "1"}});
        let have = json!({"retention": "1d", "filter": "x", "labels": {"a": "1", "b": "2"}});
        let changes = differences(&want, &have);
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["filter", "labels.b", "retention"]);
        assert_eq!(differences(&want, &json!({"filter": "", "labels": {"a": "1"}})), []);
    }

    #[test]
    fn what_workers_are_told_no_more_is_a_difference_and_what_a_server_adds_is_none() {
        let want = json!({"config": {"env": {"A": "1"}}, "manifest": {"spec": {"pod": {}}}});
        let have =
            json!({"config": {"env": {"A": "1", "B": "2"}}, "manifest": {"spec": {"pod": {"dns": "x"}}}});
        let paths: Vec<_> = differences(&want, &have).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["config.env.B"]);
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
    fn a_difference_names_its_path() {
        let want = json!({"c": {"d": [1, 2]}, "e": [1]});
        let have = json!({"c": {"d": [1, 3]}, "e": [1, 2]});
        let paths: Vec<_> = differences(&want, &have).into_iter().map(|change| change.path).collect();
        assert_eq!(paths, ["c.d[1]", "e"]);
    }

    #[test]
    fn what_is_not_ours_is_never_touched() {
        for (owner, words) in [(Owner::Nobody, "not managed"), (Owner::Stack("b".into()), "the stack `b`")] {
            let theirs = Live { owner, ..live("a", json!({})) };
            let pairs = vec![pair(desired("a", json!({})), Some(theirs))];
            let conflicts = between(observed(pairs), |_| FIXED, &Asked::default()).expect_err("a conflict");
            assert!(conflicts[0].to_string().contains(words), "{}", conflicts[0]);
        }
    }

    #[test]
    fn existing_resources_are_checked_and_left_alone() {
        let want = Desired { existing: true, ..desired("a", json!({"size": 1})) };
        let theirs = Live { owner: Owner::Nobody, ..live("a", json!({"size": 2})) };
        assert!(actions(observed(vec![pair(want.clone(), Some(theirs))])).is_empty());
        assert!(between(observed(vec![pair(want, None)]), |_| FIXED, &Asked::default()).is_err());
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
}
