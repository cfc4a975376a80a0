//! A resource of a stack, wanted or found. Knows nothing of any kind.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Where a resource stands in the stack: the path of its table, `topic.items`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The kind: `topic`.
    pub kind: &'static str,
    /// The key: `items`; what lies inside another resource names it first: `main/workers`.
    pub key: String,
}

impl Address {
    /// The address of `kind` and `key`.
    pub(crate) fn new(kind: &'static str, key: impl Into<String>) -> Self {
        Self { kind, key: key.into() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.key)
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A resource as the stack wants it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    /// Its address.
    pub address: Address,
    /// What the cloud calls it, in full: `projects/p/topics/fx-items`.
    pub id: String,
    /// The kind's type, as JSON. What is absent is not our business.
    pub fields: Value,
    /// What must be there first.
    pub needs: Vec<Address>,
    /// The resource that it lies in and vanishes with: a bucket's files with the bucket.
    pub inside: Option<Address>,
    /// The resource that implies this one, which is not in the file itself.
    pub implied_by: Option<Address>,
    /// Referenced, not owned: never created, changed or deleted.
    pub existing: bool,
    /// The mark that tells an edit from drift, where the kind bears one.
    pub spec: Option<String>,
}

/// A resource as the cloud has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Live {
    /// Its address, as its owner's marks tell it.
    pub address: Address,
    /// What the cloud calls it, in full.
    pub id: String,
    /// The kind's type, as JSON, without what only the server sets.
    pub fields: Value,
    /// Whose it is.
    pub owner: Owner,
    /// What is lost with it: `"32 objects"`, `"7 undelivered messages"`.
    pub holds: Option<String>,
    /// The resource that it lies in and vanishes with.
    pub inside: Option<Address>,
    /// Which state of it this is.
    pub revision: Revision,
}

/// The mark of what was there before the stack took it over: it is let go, not deleted.
pub(crate) const ADOPTED: &str = "provision-adopted";

/// What tells one state of a live resource from another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Revision {
    /// A uid, or a time of creation: another one of the same name has another. Not every service
    /// tells.
    pub identity: Option<String>,
    /// What a write carries that is to be done only if nobody wrote since: an etag, a metageneration.
    pub version: Option<String>,
    /// The marks that it bears beside its owner and its key, those of other versions of this program
    /// too.
    pub marks: BTreeMap<String, String>,
}

impl Live {
    /// Whether it was there before the stack took it over.
    pub(crate) fn is_adopted(&self) -> bool {
        self.revision.marks.contains_key(ADOPTED)
    }
}

/// A wanted resource, and what there is in its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    /// What the stack wants.
    pub want: Desired,
    /// What the cloud has; nothing, if it is not there.
    pub live: Option<Live>,
}

/// How a live resource is, in its service's words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Health {
    /// `RUNNING`, `ACTIVE`.
    pub state: String,
    /// Whether it does what it is there for.
    pub is_well: bool,
    /// What its service says of it beside.
    pub conditions: Vec<String>,
}

/// Whose a live resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This stack's.
    Ours,
    /// Another stack's, by name.
    Stack(String),
    /// Nobody's that we know of.
    Nobody,
}

#[cfg(test)]
impl Desired {
    /// A resource that needs nothing, called as its key.
    pub(crate) fn for_test(kind: &'static str, key: &str, fields: Value) -> Self {
        Self {
            address: Address::new(kind, key),
            id: key.to_owned(),
            fields,
            needs: Vec::new(),
            inside: None,
            implied_by: None,
            existing: false,
            spec: None,
        }
    }
}

#[cfg(test)]
impl Live {
    /// A resource of the stack's own, called as its key.
    pub(crate) fn for_test(kind: &'static str, key: &str, fields: Value) -> Self {
        Self {
            address: Address::new(kind, key),
            id: key.to_owned(),
            fields,
            owner: Owner::Ours,
            holds: None,
            inside: None,
            revision: Revision::default(),
        }
    }

    /// The same one, with another identity.
    pub(crate) fn identified(mut self, identity: &str) -> Self {
        self.revision.identity = Some(identity.to_owned());
        self
    }
}
