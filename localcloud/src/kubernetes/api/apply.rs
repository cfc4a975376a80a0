//! Server-side apply: merges what a manager declares into what is there, finds conflicts with other
//! owners, and removes what the manager declared before and nobody declares now. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::admission;
use super::super::kinds::Kind;
use super::super::object;
use super::super::schema::{Merge, Shape};
use super::fields::{self, FieldSet, field_shape, item_element};
use super::managed::{self, Owner, Writer};

/// A field that the manager declares otherwise than its owner does.
#[derive(Debug, PartialEq)]
pub(crate) struct Conflict {
    /// The owner, as Kubernetes describes it.
    pub(crate) owner: String,
    pub(crate) field: String,
}

/// What is to be applied to what.
pub(crate) struct Application<'a> {
    pub(crate) kind: &'a str,
    pub(crate) live: &'a Value,
    pub(crate) declared: &'a Value,
    pub(crate) writer: Writer<'a>,
    /// Take fields from their owners.
    pub(crate) force: bool,
    pub(crate) now: Timestamp,
}

impl Application<'_> {
    /// The object after the application, or the conflicts that forbid it.
    pub(crate) fn run(&self) -> Result<Value, Vec<Conflict>> {
        let mut owners = self.owners();
        let declared = managed::only_owned(FieldSet::of(self.declared, self.kind));
        let mut merged = merge(self.live, self.declared, &Shape::root(self.kind));

        let mine = managed::entry(&mut owners, self.writer, object::text(self.declared, "/apiVersion"));
        let mut given_up = std::mem::replace(&mut mine.fields, declared.clone());
        given_up.subtract(&declared);
        let mine = mine.clone();
        let others: Vec<&mut Owner> = owners.iter_mut().filter(|owner| !is_same(owner, &mine)).collect();
        let mut held = declared;
        for owner in &others {
            held.union(&owner.fields);
        }
        remove(&mut merged, &given_up, &held, &Shape::root(self.kind));

        let difference = fields::compare(self.live, &merged, self.kind);
        let changed = managed::only_owned(difference.changed);
        self.settle(others, &changed, &difference.removed)?;
        // What changes nothing but who owns it is not dated.
        let before = managed::owners(self.live).into_iter().find(|owner| is_same(owner, &mine));
        let is_same_object = changed.is_empty() && difference.removed.is_empty();
        let time = match before {
            Some(before) if is_same_object && before.fields == mine.fields => before.time,
            None if is_same_object => String::new(),
            _ => object::seconds(self.now),
        };
        managed::entry(&mut owners, self.writer, "").time = time;
        managed::set_owners(&mut merged, &owners);
        Ok(merged)
    }

    /// The owners so far. What is there without any was made before anybody applied.
    fn owners(&self) -> Vec<Owner> {
        let mut owners = managed::owners(self.live);
        if owners.is_empty() && self.live.pointer("/metadata/uid").is_some() {
            let nothing = Kind::named(self.kind).map(admission::zero).unwrap_or_default();
            let difference = fields::compare(&nothing, self.live, self.kind);
            let writer = Writer { manager: "before-first-apply", applies: false, subresource: "" };
            let before = managed::entry(&mut owners, writer, object::text(self.live, "/apiVersion"));
            before.fields = managed::only_owned(difference.changed);
            before.fields.remove(&["f:status"]);
            before.time = object::seconds(self.now);
        }
        owners
    }

    /// Moves ownership of what changed to the manager, unless that takes force and there is none.
    fn settle(
        &self,
        others: Vec<&mut Owner>,
        changed: &FieldSet,
        removed: &FieldSet,
    ) -> Result<(), Vec<Conflict>> {
        let mut conflicts = Vec::new();
        for owner in others {
            let taken = owner.fields.intersection(changed);
            if !self.force {
                let owner = describe(owner);
                conflicts
                    .extend(taken.paths().into_iter().map(|field| Conflict { owner: owner.clone(), field }));
            }
            owner.fields.subtract(&taken);
            owner.fields.subtract(removed);
        }
        if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
    }
}

fn is_same(a: &Owner, b: &Owner) -> bool {
    (&a.manager, a.applies, &a.subresource) == (&b.manager, b.applies, &b.subresource)
}

fn describe(owner: &Owner) -> String {
    let mut text = format!("\"{}\"", owner.manager);
    if !owner.subresource.is_empty() {
        text = format!("{text} with subresource \"{}\"", owner.subresource);
    }
    if !owner.applies {
        text = format!("{text} using {}", owner.api_version);
    }
    text
}

/// What all conflicts come to, in Kubernetes' words.
pub(crate) fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.owner, one.field);
    }
    let mut by_owner: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for conflict in conflicts {
        by_owner.entry(&conflict.owner).or_default().push(format!("- {}", conflict.field));
    }
    let told =
        by_owner.iter().map(|(owner, fields)| format!("conflicts with {owner}:\n{}", fields.join("\n")));
    format!("Apply failed with {} conflicts: {}", conflicts.len(), told.collect::<Vec<_>>().join("\n"))
}

