//! The main job on real data, and its numbers recomputed from the raw files by other means.

use std::path::Path;

use scenarios::Scenario;

const RUN: [&str; 5] = ["run", "--local", "--yes", "--items", "examples/fx/items.txt"];
const BUCKET: &str = "local-cloud-fx-data";

#[test]
fn the_quick_start_turns_every_currency_into_features() {
    let scenario = Scenario::fx_on_a_fast_cloud();
    let report = scenario.json(0, &RUN);
    assert_eq!(report["items"], 32);
    assert_eq!(report["done"], 32);
    assert_eq!(report["failed"], 0);
    let receipts = report["receipts"].as_array().expect("receipts");
    assert_eq!(receipts.len(), 32);

    let items = std::fs::read_to_string(scenario.path("examples/fx/items.txt")).expect("items");
    for item in items.lines() {
        let raw = scenario.path(&format!("examples/fx/rates/{item}.csv"));
        let (expected, rejected) = features(&raw);
        compare(item, &expected, &scenario.object(BUCKET, &format!("features/{item}.csv")));
        let receipt = receipts.iter().find(|receipt| receipt["item"] == item).expect("a receipt");
        assert_eq!(receipt["rows_rejected"].as_u64(), Some(rejected), "{item}");
        assert_eq!(receipt["rows_out"].as_u64(), Some(expected.len() as u64), "{item}");
    }
    // What was applied is what the file says.
    scenario.expect(0, &["plan", "--local", "--detailed-exitcode"]);
}

#[test]
fn the_same_list_again_is_another_run_once_the_first_has_ended() {
    let scenario = Scenario::fx();
    scenario.write("two.txt", "USD\nGBP\nUSD\n");
    let run = ["run", "--local", "--yes", "--items", "two.txt"];
    let first = scenario.provision(&run);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("1 item came more than once"), "{}", first.stderr);
    assert!(first.stdout.ends_with("0 nodes preempted, 0 items lost, 2 of 2 done\n"), "{}", first.stdout);
    scenario.expect(0, &run);
    let runs = scenario.json(0, &["runs", "list", "--local"]);
    assert_eq!(runs.as_array().map(Vec::len), Some(2));
    let shown = scenario.expect(0, &["runs", "show", "--local"]);
    assert!(shown.contains("2 of 2 done, 0 failed"), "{shown}");
    assert!(scenario.expect(0, &["status", "--local"]).contains("no open run"));
    assert!(!scenario.expect(0, &["logs", "--local"]).is_empty());
}

#[derive(Debug)]
struct Row {
    date: String,
    rate: f64,
    numbers: [Option<f64>; 5],
}

/// The features, by direct computation: every window is summed anew. Also, how many rows have no rate.
fn features(raw: &Path) -> (Vec<Row>, u64) {
    let text = std::fs::read_to_string(raw).expect("raw rates");
    let mut rejected = 0;
    let mut rates: Vec<(String, f64)> = Vec::new();
    for line in text.lines().skip(1) {
        let (date, rate) = line.split_once(',').expect("two fields");
        match rate.parse() {
            Ok(rate) => rates.push((date.to_owned(), rate)),
            Err(_) => rejected += 1,
        }
    }
    rates.sort_by(|a, b| a.0.cmp(&b.0));
    let returns: Vec<Option<f64>> =
        (0..rates.len()).map(|i| (i > 0).then(|| rates[i].1 / rates[i - 1].1 - 1.0)).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let window = |i: usize, n: usize| -> Vec<f64> {
        rates[(i + 1).saturating_sub(n)..=i].iter().map(|r| r.1).collect()
    };
    let deviation = |i: usize| {
        let last: Vec<f64> = returns[(i + 1).saturating_sub(20)..=i].iter().flatten().copied().collect();
        let mean = mean(&last);
        let squares: f64 = last.iter().map(|value| (value - mean).powi(2)).sum();
        (last.len() >= 2).then(|| (squares / (last.len() - 1) as f64).sqrt())
    };
    let mut highest = f64::MIN;
    let rows = rates.iter().enumerate().map(|(i, (date, rate))| {
        highest = highest.max(*rate);
        let numbers = [
            returns[i],
            Some(mean(&window(i, 20))),
            Some(mean(&window(i, 50))),
            deviation(i),
            Some(rate / highest - 1.0),
        ];
        Row { date: date.clone(), rate: *rate, numbers }
    });
    (rows.collect(), rejected)
}

fn compare(item: &str, expected: &[Row], output: &Path) {
    let text =
        std::fs::read_to_string(output).unwrap_or_else(|error| panic!("{}: {error}", output.display()));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("date,rate,return_1d,sma_20,sma_50,volatility_20,drawdown"), "{item}");
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), expected.len(), "{item}");
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(row[0], expected.date, "{item}");
        let numbers = std::iter::once(Some(expected.rate)).chain(expected.numbers);
        for (field, expected) in row[1..].iter().zip(numbers) {
            let close = match (field.parse::<f64>().ok(), expected) {
                (None, None) => field.is_empty(),
                (Some(got), Some(want)) => (got - want).abs() <= 1e-9,
                _ => false,
            };
            assert!(close, "{item} {}: {field} is not {expected:?}", row[0]);
        }
    }
}
