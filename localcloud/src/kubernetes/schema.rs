//! The types of the kinds, read from a table: which fields there are, how they are written, and how their lists and
//! maps merge. Knows no object.
//!
//! A line of `types.table` is a type, `!` after it if it merges as one piece, and then `number:name:type:rule…` of each
//! field. Types: `s` text, `i` and `l` numbers of 32 and 64 bits, `b` truth, `y` bytes, `T` and `U` times, `Q`
//! quantity, `I` number or text, `F` embedded JSON, else a type of the table; `*` before it: many, `%`: a map by text;
//! `?` after it: a pointer. A field without name is part of its type. `ci/kubernetes/types` writes the table.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

/// How a list or an object merges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Merge {
    /// One piece: replaced as a whole.
    Atomic,
    /// Items are told apart by these fields.
    ByKeys(&'static [&'static str]),
    /// Items are told apart by their value.
    Set,
    /// An object whose fields merge one by one.
    Fields,
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Patch {
    /// Lists are replaced, objects merge.
    Replace,
    /// Items of the list are told apart by this field; empty: by their value.
    MergeBy(&'static str),
}

/// A field of a type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u64,
    /// Empty: its fields are part of the type.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) patch: Patch,
    /// What is there if nothing is said: written even when it is empty.
    pub(crate) always: bool,
    /// Left out when it is zero, though it is neither pointer nor list.
    pub(crate) omit_zero: bool,
    pub(crate) default: Option<&'static str>,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The code of a scalar, or the name of a type.
    pub(crate) kind: &'static str,
    pub(crate) many: bool,
    pub(crate) map: bool,
    pub(crate) pointer: bool,
    merge: Option<Merge>,
}

/// A type of the table.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    /// In the order in which Kubernetes declares them.
    pub(crate) fields: Vec<Field>,
    is_one_piece: bool,
}

static TYPES: LazyLock<HashMap<&'static str, Type>> =
    LazyLock::new(|| include_str!("types.table").lines().map(read).map(|one| (one.name, one)).collect());

fn read(line: &'static str) -> Type {
    let mut words = line.split(' ');
    let first = words.next().unwrap_or_default();
    Type {
        name: first.trim_end_matches('!'),
        is_one_piece: first.ends_with('!'),
        fields: words.filter_map(field).collect(),
    }
}

fn field(word: &'static str) -> Option<Field> {
    let mut parts = word.split(':');
    let (number, name, code) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let mut shape = Shape {
        kind: code.trim_start_matches(['*', '%']).trim_end_matches('?'),
        many: code.starts_with('*'),
        map: code.starts_with('%'),
        pointer: code.ends_with('?'),
        merge: None,
    };
    let mut patch = Patch::Replace;
    let (mut always, mut omit_zero, mut default) = (false, false, None);
    for rule in parts {
        match rule.split_once('=').unwrap_or((rule, "")) {
            ("atomic", _) => shape.merge = Some(Merge::Atomic),
            ("set", _) => shape.merge = Some(Merge::Set),
            // The table lives as long as the program.
            ("key", keys) => {
                shape.merge = Some(Merge::ByKeys(Vec::leak(keys.split('+').collect())));
            }
            ("merge", key) => patch = Patch::MergeBy(key),
            ("always", _) => always = true,
            ("omitzero", _) => omit_zero = true,
            ("default", value) => default = Some(value.trim_matches('"')),
            _ => {}
        }
    }
    Some(Field { number, name, shape, patch, always, omit_zero, default })
}

/// A type by its name: a kind, or what it is made of.
pub(crate) fn of(name: &str) -> Option<&'static Type> {
    TYPES.get(name)
}

impl Type {
    /// A field by its name, wherever it is declared.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find_map(|field| match field.name {
            "" => field.shape.of()?.field(name),
            own => (own == name).then_some(field),
        })
    }
}

impl Shape {
    /// A value that is an object of a kind.
    pub(crate) fn root(kind: &str) -> Self {
        let kind = of(kind).map_or("F", |found| found.name);
        Self { kind, many: false, map: false, pointer: false, merge: None }
    }

    /// The type of an object; none for scalars, lists and maps.
    pub(crate) fn of(&self) -> Option<&'static Type> {
        of(self.kind).filter(|_| !self.many && !self.map)
    }

    /// What an item of the list or a value of the map is.
    pub(crate) fn item(&self) -> Self {
        Self { many: false, map: false, pointer: false, merge: None, ..*self }
    }

    /// What a field of the value is; none if it has no such field.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        if self.map { Some(self.item()) } else { Some(self.of()?.field(name)?.shape) }
    }

    /// How the value merges.
    pub(crate) fn merge(&self, value: &Value) -> Merge {
        match (value, self.merge) {
            (Value::Object(_) | Value::Array(_), Some(merge)) => merge,
            (Value::Object(_), None) if self.map => Merge::Fields,
            (Value::Object(_), None) if self.of().is_some_and(|found| !found.is_one_piece) => Merge::Fields,
            _ => Merge::Atomic,
        }
    }

    /// What the key of a list item is when its manifest leaves it out.
    pub(crate) fn default_key(&self, key: &str) -> Option<&'static str> {
        of(self.kind)?.field(key)?.default
    }
}
