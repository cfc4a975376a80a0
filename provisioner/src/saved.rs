//! A plan as a file: exactly what was shown, bound to the states that it was decided on. It holds no
//! secrets, since a stack has none, and whoever changes a byte of it has no plan any more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::{Action, Change};
use crate::compare::FieldChange;
use crate::fingerprint::{Fingerprint, digest};
use crate::kinds;
use crate::plan::{Allowed, Plan};
use crate::resource::{Address, Desired, Live, Owner, Revision};

/// What the file says that it is.
const FORMAT: &str = "provision-plan";
/// The version that this program writes, and the newest that it reads.
const VERSION: u64 = 1;
/// Where the digest of all the rest stands.
const DIGEST: &str = "digest";

/// A plan that was read from a file.
#[derive(Debug)]
pub(crate) struct Saved {
    /// The plan.
    pub plan: Plan,
    /// What it may destroy, said when it was made.
    pub allowed: Allowed,
}

/// Why a file is not a plan that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// It is cut off, or never was JSON.
    #[error("it is cut off, or not a plan at all ({0}): plan again")]
    NotWhole(String),
    /// It is some other JSON.
    #[error("it is not a plan: `provision plan --out FILE` writes one")]
    NotAPlan,
    /// A newer program wrote it.
    #[error(
        "provision {by} wrote it in format {version}, and this one reads up to format {VERSION}: apply it with that version, or plan again"
    )]
    Newer {
        /// The version of that program.
        by: String,
        /// The version of the format.
        version: u64,
    },
    /// It was changed after it was written.
    #[error("it was changed after it was written: its digest does not match; plan again")]
    Edited,
    /// Its digest matches, and it makes no sense.
    #[error("it makes no sense ({0}): plan again")]
    Nonsense(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    provision: String,
    stack: String,
    project: String,
    local: bool,
    desired: String,
    delete_data: bool,
    interrupt_runs: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<usize>,
    changes: Vec<SavedChange>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedChange {
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

/// A plan as the text of a file.
pub(crate) fn written(plan: &Plan, allowed: Allowed) -> anyhow::Result<String> {
    let file = File {
        format: FORMAT.into(),
        version: VERSION,
        provision: env!("CARGO_PKG_VERSION").into(),
        stack: plan.stack.clone(),
        project: plan.project.clone(),
        local: plan.local,
        desired: plan.desired.clone(),
        delete_data: allowed.delete_data,
        interrupt_runs: allowed.interrupt_runs,
        targets: plan.targets.clone(),
        left_out: (plan.left_out > 0).then_some(plan.left_out),
        changes: plan.changes().iter().map(|change| SavedChange::of(change, plan)).collect(),
    };
    let mut value = serde_json::to_value(&file)?;
    // Of what a reader will find: a number may lose its last digit on the way.
    let read: Value = serde_json::from_str(&value.to_string())?;
    value[DIGEST] = digest(&read).into();
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

/// Reads a plan from the text of a file. Never panics, whatever the text.
pub(crate) fn read(text: &str) -> Result<Saved, Unusable> {
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| Unusable::NotWhole(error.to_string()))?;
    if value["format"] != FORMAT {
        return Err(Unusable::NotAPlan);
    }
    let version = value["version"].as_u64().ok_or(Unusable::NotAPlan)?;
    if version > VERSION {
        let by = value["provision"].as_str().unwrap_or("(of an unknown version)").to_owned();
        return Err(Unusable::Newer { by, version });
    }
    let said = value.as_object_mut().and_then(|file| file.remove(DIGEST));
    if said.as_ref().and_then(Value::as_str) != Some(&digest(&value)) {
        return Err(Unusable::Edited);
    }
    let file: File = serde_json::from_value(value).map_err(|error| Unusable::Nonsense(error.to_string()))?;
    let timeouts = file.changes.iter().filter_map(SavedChange::timeout).collect::<Result<_, _>>()?;
    let changes = file.changes.into_iter().map(SavedChange::change).collect::<Result<_, _>>()?;
    let mut plan = Plan::of_changes(file.stack, file.project, file.local, file.desired, changes);
    (plan.targets, plan.left_out, plan.timeouts) =
        (file.targets, file.left_out.unwrap_or_default(), timeouts);
    Ok(Saved {
        plan,
        allowed: Allowed { delete_data: file.delete_data, interrupt_runs: file.interrupt_runs },
    })
}

impl SavedChange {
    fn of(change: &Change, plan: &Plan) -> Self {
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
    fn timeout(&self) -> Option<Result<(Address, Duration), Unusable>> {
        let timeout = Duration::from_secs(self.timeout_seconds?);
        Some(address(&self.address).map(|address| (address, timeout)))
    }

    fn change(self) -> Result<Change, Unusable> {
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

/// Reads a plan as it comes, and with a digest that fits: what is read is written as it was.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = read(&text);
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return };
    if let Some(file) = value.as_object_mut() {
        file.remove(DIGEST);
        let fits = digest(&Value::Object(file.clone()));
        file.insert(DIGEST.to_owned(), fits.into());
    }
    if let Ok(saved) = read(&value.to_string()) {
        let written = written(&saved.plan, saved.allowed).unwrap_or_default();
        assert!(read(&written).is_ok(), "what was read is not written as a plan:\n{written}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::graph::Graph;

    fn plan() -> Plan {
        let live = |kind: &'static str, key: &str, fields: Value| Live {
            id: format!("projects/p/{key}"),
            holds: (kind == "bucket").then(|| "32 objects".to_owned()),
            ..Live::for_test(kind, key, fields).identified("7")
        };
        let want = |kind: &'static str, key: &str, fields: Value| Desired {
            id: format!("projects/p/{key}"),
            needs: (key != "new").then(|| Address::new("topic", "new")).into_iter().collect(),
            implied_by: Some(Address::new("topic", "new")),
            spec: Some("v1-a-b".into()),
            ..Desired::for_test(kind, key, fields)
        };
        let change = |action: Action, desired: Option<Desired>, live: Option<Live>| Change {
            address: desired
                .as_ref()
                .map(|w| &w.address)
                .or(live.as_ref().map(|l| &l.address))
                .expect("one")
                .clone(),
            action,
            reason: "in the file".into(),
            fields: Vec::new(),
            seen: live.as_ref().map(|live| Fingerprint::of(desired.as_ref().map(|want| &want.fields), live)),
            desired,
            live,
        };
        let fields = || json!({ "share": 0.1, "labels": {} });
        let changes = vec![
            change(Action::Create, Some(want("topic", "new", fields())), None),
            change(
                Action::Update,
                Some(want("subscription", "work", fields())),
                Some(live("subscription", "work", Value::Null)),
            ),
            change(Action::Delete, None, Some(live("bucket", "data", fields()))),
        ];
        Plan::for_test("fx", Graph { waits_for: vec![vec![], vec![0], vec![]], changes })
    }

    fn text() -> String {
        let allowed = Allowed { delete_data: true, interrupt_runs: false };
        written(&plan(), allowed).expect("a plan can be written")
    }

    fn refusal(text: &str) -> String {
        read(text).expect_err("no plan").to_string()
    }

    /// A file whose digest matches whatever is in it.
    fn sealed(mut value: Value) -> String {
        if let Some(file) = value.as_object_mut() {
            file.remove(DIGEST);
            let seal = digest(&value);
            value[DIGEST] = seal.into();
        }
        value.to_string()
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let saved = read(&text()).expect("a plan");
        assert!(saved.allowed.delete_data && !saved.allowed.interrupt_runs);
        assert_eq!((saved.plan.stack.as_str(), saved.plan.project.as_str()), ("fx", "p"));
        assert_eq!(written(&saved.plan, saved.allowed).expect("text"), text());
        let waits: Vec<_> = (0..3).map(|at| saved.plan.after(at).map(ToString::to_string)).collect();
        assert_eq!(waits, [None, Some("topic.new".to_owned()), None]);
    }

    #[test]
    fn what_is_no_plan_of_this_version_is_refused_with_the_reason() {
        let whole = text();
        let value: Value = serde_json::from_str(&whole).expect("JSON");
        let with = |key: &str, new: Value| {
            let mut value = value.clone();
            value[key] = new;
            value
        };
        let mut newer = with("version", json!(2));
        newer["provision"] = "9.8.7".into();
        let mut half = value.clone();
        half["changes"][1]["seen"] = Value::Null;
        let mut alien = value.clone();
        alien["changes"][0]["address"] = "volcano.etna".into();
        let refusals = [
            refusal(""),
            refusal(&whole[..100]),
            refusal("[]"),
            refusal("{\"format\": 1}"),
            refusal(&whole.replace("32 objects", "31 objects")),
            refusal(&with("digest", Value::Null).to_string()),
            refusal(&sealed(newer)),
            refusal(&sealed(half)),
            refusal(&sealed(alien)),
            refusal(&sealed(with("surprise", json!(1)))),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @"
        it is cut off, or not a plan at all (EOF while parsing a value at line 1 column 0): plan again
        it is cut off, or not a plan at all (EOF while parsing an object at line 7 column 2): plan again
        it is not a plan: `provision plan --out FILE` writes one
        it is not a plan: `provision plan --out FILE` writes one
        it was changed after it was written: its digest does not match; plan again
        it was changed after it was written: its digest does not match; plan again
        provision 9.8.7 wrote it in format 2, and this one reads up to format 1: apply it with that version, or plan again
        it makes no sense (subscription.work is half a change): plan again
        it makes no sense (`volcano.etna` is no address): plan again
        it makes no sense (unknown field `surprise`, expected one of `format`, `version`, `provision`, `stack`, `project`, `local`, `desired`, `delete_data`, `interrupt_runs`, `targets`, `left_out`, `changes`): plan again
        ");
    }

    /// Everything in a value that may be replaced.
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(entries) => entries.iter().for_each(|(key, value)| {
                pointers(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, value)| pointers(value, &format!("{at}/{n}"), found));
            }
            _ => {}
        }
    }

    #[test]
    fn the_seed_of_the_fuzzer_is_a_plan_of_this_version() {
        let seed = include_str!("fuzz/plan.json");
        assert!(read(seed).is_ok(), "write it anew:\n{}", text());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn no_cut_and_no_byte_passes(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let whole = text();
            let at = at.index(whole.len());
            let mut bytes = whole.clone().into_bytes();
            prop_assert!(read(&String::from_utf8_lossy(&bytes[..at])).is_err() || whole[at..].trim().is_empty());
            bytes[at] = byte;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            let same = serde_json::from_str::<Value>(&changed).ok() == serde_json::from_str(&whole).ok();
            prop_assert!(same || read(&changed).is_err());
        }

        #[test]
        fn no_nonsense_with_a_right_digest_makes_the_reader_panic(
            at in any::<prop::sample::Index>(),
            new in prop::sample::select(vec![
                json!(null), json!(""), json!("."), json!("topic."), json!([]), json!({}), json!(-1), json!(1e300),
                json!("delete"), json!("create"), json!(["topic.new", "topic.new"]), json!(true),
            ]),
        ) {
            let mut value: Value = serde_json::from_str(&text()).expect("JSON");
            let mut all = Vec::new();
            pointers(&value, "", &mut all);
            let target = &all[at.index(all.len())];
            if let Some(place) = value.pointer_mut(target) {
                *place = new;
            }
            let _ = read(&sealed(value)).map(|saved| written(&saved.plan, saved.allowed));
        }
    }
}
