//! Item keys are hostile input: any text may be one, and none leaves its place.

use std::fmt::Write as _;

use contract::Item;
use scenarios::Scenario;

const BUCKET: &str = "local-cloud-fx-data";

#[test]
fn any_text_is_an_item_and_none_leaves_its_folder() {
    let scenario = Scenario::fx();
    let long = "x".repeat(2000);
    let keys = [
        "a/b",
        "../../escape",
        "with space",
        "it's \"quoted\"",
        "$(touch owned)",
        "line\nbreak",
        "é",
        long.as_str(),
    ];
    let mut list = String::new();
    for key in keys {
        let item = Item(key.to_owned());
        writeln!(list, "{}", serde_json::json!({ "item": key })).expect("text");
        // Over 255 bytes no file has such a name: an object's may.
        if item.object_name().len() < 200 {
            let rates = format!("examples/fx/rates/{}.csv", item.object_name());
            scenario.write(&rates, "date,rate\n2026-01-02,1.5\n2026-01-05,1.6\n");
        }
    }
    scenario.write("items.ndjson", list);

    // The long one has no input: its failure is its own, and the others are done.
    let report = scenario.json(6, &["run", "--local", "--yes", "--items", "items.ndjson"]);
    assert_eq!((report["done"].as_u64(), report["failed"].as_u64()), (Some(7), Some(1)), "{report:#}");
    for key in keys.into_iter().filter(|key| key.len() < 200) {
        let name = format!("features/{}.csv", Item(key.to_owned()).object_name());
        assert!(scenario.object(BUCKET, &name).is_file(), "{key:?}: {name}");
    }
    assert!(!scenario.path("owned").exists());
    let shown = scenario.json(0, &["runs", "show", "--local"]);
    assert_eq!(shown["failures"][0]["item"].as_str(), Some(long.as_str()));
}
