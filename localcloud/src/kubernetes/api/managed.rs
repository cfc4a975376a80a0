//! `metadata.managedFields`: who owns which fields, and how an ordinary write moves ownership.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::kinds::Kind;
use super::super::object;
use super::fields::{self, FieldSet};

/// One owner of fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owner {
    pub(crate) manager: String,
    /// Server-side apply, rather than any other write.
    pub(crate) applies: bool,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

/// Who writes, and through what.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    pub(crate) applies: bool,
    pub(crate) subresource: &'a str,
}

/// Fields that belong to the server, or say which object it is: nobody owns them.
const UNOWNED: [&[&str]; 9] = [
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:managedFields"],
    &["f:metadata", "f:resourceVersion"],
];

impl Owner {
    fn new(writer: Writer<'_>, api_version: &str) -> Self {
        Self {
            manager: writer.manager.into(),
            applies: writer.applies,
            api_version: api_version.into(),
            subresource: writer.subresource.into(),
            time: String::new(),
            fields: FieldSet::default(),
        }
    }

    fn is(&self, writer: Writer<'_>) -> bool {
        (self.manager.as_str(), self.applies, self.subresource.as_str())
            == (writer.manager, writer.applies, writer.subresource)
    }
}

/// The owners that an object names.
pub(crate) fn owners(object: &Value) -> Vec<Owner> {
    let read = |entry: &Value| Owner {
        manager: object::text(entry, "/manager").into(),
        applies: object::text(entry, "/operation") == "Apply",
        api_version: object::text(entry, "/apiVersion").into(),
        subresource: object::text(entry, "/subresource").into(),
        time: object::text(entry, "/time").into(),
        fields: FieldSet::from_json(entry.get("fieldsV1").unwrap_or(&Value::Null)),
    };
    object::list(object, "/metadata/managedFields").iter().map(read).collect()
}

/// Writes the owners into the object; those that own nothing are left out.
pub(crate) fn set_owners(object: &mut Value, owners: &[Owner]) {
    let write = |owner: &Owner| {
        let mut entry = json!({
            "manager": owner.manager, "operation": if owner.applies { "Apply" } else { "Update" },
            "apiVersion": owner.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": owner.fields.to_json(),
        });
        if !owner.time.is_empty() {
            entry["time"] = owner.time.clone().into();
        }
        if !owner.subresource.is_empty() {
            entry["subresource"] = owner.subresource.clone().into();
        }
        entry
    };
    let entries: Vec<Value> = owners.iter().filter(|owner| !owner.fields.is_empty()).map(write).collect();
    let metadata = object::metadata(object);
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".into(), entries.into());
    }
}

/// The object without the times of its owners.
pub(crate) fn without_times(object: &Value) -> Value {
    let mut object = object.clone();
    let owners = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        object::entries(owner).remove("time");
    }
    object
}

/// Takes out the fields that nobody owns.
pub(crate) fn only_owned(mut set: FieldSet) -> FieldSet {
    for path in UNOWNED {
        set.remove(path);
    }
    set
}

/// Takes out the half of an object that a write through `subresource` does not reach.
fn only_reached(mut set: FieldSet, kind: &str, subresource: &str) -> FieldSet {
    let has_status = Kind::named(kind).is_some_and(Kind::has_status);
    match subresource {
        "" if has_status => set.remove(&["f:status"]),
        "status" => set.remove(&["f:spec"]),
        _ => {}
    }
    set
}

/// The writer's entry among the owners, made if it is not there.
pub(crate) fn entry<'a>(owners: &'a mut Vec<Owner>, writer: Writer<'_>, api_version: &str) -> &'a mut Owner {
    let at = owners.iter().position(|owner| owner.is(writer)).unwrap_or(owners.len());
    if at == owners.len() {
        owners.push(Owner::new(writer, api_version));
    }
    &mut owners[at]
}

/// An ordinary write took place: what it changed is the writer's now, and nobody else's.
pub(crate) fn track(before: &Value, after: &mut Value, kind: &str, writer: Writer<'_>, now: Timestamp) {
    let difference = fields::compare(before, after, kind);
    let reached = |set| only_reached(only_owned(set), kind, writer.subresource);
    let (changed, removed) = (reached(difference.changed), reached(difference.removed));
    // A client that sends an empty list wants ownership forgotten; one that sends none does not.
    let source = if after.pointer("/metadata/managedFields").is_some() { &*after } else { before };
    let mut owners = owners(source);
    if !changed.is_empty() || !removed.is_empty() {
        for owner in owners.iter_mut().filter(|owner| !owner.is(writer)) {
            owner.fields.subtract(&changed);
            owner.fields.subtract(&removed);
        }
        let mine = entry(&mut owners, writer, object::text(after, "/apiVersion"));
        mine.fields.union(&changed);
        mine.fields.subtract(&removed);
        mine.time = object::seconds(now);
    }
    set_owners(after, &owners);
}
