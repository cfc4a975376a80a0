//! What becomes of rows that do not fit, and what is wrong with schemas.

use contract::{BadRows, Literal};

use crate::case::{Case, bytes};

const RATES: &[(&str, &str)] = &[("date", "date"), ("rate", "double")];

#[tokio::test]
async fn the_first_bad_row_is_named_with_column_value_and_rule() {
    let fails = |input: &'static str| Case::csv(RATES, input);
    assert_eq!(
        fails("date,rate\n2026-01-30,1.1\n2026-01-31,N/A\n").fails_for_good().await,
        "line 3: column `rate`: `N/A` is not a finite number"
    );
    assert_eq!(
        fails("date,rate\n2026-01-30\n").fails_for_good().await,
        "line 2: the row has 1 fields, the header 2"
    );
    let long = format!("date,rate\n2026-01-30,{}\n", "9x".repeat(1000));
    let error = Case::csv(RATES, long).fails_for_good().await;
    assert_eq!(error, format!("line 2: column `rate`: `{}…` is not a finite number", "9x".repeat(20)));
}

#[tokio::test]
async fn a_header_that_is_wrong_is_no_bad_row() {
    for (header, said) in [
        ("date,rates\n", "the header has no column `rate`; it has `date`, `rates`"),
        ("", "the header has no column `date`; it has none: the input is empty"),
        ("date,rate,rate\n", "the header has two columns `rate`"),
    ] {
        let case = Case::csv(RATES, header).with(|config| config.bad_rows = BadRows::Drop);
        assert_eq!(case.fails_for_good().await, said);
    }
}

#[tokio::test]
async fn dropped_rows_are_counted_and_other_columns_are_not_read() {
    let input = b"\xEF\xBB\xBFx,date,rate\n\xff,2026-01-31,N/A\n\"a\nb\",2026-01-30,1.1\nshort\n\
        1,2026-01-29,1.2,more\n1,2026-01-28,\xff\n";
    let case = Case::csv(RATES, &input[..]).with(|config| config.bad_rows = BadRows::Drop);
    let product = case.product().await;
    assert_eq!((product.rows_in, product.rows_rejected, product.rows_out), (Some(5), Some(4), Some(1)));
}

#[tokio::test]
async fn texts_that_stand_for_null_are_null() {
    let case = Case::csv(RATES, "date,rate\n2026-01-31,N/A\n-,1.5\n").with(|config| {
        config.nulls = vec!["N/A".to_owned()];
        config.schema.get_mut("date").expect("a column").nulls = vec!["-".to_owned()];
    });
    assert_eq!(case.makes().await, "date,rate\n2026-01-31,\n,1.5\n");
}

#[tokio::test]
async fn an_unclosed_quote_swallows_no_row_whatever_the_policy() {
    let input = "date,rate\n2026-01-30,1.1\n2026-01-29,\"1.2\n2026-01-28,1.3\n";
    for policy in [BadRows::Fail, BadRows::Drop] {
        let case = Case::csv(RATES, input).with(|config| config.bad_rows = policy);
        assert_eq!(case.fails_for_good().await, "the quote that opens in line 3 is never closed");
    }
    let case = Case::csv(RATES, format!("{input}2026-01-27,\"1.4\"\n"));
    let case = case.with(|config| config.bad_rows = BadRows::Drop);
    assert_eq!(case.fails_for_good().await, "line 5: there is text after a closing quote");
}

fn rejecting(ending: &str) -> Case {
    let input = "x,date,rate\n1,2026-01-31,N/A\n\"a,b\",2026-01-30,1.1\n3,2026-01-29\n4,2026-01-28,-1\n";
    Case::csv(RATES, input).column("rate", |rate| rate.min = Some(Literal("0".to_owned()))).with(|config| {
        config.bad_rows = BadRows::Reject;
        config.rejects = Some(format!("gs://data/rejects/{{item}}.{ending}"));
    })
}

async fn rejects(case: &Case) -> (String, String) {
    let product = case.product().await;
    assert_eq!((product.rows_in, product.rows_rejected), (Some(4), Some(3)));
    let mut outputs = product.outputs.into_iter();
    assert_eq!(outputs.next().map(bytes), Some(b"date,rate\n2026-01-30,1.1\n".to_vec()));
    let rejects = outputs.next().expect("the rejects");
    (rejects.address.to_string(), String::from_utf8(bytes(rejects)).expect("text"))
}

#[tokio::test]
async fn rejected_rows_are_kept_as_they_were_read_with_the_reason() {
    let (address, csv) = rejects(&rejecting("csv")).await;
    assert_eq!(address, "gs://data/rejects/x.csv");
    assert_eq!(
        csv,
        "line,reason,x,date,rate\n\
         2,column `rate`: `N/A` is not a finite number,1,2026-01-31,N/A\n\
         4,\"the row has 2 fields, the header 3\",3,2026-01-29\n\
         5,\"column `rate`: `-1` is less than the least, 0\",4,2026-01-28,-1\n"
    );
    let (_, ndjson) = rejects(&rejecting("ndjson")).await;
    assert_eq!(
        ndjson.lines().nth(1),
        Some(r#"{"line":4,"reason":"the row has 2 fields, the header 3","row":["3","2026-01-29"]}"#)
    );
}

#[tokio::test]
async fn rejected_lines_of_json_are_kept_whole() {
    let case =
        Case::of("in.ndjson", &[("a", "int")], "{\"a\":1}\n{\"a\":\"x\", \"b\": 2}\n").with(|config| {
            config.bad_rows = BadRows::Reject;
            config.rejects = Some("gs://data/rejects/{item}.ndjson".to_owned());
        });
    let rejects = case.product().await.outputs.pop().expect("the rejects");
    assert_eq!(
        String::from_utf8(bytes(rejects)).expect("text"),
        "{\"line\":2,\"reason\":\"column `a`: `x` is not a whole number of 64 bits\",\
         \"row\":\"{\\\"a\\\":\\\"x\\\", \\\"b\\\": 2}\"}\n"
    );
}

#[tokio::test]
async fn everything_wrong_with_a_configuration_is_said_at_once_with_its_key() {
    let case = Case::csv(&[("a", "int"), ("b", "string")], "").sql("SELEC").load("gs://data/out.txt").with(
        |config| {
            config.extract = "ftp://x".to_owned();
            config.schema.get_mut("a").expect("a column").regex = Some("x".to_owned());
            config.schema.get_mut("b").expect("a column").regex = Some("(".to_owned());
            config.bad_rows = BadRows::Reject;
            config.http = Some(contract::HttpConfig { tries: 0, ..contract::HttpConfig::default() });
            let table = r#"{"from": "https://h/{item}.txt", "schema": {"a": {"type": "int", "min": "x"}}}"#;
            config.tables.insert("Input".to_owned(), serde_json::from_str(table).expect("a table"));
        },
    );
    let wrong = case.refused().await;
    let fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "extract",
            "extract",
            "schema",
            "schema",
            "load",
            "load",
            "rejects",
            "tables.Input",
            "tables.Input.from",
            "tables.Input.from",
            "tables.Input.schema",
            "http",
            "sql"
        ],
        "{wrong:#?}"
    );
}
