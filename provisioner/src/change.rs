//! One change of one resource: what is done, why, and on what it was decided. Knows nothing of clouds,
//! kinds or order.

use serde::{Deserialize, Serialize};

use crate::compare::FieldChange;
use crate::fingerprint::Fingerprint;
use crate::resource::{Address, Desired, Live};

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
    /// It was there before the stack took it over and is not wanted, or is only used: only the marks go.
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

/// A kind's fixed fields, each with what fixes it.
pub(crate) type Fixed = &'static [(&'static str, &'static str)];

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

    /// What the cloud calls the resource.
    pub(crate) fn id(&self) -> &str {
        let wanted = self.desired.as_ref().map(|want| want.id.as_str());
        wanted.or(self.live.as_ref().map(|live| live.id.as_str())).unwrap_or_default()
    }

    /// The top-level fields that differ.
    pub(crate) fn changed_fields(&self) -> Vec<String> {
        let top = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
        let mut fields: Vec<String> = self.fields.iter().map(|field| top(&field.path)).collect();
        fields.dedup();
        fields
    }

    /// What a look is for: what is wanted, or else what was there.
    pub(crate) fn looked_for(&self) -> Option<Desired> {
        let as_it_was = |live: &Live| Desired {
            address: self.address.clone(),
            id: live.id.clone(),
            fields: live.fields.clone(),
            needs: Vec::new(),
            inside: live.inside.clone(),
            implied_by: None,
            existing: false,
            spec: None,
        };
        self.desired.clone().or_else(|| self.live.as_ref().map(as_it_was))
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
