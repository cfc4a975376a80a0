//! One change of a plan as it stands in the file.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Unusable;
use crate::change::{Action, Change};
use crate::compare::FieldChange;
use crate::fingerprint::Fingerprint;
use crate::kinds;
use crate::plan::Plan;
use crate::resource::{Address, Desired, Live, Owner, Revision};

/// A change, with all that carrying it out asks for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedChange {
    address: String,
    action: Action,
    reason: String,
    fields: Vec<FieldChange>,
    desired: Option<SavedDesired>,
    live: Option<SavedLive>,
    seen: Option<Fingerprint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedDesired {
    id: String,
    fields: Value,
    needs: Vec<String>,
    inside: Option<String>,
    implied_by: Option<String>,
    spec: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLive {
    id: String,
    /// Only of what goes: a deletion needs to know what it deletes.
    fields: Value,
    holds: Option<String>,
    inside: Option<String>,
}

impl SavedChange {
    /// A change of a plan.
    pub(super) fn of(change: &Change, plan: &Plan) -> Self {
        let goes = change.desired.is_none() || change.is_destructive();
        let texts = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect();
        let text = |address: &Option<Address>| address.as_ref().map(ToString::to_string);
        Self {
            address: change.address.to_string(),
            action: change.action,
            reason: change.reason.clone(),
            fields: change.fields.clone(),
            desired: change.desired.as_ref().map(|want| SavedDesired {
                id: want.id.clone(),
                fields: want.fields.clone(),
                needs: texts(&want.needs),
                inside: text(&want.inside),
                implied_by: text(&want.implied_by),
                spec: want.spec.clone(),
            }),
            live: change.live.as_ref().map(|live| SavedLive {
                id: live.id.clone(),
                fields: if goes { live.fields.clone() } else { Value::Null },
                holds: live.holds.clone(),
                inside: text(&live.inside),
            }),
            seen: change.seen.clone(),
            timeout_seconds: plan.timeouts.get(&change.address).map(Duration::as_secs),
        }
    }

    /// How long it may take, where the plan says so.
    pub(super) fn timeout(&self) -> Option<Result<(Address, Duration), Unusable>> {
        let timeout = Duration::from_secs(self.timeout_seconds?);
        Some(address(&self.address).map(|address| (address, timeout)))
    }

    /// The change that it was.
    pub(super) fn change(self) -> Result<Change, Unusable> {
        let Self { address: name, action, reason, fields, desired, live, seen, timeout_seconds: _ } = self;
        let has = (desired.is_some(), live.is_some() && seen.is_some());
        let needs = match action {
            Action::Create => (true, false),
            Action::Update | Action::Replace => (true, true),
            Action::Delete | Action::Release => (false, true),
            Action::Rename => return Err(Unusable::Nonsense(format!("{name} is renamed by no plan"))),
        };
        if has != needs {
            return Err(Unusable::Nonsense(format!("{name} is half a change")));
        }
        let address = address(&name)?;
        let optional = |text: Option<String>| text.as_deref().map(self::address).transpose();
        let desired = desired.map(|want| {
            Ok(Desired {
                address: address.clone(),
                id: want.id,
                fields: want.fields,
                needs: want.needs.iter().map(|need| self::address(need)).collect::<Result<_, _>>()?,
                inside: optional(want.inside)?,
                implied_by: optional(want.implied_by)?,
                existing: false,
                spec: want.spec,
            })
        });
        let live = live.map(|live| {
            Ok(Live {
                address: address.clone(),
                id: live.id,
                fields: live.fields,
                owner: Owner::Ours,
                holds: live.holds,
                inside: optional(live.inside)?,
                revision: Revision::default(),
            })
        });
        Ok(Change {
            desired: desired.transpose()?,
            live: live.transpose()?,
            address,
            action,
            reason,
            fields,
            seen,
        })
    }
}

fn address(text: &str) -> Result<Address, Unusable> {
    let (kind, key) = text.split_once('.').unwrap_or((text, ""));
    let kind = kinds::named(kind).ok_or_else(|| Unusable::Nonsense(format!("`{text}` is no address")))?;
    Ok(Address::new(kind.name(), key))
}
