//! The patches that need no owners: JSON merge patch, strategic merge patch, JSON patch. Pure.

use serde_json::{Map, Value};

use super::super::object::{DEEPEST, depth, entries, list, text};
use super::super::schema::{self, Patch, Type};

/// JSON merge patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let target = entries(target);
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.as_str()).or_insert(Value::Null), value);
        }
    }
}

/// Strategic merge patch: lists that are maps by key merge item by item, with Kubernetes' directives `$patch`,
/// `$deleteFromPrimitiveList/…`, `$setElementOrder/…` and `$retainKeys`. The error is what the server says of a patch
/// that makes no sense.
pub(crate) fn strategic(target: &mut Value, patch: &Value, kind: &str) -> Result<(), String> {
    strategic_at(target, patch, schema::of(kind))
}

/// How a field of a type is patched, and the type of what is in it.
fn rule(own: Option<&'static Type>, name: &str) -> (Patch, Option<&'static Type>) {
    let field = own.and_then(|own| own.field(name));
    field.map_or((Patch::Replace, None), |field| {
        (field.patch, Some(field.shape).filter(|shape| !shape.map).and_then(|shape| schema::of(shape.kind)))
    })
}

fn strategic_at(target: &mut Value, patch: &Value, own: Option<&'static Type>) -> Result<(), String> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match text_of(patch, "$patch") {
        "" | "merge" => {}
        "replace" => {
            *target = Value::Object(without_directives(patch));
            return Ok(());
        }
        "delete" => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        other => {
            return Err(format!(
                "unknown patch type: {other} in map: {}",
                shown(&Value::Object(patch.clone()))
            ));
        }
    }
    let target = entries(target);
    if let Some(Value::Array(retained)) = patch.get("$retainKeys") {
        target.retain(|name, _| retained.iter().any(|kept| kept == name));
    }
    for (name, value) in patch {
        if let Some(field) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (target.get_mut(field), value) {
                items.retain(|item| !gone.contains(item));
            }
        } else if name.starts_with('$') {
            // Order is read below, once its list is merged.
        } else if value.is_null() {
            target.remove(name);
        } else {
            let (rule, inner) = rule(own, name);
            let slot = target.entry(name.as_str()).or_insert(Value::Null);
            match (value, rule) {
                (Value::Array(items), Patch::MergeBy("")) => merge_set(slot, items),
                (Value::Array(items), Patch::MergeBy(key)) => merge_items(slot, items, key, inner)?,
                _ => strategic_at(slot, value, inner)?,
            }
        }
    }
    for (name, order) in patch {
        let Some(field) = name.strip_prefix("$setElementOrder/") else { continue };
        if let (Some(Value::Array(items)), Value::Array(order)) = (target.get_mut(field), order) {
            let (rule, _) = rule(own, field);
            let rank = |item: &Value| {
                let same = |wanted: &Value| match rule {
                    Patch::MergeBy(key) if !key.is_empty() => wanted.get(key) == item.get(key),
                    _ => wanted == item,
                };
                order.iter().position(same).unwrap_or(usize::MAX)
            };
            items.sort_by_key(rank);
        }
    }
    Ok(())
}

fn merge_items(
    slot: &mut Value,
    items: &[Value],
    key: &str,
    own: Option<&'static Type>,
) -> Result<(), String> {
    if items.iter().any(|item| text(item, "/$patch") == "replace") {
        *slot = items.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
        return Ok(());
    }
    let live: Vec<Value> = match slot.take() {
        Value::Array(items) => items,
        _ => vec![],
    };
    let mut merged = live.clone();
    for item in items {
        let Some(name) = item.get(key) else {
            return Err(format!("map: {} does not contain declared merge key: {key}", shown(item)));
        };
        let at = merged.iter().position(|held| held.get(key) == Some(name));
        match (text(item, "/$patch"), at) {
            ("delete", at) => drop(at.map(|at| merged.remove(at))),
            (_, Some(at)) => strategic_at(&mut merged[at], item, own)?,
            (_, None) => {
                let mut new = Value::Null;
                strategic_at(&mut new, item, own)?;
                merged.push(new);
            }
        }
    }
    *slot = Value::Array(in_order(merged, &live, items, key));
    Ok(())
}

/// The items of the patch in its order, and each other one before the item of the patch that it stood before.
fn in_order(merged: Vec<Value>, live: &[Value], items: &[Value], key: &str) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|held| held.get(key) == item.get(key));
    let (patched, others): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(items, item).is_some());
    let mut patched: Vec<Value> = patched;
    patched.sort_by_key(|item| place(items, item));
    let (mut ordered, mut others) = (Vec::new(), others.into_iter().peekable());
    for item in patched {
        // What only the patch has comes before all that is left.
        let here = place(live, &item);
        while here.is_some_and(|here| others.peek().is_some_and(|other| place(live, other) < Some(here))) {
            ordered.extend(others.next());
        }
        ordered.push(item);
    }
    ordered.extend(others);
    ordered
}

