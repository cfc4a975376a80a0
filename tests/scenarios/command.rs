//! A program of the user's as the work of a job: the example of the repository, whole.

use scenarios::{Scenario, repository};

const BUCKET: &str = "local-cloud-orders-data";

/// The example, in a folder of its own.
fn example() -> Scenario {
    let from = repository().join("examples/command");
    let read = |name: &str| std::fs::read_to_string(from.join(name)).expect("the example");
    let scenario = Scenario::with(&read("stack.toml"));
    for name in ["totals.py", "ids.txt"] {
        scenario.write(name, read(name));
    }
    scenario
}

#[test]
fn every_order_is_added_up_and_the_one_that_never_can_be_is_told_with_what_it_printed() {
    let scenario = example();
    scenario.expect(0, &["check"]);
    let report = scenario.json(6, &["run", "--local", "--yes", "--items", "ids.txt"]);
    assert_eq!(
        (report["items"].as_u64(), report["done"].as_u64(), report["failed"].as_u64()),
        (Some(6), Some(5), Some(1))
    );

    let orders = ["order-1001", "order-1002", "order-1003", "order-1004", "order-busy"];
    let expected: Vec<String> = orders
        .iter()
        .flat_map(|id| ["lines.json", "total.txt"].map(|name| format!("totals/{id}/{name}")))
        .collect();
    assert_eq!(scenario.objects(BUCKET, "totals"), expected);
    let total =
        std::fs::read_to_string(scenario.object(BUCKET, "totals/order-1001/total.txt")).expect("a total");
    assert_eq!(total, "60\n");

    let receipts = report["receipts"].as_array().expect("receipts");
    let busy = receipts.iter().find(|receipt| receipt["item"] == "order-busy").expect("a receipt");
    assert_eq!(busy["attempt"], 2, "it failed once");

    let shown = scenario.expect(0, &["failed", "show", "--local"]);
    for part in [
        "order-lost",
        "`python3` exited with 65, so this item can never be done: order-lost is not the number of an order",
        "adding up order-lost, attempt 1",
    ] {
        assert!(shown.contains(part), "no `{part}` in\n{shown}");
    }
}
