//! Sets of fields, as `managedFields` writes them (`FieldsV1`), and which fields of a value there
//! are, or differ from another's. Knows nothing of who owns them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::super::schema::{Merge, Shape};

/// A set of fields: a tree whose edges are path elements (`f:name`, `k:{"name":"x"}`, `v:"x"`).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldSet {
    /// Whether the field at this place is itself in the set.
    pub(crate) member: bool,
    pub(crate) children: BTreeMap<String, FieldSet>,
}

/// The fields of an object, or the items of a list that is merged by key or value, by path element, with what each is;
/// nothing for a value that is one piece.
pub(crate) fn parts<'a>(value: &'a Value, shape: &Shape) -> Option<Vec<(String, &'a Value, Shape)>> {
    match (value, shape.merge(value)) {
        (Value::Object(map), Merge::Fields) => {
            let part = |(name, value): (&'a String, &'a Value)| {
                (format!("f:{name}"), value, field_shape(shape, name))
            };
            Some(map.iter().map(part).collect())
        }
        (Value::Array(items), Merge::ByKeys(keys)) => {
            Some(items.iter().map(|item| (item_element(item, keys, shape), item, shape.item())).collect())
        }
        (Value::Array(items), Merge::Set) => {
            Some(items.iter().map(|item| (format!("v:{item}"), item, shape.item())).collect())
        }
        _ => None,
    }
}

/// What a field is; one that the kind does not have is one piece.
pub(crate) fn field_shape(shape: &Shape, name: &str) -> Shape {
    shape.field(name).unwrap_or_else(|| Shape::root(""))
}

/// The path element of a list item: its keys, in order, as JSON.
pub(crate) fn item_element(item: &Value, keys: &[&str], shape: &Shape) -> String {
    let mut found = BTreeMap::new();
    for key in keys {
        let value = item.get(*key).cloned().or_else(|| shape.default_key(key).map(Value::from));
        found.insert(*key, value.unwrap_or(Value::Null));
    }
    format!("k:{}", super::super::object::to_json(&found))
}

impl FieldSet {
    /// Every field that a value has.
    pub(crate) fn of(value: &Value, kind: &str) -> Self {
        let mut set = Self::default();
        set.add("", value, &Shape::root(kind));
        set.member = false;
        set
    }

    fn add(&mut self, element: &str, value: &Value, shape: &Shape) {
        let is_item = element.starts_with("k:");
        let Some(parts) = parts(value, shape) else {
            self.member = true;
            return;
        };
        // An object without fields is itself declared; a list without items declares nothing.
        self.member |= is_item || value.is_object() && parts.is_empty();
        for (element, value, shape) in parts {
            let mut child = Self::default();
            child.add(&element, value, &shape);
            if !child.is_empty() {
                self.children.entry(element).or_default().union(&child);
            }
        }
    }

    /// Reads `fieldsV1`.
    pub(crate) fn from_json(json: &Value) -> Self {
        let Some(map) = json.as_object() else { return Self::default() };
        let children = map.iter().filter(|(element, _)| *element != ".");
        let children = children.map(|(element, child)| (element.clone(), Self::from_json(child)));
        Self { member: map.is_empty() || map.contains_key("."), children: children.collect() }
    }

    /// Writes `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        map.extend(self.children.iter().map(|(element, child)| (element.clone(), child.to_json())));
        Value::Object(map)
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().union(child);
        }
    }

    /// Takes the fields of another set out of this one.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (element, child) in &other.children {
            if let Some(mine) = self.children.get_mut(element) {
                mine.subtract(child);
                if mine.is_empty() {
                    self.children.remove(element);
                }
            }
        }
    }

    /// The fields that are in both.
    #[must_use]
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let both = self.children.iter().filter_map(|(element, mine)| {
            let both = mine.intersection(other.children.get(element)?);
            (!both.is_empty()).then(|| (element.clone(), both))
        });
        Self { member: self.member && other.member, children: both.collect() }
    }

    /// Takes a field and all below it out.
    pub(crate) fn remove(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => drop(self.children.remove(*last)),
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.remove(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// The members, each as people write a path: `.spec.containers[name="x"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    /// Kubernetes tells the fields at a place before it goes below any of them.
    fn collect(&self, here: &str, paths: &mut Vec<String>) {
        let children =
            || self.children.iter().map(|(element, child)| (format!("{here}{}", shown(element)), child));
        paths.extend(children().filter(|(_, child)| child.member).map(|(path, _)| path));
        for (path, child) in children() {
            child.collect(&path, paths);
        }
    }
}

fn shown(element: &str) -> String {
    if let Some(name) = element.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(value) = element.strip_prefix("v:") {
        return format!("[={value}]");
    }
    let keys: Map<String, Value> =
        element.strip_prefix("k:").and_then(|keys| serde_json::from_str(keys).ok()).unwrap_or_default();
    let mut text = String::from("[");
    for (at, (key, value)) in keys.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{key}={value}", if at == 0 { "" } else { "," });
    }
    text + "]"
}

