//! Outputs that are divided, as the trait gives them.

use worker::handler::{Destination, Handler};

use crate::case::{Case, bytes, host};
use worker::etl::Etl;

const ROWS: &str =
    "day,ccy,x\n2026-01-31,USD,1\n2026-01-30,USD,2\n2026-01-31,../a,3\n,USD,4\n2026-01-31,,5\n";
const TYPES: &[(&str, &str)] = &[("ccy", "string"), ("day", "date"), ("x", "int")];

async fn outputs(case: &Case) -> Vec<(String, String)> {
    let outputs = case.product().await.outputs.into_iter();
    outputs
        .map(|output| (output.address.object.clone(), String::from_utf8(bytes(output)).expect("text")))
        .collect()
}

#[tokio::test]
async fn columns_in_the_name_divide_the_rows() {
    let made = outputs(&Case::csv(TYPES, ROWS).load("gs://data/{item}/{day}/{ccy}.csv")).await;
    let made: Vec<(&str, &str)> = made.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        made,
        [
            ("x/2026-01-30/USD.csv", "ccy,day,x\nUSD,2026-01-30,2\n"),
            ("x/2026-01-31/..%2Fa.csv", "ccy,day,x\n../a,2026-01-31,3\n"),
            ("x/2026-01-31/USD.csv", "ccy,day,x\nUSD,2026-01-31,1\n"),
            ("x/2026-01-31/~empty.csv", "ccy,day,x\n,2026-01-31,5\n"),
            ("x/~null/USD.csv", "ccy,day,x\nUSD,,4\n"),
        ]
    );
}

#[tokio::test]
async fn a_handler_says_beforehand_whether_it_makes_one_output() {
    let destination = async |case: &Case| {
        let etl = Etl::prepare(&case.config, &host(".".as_ref())).await.expect("an engine");
        etl.destination(&contract::Item("a/../b".to_owned())).expect("a destination")
    };
    let Destination::One(address) = destination(&Case::csv(TYPES, ROWS)).await else { panic!("one output") };
    assert_eq!(address.to_string(), "gs://data/a%2F%2E%2E%2Fb.csv");
    let divided = Case::csv(TYPES, ROWS).load("gs://data/{item}/{day}.csv");
    assert_eq!(destination(&divided).await, Destination::Several);
}

#[tokio::test]
async fn rows_that_are_none_make_no_partition() {
    assert_eq!(outputs(&Case::csv(TYPES, "day,ccy,x\n").load("gs://data/{item}/{day}.parquet")).await, []);
}

#[tokio::test]
async fn partitions_are_bounded_and_never_share_a_name() {
    let rows: Vec<String> = (0..300).map(|x| x.to_string()).collect();
    let rows = format!("x\n{}\n", rows.join("\n"));
    let many = Case::csv(&[("x", "int")], rows).load("gs://data/{item}/{x}.csv");
    assert_eq!(many.fails_for_good().await, "the output has more than 256 partitions; divide it less finely");
    let twice = Case::csv(&[("a", "string"), ("b", "string")], "a,b\n1-2,3\n1,2-3\n");
    let error = twice.load("gs://data/{item}/{a}-{b}.csv").fails_for_good().await;
    assert!(error.starts_with("two partitions would both be gs://data/x/1-2-3.csv"), "{error}");
}

#[tokio::test]
async fn a_column_that_the_output_does_not_have_is_found_beforehand() {
    let case = Case::csv(TYPES, ROWS).sql("SELECT x FROM input").load("gs://data/{item}/{day}.csv");
    let wrong = case.refused().await;
    assert_eq!((wrong[0].field.as_str(), wrong.len()), ("load", 1));
    assert_eq!(wrong[0].message, "the output has no column `day` to divide it by");
}
