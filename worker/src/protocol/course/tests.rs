//! The course of an item, call by call.

use super::*;
use crate::protocol::model::receipt;

const RUN: i64 = 100;

fn ours() -> Receipt {
    receipt(&RunId("ours".into()), "e1")
}

fn staged(name: &str) -> Staged {
    Staged {
        uri: format!("gs://b/{name}"),
        object: format!("runs/ours/{name}.staged"),
        generation: 1,
        size: 1,
        crc32c: String::new(),
    }
}

/// An execution of two outputs that was recorded.
fn recorded() -> Course {
    Course::recorded(RUN, Commit { receipt: ours(), outputs: vec![staged("a"), staged("b")] })
}

fn stored(generation: i64, run: i64, receipt: &Receipt) -> Stored {
    let (name, crc32c) = (String::new(), String::new());
    Stored { name, generation, size: 1, crc32c, metadata: mark(run, receipt), created: 0 }
}

#[test]
fn each_output_is_judged_by_itself_and_the_receipt_names_what_stands_there() {
    let mut course = recorded();
    assert_eq!(course.calls(), [Call::Look(0), Call::Look(1)]);
    let newer = receipt(&RunId("newer".into()), "e9");
    course.learn(Call::Look(0), Answer::Found(Some(stored(7, 101, &newer)))).expect("a newer one");
    course.learn(Call::Look(1), Answer::Found(Some(stored(8, 99, &newer)))).expect("an older one");
    assert_eq!(course.calls(), [Call::Copy(1, 8)]);
    course.learn(Call::Copy(1, 8), Answer::Copied(stored(9, RUN, &ours()))).expect("a copy");
    assert_eq!(course.calls(), []);
    let (receipt, leftovers) = course.ended().expect("an end");
    assert_eq!(receipt.kind, ReceiptKind::Superseded);
    assert_eq!(receipt.outputs.iter().map(|output| output.generation).collect::<Vec<_>>(), [7, 9]);
    assert_eq!(leftovers, ["runs/ours/a.staged", "runs/ours/b.staged"]);
}

#[test]
fn who_comes_second_promotes_the_others_outputs_and_leaves_his_own_to_be_swept() {
    let mut course = Course::made(RUN, receipt(&RunId("ours".into()), "e2"), vec!["gs://b/c".into()]);
    course.learn(Call::Stage(0), Answer::Staged(staged("c"))).expect("staged");
    course.learn(Call::Look(0), Answer::Found(None)).expect("nothing");
    assert_eq!(course.calls(), [Call::Record]);
    course.learn(Call::Record, Answer::RecordIsThere).expect("a record");
    assert_eq!(course.calls(), [Call::ReadRecord]);
    course.learn(Call::ReadRecord, Answer::Record(recorded().commit())).expect("another's");
    assert_eq!(course.calls(), [Call::Look(0), Call::Look(1)]);
    for at in [0, 1] {
        let found = Some(stored(5, RUN, &ours()));
        course.learn(Call::Look(at), Answer::Found(found)).expect("promoted already");
    }
    let (receipt, leftovers) = course.ended().expect("an end");
    assert_eq!((receipt.execution.as_str(), receipt.kind), ("e1", ReceiptKind::Stored));
    assert_eq!(leftovers, ["runs/ours/a.staged", "runs/ours/b.staged", "runs/ours/c.staged"]);
}

#[test]
fn an_output_of_another_item_of_the_run_is_in_the_way_for_good() {
    let another = Receipt { item: Item("another".into()), ..ours() };
    let found = Answer::Found(Some(stored(5, RUN, &another)));
    let mut course = recorded();
    course.learn(Call::Look(0), Answer::Found(None)).expect("nothing");
    course.learn(Call::Copy(0, 0), Answer::Copied(stored(6, RUN, &ours()))).expect("a copy");
    let wrong = course.learn(Call::Look(1), found).expect_err("a collision");
    assert_eq!(course.promoted(), ["gs://b/a"]);
    assert_eq!(wrong.to_string(), "gs://b/b is the output of another item of this run as well");
}

#[test]
fn a_destination_that_never_rests_ends_the_attempt() {
    let mut course = recorded();
    let mut change = |generation| {
        course.learn(Call::Look(0), Answer::Found(None))?;
        course.learn(Call::Copy(0, generation), Answer::Changed)
    };
    for generation in 0..5 {
        assert_eq!(change(generation), Ok(()));
    }
    assert_eq!(change(5), Err(Obstacle::Restless("gs://b/a".into())));
}

#[test]
fn without_its_staged_output_an_item_has_a_receipt_or_is_lost() {
    let sleeper = || {
        let mut course = recorded();
        course.learn(Call::Look(0), Answer::Found(None)).expect("nothing");
        course.learn(Call::Copy(0, 0), Answer::NoSource).expect("swept");
        course.learn(Call::Look(0), Answer::Found(None)).expect("nothing still");
        assert_eq!(course.calls(), [Call::ReadReceipt]);
        course
    };
    let mut course = sleeper();
    course.learn(Call::ReadReceipt, Answer::Receipt(Some(ours()))).expect("a receipt");
    assert_eq!((course.calls(), course.ended().map(|(receipt, _)| receipt)), (vec![], Some(ours())));
    let lost = sleeper().learn(Call::ReadReceipt, Answer::Receipt(None));
    assert_eq!(lost, Err(Obstacle::Lost("runs/ours/a.staged".into())));
}
