//! How many storage calls an item takes when nothing goes wrong, told from the local cloud's log of
//! calls: what a million items cost.

use std::collections::BTreeMap;

use localcloud::calls::Entry;
use scenarios::small::{Outputs, RUN, Small};
use scenarios::until;

/// Storage calls of workers about each item, in the order in which they came: `insert receipts`.
fn calls_of_items(small: &Small, mark: u64) -> BTreeMap<String, Vec<String>> {
    let mut items: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for call in small.cloud.calls(mark) {
        let by_worker = call.program.as_deref() == Some("worker");
        if let Some((item, step)) = step(&call).filter(|_| by_worker) {
            items.entry(item).or_default().push(step);
        }
    }
    items
}

/// The item that a call is about, and what it does with which kind of its objects.
fn step(call: &Entry) -> Option<(String, String)> {
    let method = call.method.strip_prefix("storage.objects.")?;
    let (_, object) = call.resource.split_once("/objects/")?;
    let folders: Vec<&str> = object.split('/').collect();
    // Of an input or output, its folder; of a record, what it is.
    let kind = if folders[0] == "runs" { folders.get(2)? } else { &folders[0] };
    let key = object.split(['/', '.']).find(|part| part.starts_with("item-"))?;
    let key: Vec<&str> = key.split('-').take(2).collect();
    Some((key.join("-"), format!("{method} {kind}")))
}

/// Does the items of a small stack; the calls of each.
fn run(small: &Small) -> BTreeMap<String, Vec<String>> {
    let mark = small.cloud.mark();
    small.scenario.expect(0, &RUN);
    let run = small.runs().pop().expect("a run");
    until("what was staged is swept", || small.evidence(&run).runs[0].staged.is_empty().then_some(()));
    calls_of_items(small, mark)
}

#[test]
fn an_item_of_one_output_takes_four_storage_calls_beside_reading_its_input() {
    let small = Small::of(4, Outputs::One);
    let items = run(&small);
    assert_eq!(items.len(), 4, "{items:#?}");
    for (item, calls) in &items {
        let steps = ["insert attempts", "get out", "get in", "insert out", "insert receipts"];
        assert_eq!(*calls, steps, "{item}");
    }
}

#[test]
fn an_item_of_n_outputs_takes_three_storage_calls_and_three_for_each_output() {
    let small = Small::of(2, Outputs::Two);
    small.scenario.write("in/item-1.csv", "x\n1\n2\n3\n4\n5\n");
    let items = run(&small);
    for (item, outputs) in [("item-0", 2), ("item-1", 5)] {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for step in &items[item] {
            *count.entry(step).or_default() += 1;
        }
        let expected = [
            ("insert attempts", 1),
            ("get in", 1),
            ("insert staging", outputs),
            ("get out", outputs),
            ("insert commits", 1),
            ("rewrite out", outputs),
            ("insert receipts", 1),
            // After the ack: nobody waits for it.
            ("delete staging", outputs),
        ];
        assert_eq!(count, BTreeMap::from(expected), "{item}: {:#?}", items[item]);
    }
}
