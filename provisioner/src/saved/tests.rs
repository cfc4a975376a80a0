//! Plans that are written and read, and files that are none.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::change::{Action, Change};
use crate::fingerprint::Fingerprint;
use crate::graph::Graph;
use crate::resource::{Address, Desired, Live};

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
    let seed = include_str!("../fuzz/plan.json");
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
