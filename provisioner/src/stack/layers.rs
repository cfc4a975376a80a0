//! Lays the texts of a stack over one another: tables are merged key by key, any other value takes
//! the place of the one below it. Knows no key but `remove`.
//!
//! An overlay takes keys away with `remove = ["cluster.main.pool.steady.nodes"]`, at its top.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::assignment::{self, Step};
use super::problem::{Problem, nearest};
use super::read::{self, Key, Node};
use super::texts::{Layer, Text, Texts};

/// The key of an overlay that takes keys away.
pub(super) const REMOVE: &str = "remove";

/// All of the texts as one table, as far as they can be read.
pub(super) fn merged(texts: &Texts) -> (DeTable<'_>, Vec<Problem>) {
    let (mut root, mut problems) = (DeTable::new(), Vec::new());
    for text in texts.iter() {
        let (layer, wrong) = layer(text, &mut root);
        merge(&mut root, layer);
        problems.extend(wrong);
    }
    (root, problems)
}

/// What a text lays over the others, in places of all texts.
fn layer<'a>(text: &'a Text, below: &mut DeTable<'_>) -> (DeTable<'a>, Vec<Problem>) {
    let (table, mut problems) = match text.layer {
        Layer::File | Layer::Overlay => read::document(&text.content),
        Layer::Flag => match assignment::read(&text.content) {
            Ok(set) => (set, Vec::new()),
            Err(problem) => (DeTable::new(), vec![problem]),
        },
    };
    for problem in &mut problems {
        problem.span = moved_span(&problem.span, text.start);
    }
    let mut table = moved_table(table, text.start);
    match text.layer {
        Layer::File => {}
        Layer::Overlay => {
            if let Some(paths) = table.remove(REMOVE) {
                problems.extend(remove(&paths, below));
            }
        }
        Layer::Flag => {
            if let Some(problem) = invents(&table, below) {
                problems.push(problem);
                table = DeTable::new();
            }
        }
    }
    (table, problems)
}

fn merge<'a>(below: &mut DeTable<'a>, layer: DeTable<'a>) {
    for (key, node) in layer {
        match (below.get_mut(&key).map(Spanned::get_mut), node) {
            (Some(DeValue::Table(below)), node) if node.get_ref().is_table() => {
                if let DeValue::Table(layer) = node.into_inner() {
                    merge(below, layer);
                }
            }
            (_, node) => {
                // The key goes too, for its place is where it was written.
                below.remove(&key);
                below.insert(key, node);
            }
        }
    }
}

fn moved_span(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

fn moved_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    table.into_iter().map(|(key, node)| (moved_key(key, by), moved_node(node, by))).collect()
}

fn moved_key(key: Key<'_>, by: usize) -> Key<'_> {
    Spanned::new(moved_span(&key.span(), by), key.into_inner())
}

pub(super) fn moved_node(node: Node<'_>, by: usize) -> Node<'_> {
    let span = moved_span(&node.span(), by);
    let value = match node.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, by)),
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| moved_node(item, by)).collect()),
        value => value,
    };
    Spanned::new(span, value)
}

/// Takes away what `remove` names.
fn remove(paths: &Node<'_>, root: &mut DeTable<'_>) -> Vec<Problem> {
    const HELP: &str = "write it as remove = [\"cluster.main.pool.steady.nodes\"]";
    let DeValue::Array(paths) = paths.get_ref() else {
        return vec![Problem::new(paths.span(), "`remove` is a list of keys").help(HELP)];
    };
    let one = |path: &Node<'_>| {
        let Some(text) = path.get_ref().as_str() else {
            return Some(Problem::new(path.span(), "`remove` is a list of keys").help(HELP));
        };
        match assignment::path(text) {
            Ok(steps) => {
                remove_one(&steps, root).map(|(what, help)| Problem::new(path.span(), what).help(help))
            }
            Err(problem) => Some(Problem::new(path.span(), problem.message).help(HELP)),
        }
    };
    paths.iter().filter_map(one).collect()
}

/// What is wrong, and what to do.
fn remove_one(steps: &[Step], root: &mut DeTable<'_>) -> Option<(String, String)> {
    let (last, before) = steps.split_last()?;
    let mut table = root;
    for (at, Step { name, .. }) in before.iter().enumerate() {
        let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
        match table.get_mut(name.as_str()).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => table = inner,
            _ => return Some(absent(&steps[..=at], &keys)),
        }
    }
    let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
    match table.remove(last.name.as_str()) {
        Some(_) => None,
        None => Some(absent(steps, &keys)),
    }
}

/// A flag changes what the files declare. It makes no resource, and no pool, of a name that was
/// misspelled; unknown keys are found by whoever reads the table.
fn invents(set: &DeTable<'_>, below: &DeTable<'_>) -> Option<Problem> {
    let schema = super::json_schema();
    let (mut set, mut below, mut schema) = (set, Some(below), &schema);
    let mut steps: Vec<Step> = Vec::new();
    while let Some((key, node)) = set.iter().next() {
        let name: &str = key.get_ref();
        let there = below.and_then(|below| below.get(name));
        steps.push(Step { name: name.to_owned(), span: key.span() });
        schema = read::some_of(schema);
        schema = match &schema["properties"][name] {
            Value::Null => {
                let inner = &schema["additionalProperties"];
                if inner["properties"].is_object() && there.is_none() {
                    let keys: Vec<String> = below
                        .into_iter()
                        .flat_map(DeTable::keys)
                        .map(|key| key.get_ref().to_string())
                        .collect();
                    let (what, help) = absent(&steps, &keys);
                    return Some(Problem::new(key.span(), what).help(help));
                }
                inner
            }
            known => known,
        };
        let DeValue::Table(inner) = node.get_ref() else { return None };
        set = inner;
        below = there.and_then(|there| there.get_ref().as_table());
    }
    None
}

/// A path whose last step is not in the files, where there are `keys`.
fn absent(steps: &[Step], keys: &[String]) -> (String, String) {
    let path: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    let (last, before) = path.split_last().unwrap_or((&"", &[]));
    let what = format!("the files have no `{}`", path.join("."));
    let beside = |key: &str| before.iter().copied().chain([key]).collect::<Vec<_>>().join(".");
    let help = match nearest(last, keys.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`?", beside(near)),
        None if keys.is_empty() => format!("they have no `{}` at all", before.join(".")),
        None => format!("they have {}", keys.iter().map(|key| beside(key)).collect::<Vec<_>>().join(", ")),
    };
    (what, help)
}