fn merge<'a>(live: &'a Value, declared: &'a Value, shape: &Shape) -> Value {
    match (live, declared, shape.merge(declared)) {
        (Value::Object(live), Value::Object(declared), Merge::Fields) => {
            let mut merged = live.clone();
            for (name, value) in declared {
                let value = match live.get(name) {
                    Some(live) => merge(live, value, &field_shape(shape, name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(declared), Merge::ByKeys(keys)) => {
            let element = |item: &Value| item_element(item, keys, shape);
            let same = |live: &'a Value, declared: &'a Value| merge(live, declared, &shape.item());
            Value::Array(merge_lists(live, declared, element, same))
        }
        (Value::Array(live), Value::Array(declared), Merge::Set) => {
            Value::Array(merge_lists(live, declared, Value::to_string, |_, declared| declared.clone()))
        }
        _ => declared.clone(),
    }
}

/// The declared items in their order; each item that only the live list has keeps its neighbour.
fn merge_lists<'a>(
    live: &'a [Value],
    declared: &'a [Value],
    element: impl Fn(&Value) -> String,
    same: impl Fn(&'a Value, &'a Value) -> Value,
) -> Vec<Value> {
    let find = |items: &'a [Value], wanted: &str| items.iter().find(|item| element(item) == wanted);
    let both =
        |item: &'a Value| find(live, &element(item)).map_or_else(|| item.clone(), |live| same(live, item));
    let mut merged: Vec<Value> = declared.iter().map(both).collect();
    let mut after = 0;
    for item in live {
        let name = element(item);
        if let Some(at) = merged.iter().position(|merged| element(merged) == name) {
            after = at + 1;
        } else {
            merged.insert(after, item.clone());
            after += 1;
        }
    }
    merged
}

/// Removes the given-up fields that nobody holds. Tells whether nothing of the value is left.
fn remove(value: &mut Value, given_up: &FieldSet, held: &FieldSet, shape: &Shape) -> bool {
    if given_up.member && held.is_empty() {
        return true;
    }
    let rule = shape.merge(value);
    let nobody = FieldSet::default();
    let mut removed_any = false;
    let mut goes = |element: &str, child: &mut Value, shape: &Shape| {
        let Some(given_up) = given_up.children.get(element) else { return false };
        let held = held.children.get(element).unwrap_or(&nobody);
        let goes = remove(child, given_up, held, shape);
        removed_any |= goes;
        goes
    };
    match (&mut *value, rule) {
        (Value::Object(map), Merge::Fields) => {
            let kept: Map<String, Value> = std::mem::take(map)
                .into_iter()
                .filter_map(|(name, mut child)| {
                    let goes = goes(&format!("f:{name}"), &mut child, &field_shape(shape, &name));
                    (!goes).then_some((name, child))
                })
                .collect();
            *map = kept;
        }
        (Value::Array(items), Merge::ByKeys(keys)) => {
            items.retain_mut(|item| !goes(&item_element(item, keys, shape), item, &shape.item()));
        }
        (Value::Array(items), Merge::Set) => {
            items.retain_mut(|item| !goes(&format!("v:{item}"), item, &shape.item()));
        }
        _ => {}
    }
    let is_empty =
        value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    removed_any && is_empty && !held.member
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(live: &Value, manager: &str, declared: &Value, force: bool) -> Result<Value, Vec<Conflict>> {
        let writer = Writer { manager, applies: true, subresource: "" };
        let now = Timestamp::UNIX_EPOCH;
        Application { kind: "Pod", live, declared, writer, force, now }.run()
    }

    fn without_owners(mut object: Value) -> Value {
        object::metadata(&mut object).remove("managedFields");
        object
    }

    #[test]
    fn a_field_given_up_by_its_only_owner_is_removed_and_a_shared_one_stays() {
        let live = apply(
            &json!({"metadata": {}}),
            "a",
            &json!({"metadata": {"labels": {"x": "1", "y": "2"}}}),
            false,
        )
        .expect("first");
        let live =
            apply(&live, "b", &json!({"metadata": {"labels": {"y": "2"}}}), false).expect("same value");
        let live =
            apply(&live, "a", &json!({"metadata": {"annotations": {"z": "3"}}}), false).expect("given up");
        assert_eq!(
            without_owners(live.clone()),
            json!({"metadata": {"labels": {"y": "2"}, "annotations": {"z": "3"}}})
        );
        let live = apply(&live, "b", &json!({"metadata": {}}), false).expect("last owner");
        assert_eq!(without_owners(live), json!({"metadata": {"annotations": {"z": "3"}}}));
    }

    #[test]
    fn another_owners_field_is_a_conflict_unless_forced() {
        let first =
            json!({"apiVersion": "v1", "spec": {"containers": [{"name": "x", "image": "old", "tty": true}]}});
        let second = json!({"apiVersion": "v1", "spec": {"containers": [{"name": "x", "image": "new"}]}});
        let live = apply(&json!({}), "a", &first, false).expect("first");
        let conflicts = apply(&live, "b", &second, false).expect_err("a conflict");
        assert_eq!(
            conflict_message(&conflicts),
            "Apply failed with 1 conflict: conflict with \"a\": .spec.containers[name=\"x\"].image"
        );
        let live = apply(&live, "b", &second, true).expect("forced");
        assert_eq!(live["spec"]["containers"], json!([{"name": "x", "image": "new", "tty": true}]));
        let live = apply(&live, "a", &json!({"spec": {}}), false).expect("a gives up the rest");
        assert_eq!(live["spec"]["containers"], json!([{"name": "x", "image": "new"}]));
    }

    #[test]
    fn items_of_a_list_map_are_each_owners_own_and_atomic_lists_are_not() {
        let env = |name: &str| json!({"spec": {"containers": [{"name": "x", "env": [{"name": name, "value": "1"}]}]}});
        let live = apply(&json!({}), "a", &env("A"), false).expect("a");
        let live = apply(&live, "b", &env("B"), false).expect("b");
        let names: Vec<&str> = object::list(&live, "/spec/containers/0/env")
            .iter()
            .map(|item| object::text(item, "/name"))
            .collect();
        assert_eq!(names, ["A", "B"]);
        let tolerations = |key: &str| json!({"spec": {"tolerations": [{"key": key}]}});
        let live = apply(&live, "t", &tolerations("x"), false).expect("tolerations");
        assert!(apply(&live, "u", &tolerations("y"), false).is_err());
    }
}