/// What differs between two values.
#[derive(Default)]
pub(crate) struct Difference {
    /// Fields that are new or have another value.
    pub(crate) changed: FieldSet,
    /// Fields that are no more.
    pub(crate) removed: FieldSet,
}

/// Compares two states of an object.
pub(crate) fn compare(old: &Value, new: &Value, kind: &str) -> Difference {
    let mut difference = Difference::default();
    let shape = Shape::root(kind);
    compare_at(Some(old), Some(new), &shape, &mut difference.changed, &mut difference.removed);
    difference
}

fn compare_at(
    old: Option<&Value>,
    new: Option<&Value>,
    shape: &Shape,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    if old == new {
        return;
    }
    let old_parts = old.and_then(|old| parts(old, shape));
    let new_parts = new.and_then(|new| parts(new, shape));
    match (old, new) {
        (None, Some(_)) => changed.member = true,
        (Some(_), None) => removed.member = true,
        // A list that is merged by its items is only its items.
        (Some(Value::Null), Some(_)) => changed.member = new_parts.is_none(),
        // One piece on either side: the whole has changed.
        _ if old_parts.is_none() || new_parts.is_none() => changed.member = true,
        _ => {}
    }
    let by_element = |parts: Option<Vec<(String, &Value, Shape)>>| -> BTreeMap<String, (Value, Shape)> {
        let parts = parts.into_iter().flatten();
        parts.map(|(element, value, shape)| (element, (value.clone(), shape))).collect()
    };
    let (old_parts, new_parts) = (by_element(old_parts), by_element(new_parts));
    let gone = old_parts.iter().filter(|(element, _)| !new_parts.contains_key(*element));
    for (element, (_, shape)) in gone.chain(&new_parts) {
        let (mut child_changed, mut child_removed) = (FieldSet::default(), FieldSet::default());
        let side =
            |parts: &BTreeMap<String, (Value, Shape)>| parts.get(element).map(|(value, _)| value.clone());
        let (before, after) = (side(&old_parts), side(&new_parts));
        compare_at(before.as_ref(), after.as_ref(), shape, &mut child_changed, &mut child_removed);
        for (set, child) in [(&mut *changed, child_changed), (&mut *removed, child_removed)] {
            if !child.is_empty() {
                set.children.insert(element.clone(), child);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_fields_of_an_object_are_written_as_kubernetes_writes_them() {
        let pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {
            "containers": [{"name": "x", "image": "i", "command": ["a", "b"], "ports": [{"containerPort": 80}]}],
            "nodeSelector": {"k": "v"}, "tolerations": [{"key": "t"}]}});
        let set = FieldSet::of(&pod, "Pod");
        assert_eq!(
            set.to_json(),
            json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {
                "f:containers": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:image": {}, "f:command": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}},
                "f:nodeSelector": {}, "f:tolerations": {}}})
        );
        assert_eq!(FieldSet::from_json(&set.to_json()), set);
        assert!(set.paths().contains(&".spec.containers[name=\"x\"].image".to_owned()), "{:?}", set.paths());
    }

    #[test]
    fn a_comparison_tells_changed_from_removed() {
        let old = json!({"spec": {"hostname": "a", "subdomain": "b", "tolerations": [{"key": "t"}]}});
        let new = json!({"spec": {"hostname": "a", "subdomain": "c", "securityContext": {"runAsUser": 1}}});
        let difference = compare(&old, &new, "Pod");
        let changed = [".spec.securityContext", ".spec.subdomain", ".spec.securityContext.runAsUser"];
        assert_eq!(difference.changed.paths(), changed);
        assert_eq!(difference.removed.paths(), [".spec.tolerations"]);
    }
}