/// A value as Go prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

fn merge_set(slot: &mut Value, items: &[Value]) {
    let live = slot.as_array().cloned().unwrap_or_default();
    let others = live.iter().filter(|item| !items.contains(item));
    // As in lists of objects: what only the patch has comes first.
    *slot = items.iter().chain(others).cloned().collect();
}

fn text_of<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Most operations of one JSON patch, as with a real API server.
const MOST_OPERATIONS: usize = 10_000;
/// Most bytes that one JSON patch may copy or move: a few operations could double an object again
/// and again.
const MOST_COPIED: usize = 3 << 20;

/// JSON patch (RFC 6902). The error says which operation could not be done.
pub(crate) fn json(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = list(patch, "");
    if operations.len() > MOST_OPERATIONS {
        return Err(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        ));
    }
    let mut copied = 0;
    for operation in operations {
        copied += copied_by(target, operation);
        if copied > MOST_COPIED {
            return Err(format!("Unable to complete json patch copy: more than {MOST_COPIED} bytes"));
        }
        one(target, operation).ok_or_else(|| format!("the patch could not be applied: {operation}"))?;
    }
    Ok(())
}

fn copied_by(target: &Value, operation: &Value) -> usize {
    let from = operation.get("from").and_then(Value::as_str).and_then(|from| target.pointer(from));
    from.map_or(0, |copied| copied.to_string().len())
}

fn one(target: &mut Value, operation: &Value) -> Option<()> {
    let path = operation.get("path")?.as_str()?;
    let value = || operation.get("value").cloned();
    match operation.get("op")?.as_str()? {
        "add" => add(target, path, fitting(path, value()?)?),
        "remove" => take(target, path).map(drop),
        // As the server's library has it, what is not there in an object is added.
        "replace" => {
            let value = fitting(path, value()?)?;
            if let Some(found) = target.pointer_mut(path) {
                *found = value;
                return Some(());
            }
            matches!(parent(target, path)?, (Value::Object(_), _)).then_some(())?;
            add(target, path, value)
        }
        "move" => {
            let moved = take(target, operation.get("from")?.as_str()?)?;
            add(target, path, fitting(path, moved)?)
        }
        "copy" => {
            let copied = target.pointer(operation.get("from")?.as_str()?)?.clone();
            add(target, path, fitting(path, copied)?)
        }
        "test" => (target.pointer(path)? == operation.get("value")?).then_some(()),
        _ => None,
    }
}

/// A value, if it is not nested too deep in its new place.
fn fitting(path: &str, value: Value) -> Option<Value> {
    (path.matches('/').count() + depth(&value) <= DEEPEST).then_some(value)
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((target.pointer_mut(parent)?, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    match parent(target, path)? {
        (Value::Object(map), last) => drop(map.insert(last, value)),
        (Value::Array(items), last) if last == "-" => items.push(value),
        (Value::Array(items), last) => {
            let at = last.parse::<usize>().ok().filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    match parent(target, path)? {
        (Value::Object(map), last) => map.remove(&last),
        (Value::Array(items), last) => {
            let at = last.parse::<usize>().ok().filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_strategic_patch_merges_containers_by_name_and_env_by_name() {
        let mut pod = json!({"spec": {"containers": [
            {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}], "args": ["p", "q"]}, {"name": "b"}]}});
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "a", "args": ["r"], "env": [{"name": "Y", "value": "2"}, {"name": "X", "$patch": "delete"}]}]}});
        strategic(&mut pod, &patch, "Pod").expect("a patch");
        assert_eq!(
            pod,
            json!({"spec": {"containers": [
                {"name": "b"}, {"name": "a", "image": "1", "env": [{"name": "Y", "value": "2"}], "args": ["r"]}]}})
        );
    }

    #[test]
    fn null_removes_in_a_merge_patch_and_lists_are_replaced() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        merge(&mut object, &json!({"a": {"b": null, "d": 3}, "l": [3]}));
        assert_eq!(object, json!({"a": {"c": 2, "d": 3}, "l": [3]}));
    }

    #[test]
    fn a_json_patch_is_done_in_order_and_a_failed_test_is_an_error() {
        let mut object = json!({"a": [1, 2], "b/c": 1});
        let patch = json!([{"op": "add", "path": "/a/1", "value": 9}, {"op": "remove", "path": "/b~1c"},
            {"op": "copy", "from": "/a/0", "path": "/d"}]);
        json(&mut object, &patch).expect("patch");
        assert_eq!(object, json!({"a": [1, 9, 2], "d": 1}));
        assert!(json(&mut object, &json!([{"op": "test", "path": "/d", "value": 2}])).is_err());
    }
}
